// Calls of the host's functions: known to the thread that makes them, and over when the process ends.
#pragma once

namespace rwkv {

/// Stands for one call of a function that the host gave us. When the process is left (a return from main, exit()) no
/// such call begins any more and those that run are waited for, a second at most: they use what the host's own statics
/// hold, and those go next.
class HostCall {
 public:
  HostCall() noexcept;
  HostCall(const HostCall&) = delete;
  HostCall& operator=(const HostCall&) = delete;
  ~HostCall();

  /// False: the process ends, do not call.
  bool allowed() const noexcept { return allowed_; }

  /// Whether this thread is inside such a call: what waits for the call's end there waits for ever.
  static bool inside() noexcept;

 private:
  const bool allowed_;
};

}  // namespace rwkv
