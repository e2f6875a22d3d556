// A port that posts to a Dart isolate.
#pragma once

#include <cstdint>

#include "bridge/port.h"

namespace rwkv::bridge {

/// Posts each message to a native port of the Dart VM as a Uint8List of its UTF-8 bytes, without a copy: the VM frees
/// the bytes through a finalizer. Posting to an isolate that is gone is safe and says so.
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

/// Messages that are with the Dart VM and not freed yet, in the whole process.
std::int64_t live_dart_messages() noexcept;

}  // namespace rwkv::bridge
