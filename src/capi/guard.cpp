#include "capi/guard.h"

#include "base/log.h"

namespace rwkv::capi {

int bits_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument: return RWKV_ERROR_RUNTIME | RWKV_ERROR_INVALID_PARAMETERS;
    case ErrorCode::kNotFound:
    case ErrorCode::kIo:
    case ErrorCode::kBadFile: return RWKV_ERROR_RUNTIME | RWKV_ERROR_IO;
    case ErrorCode::kUnsupported: return RWKV_ERROR_UNSUPPORTED;
    case ErrorCode::kOutOfMemory: return RWKV_ERROR_ALLOC;
    case ErrorCode::kEvaluation: return RWKV_ERROR_EVAL;
    case ErrorCode::kBusy:
    case ErrorCode::kCancelled:
    case ErrorCode::kInternal: return RWKV_ERROR_RUNTIME;
  }
  return RWKV_ERROR_RUNTIME;
}

namespace {

void remember(AbiHost* runtime, const char* message) noexcept {
  log::error(message);
  if (runtime) runtime->note_error(message);
}

}  // namespace

int caught(AbiHost* runtime) noexcept {
  const Error error = caught_error();
  remember(runtime, error.what());
  return bits_of(error.code());
}

}  // namespace rwkv::capi
