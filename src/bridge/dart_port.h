// A port that posts to a Dart isolate.
#pragma once

#include <cstdint>

#include "bridge/port.h"

namespace rwkv::bridge {

/// Posts each message to a native port of the Dart VM as a Uint8List of its UTF-8 bytes. The VM copies them, so that
/// nothing of ours waits for a garbage collection; for messages of this size that is cheaper than a finalizer, too.
/// Posting to an isolate that is gone is safe and says so.
class DartPort final : public Port {
 public:
  /// `post_cobject` is the function that `NativeApi.postCObject` of dart:ffi points to, `native_port` a
  /// `SendPort.nativePort`.
  DartPort(std::int64_t native_port, void* post_cobject);

  bool post(std::string message) override;

  /// Asks by posting an empty message, which the Dart side ignores.
  bool alive() override { return post({}); }

 private:
  std::int64_t native_port_;
  void* post_cobject_;
};

}  // namespace rwkv::bridge
