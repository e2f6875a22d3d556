// Where exceptions stop, and what they become.
#pragma once

#include <exception>
#include <memory>
#include <new>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "capi/abi_host.h"
#include "capi/registry.h"
#include "rwkv_mobile.h"

namespace rwkv::capi {

inline constexpr int kBadArgument = RWKV_ERROR_INVALID_PARAMETERS;
inline constexpr int kNoSuchModel = RWKV_ERROR_RUNTIME | RWKV_ERROR_INVALID_PARAMETERS;

/// The RWKV_ERROR bits of a call that failed.
int bits_of(ErrorCode code) noexcept;

/// Inside a handler: the bits for the exception that is being handled. It is logged, and `runtime`, if there is one,
/// remembers it.
int caught(AbiHost* runtime) noexcept;

/// What `call` returns; 0 if that is nothing.
template <class Call, class Argument>
int code_of(const Call& call, Argument& argument) {
  if constexpr (std::is_void_v<decltype(call(argument))>) {
    call(argument);
    return RWKV_SUCCESS;
  } else {
    return call(argument);
  }
}

/// What `call` returns, or the bits for what it throws.
template <class Call>
int guarded(AbiHost* runtime, const Call& call) noexcept {
  try {
    return call();
  } catch (...) {
    return caught(runtime);
  }
}

/// What `call` returns, or `otherwise` when it throws.
template <class Result, class Call>
Result guarded_or(AbiHost* runtime, Result otherwise, const Call& call) noexcept {
  try {
    return call();
  } catch (...) {
    caught(runtime);
    return otherwise;
  }
}

/// For calls with an error code: what `call(runtime)` returns, 0 if that is nothing; 8 for a handle that is none.
template <class Call>
int with_runtime(rwkvmobile_runtime_t handle, const Call& call) noexcept {
  std::shared_ptr<AbiHost> runtime;
  return guarded(nullptr, [&] {
    runtime = registry<AbiHost>().find(handle);
    return runtime ? guarded(runtime.get(), [&] { return code_of(call, *runtime); }) : kBadArgument;
  });
}

/// The same for `call(model)`; `unknown` for an id that is none.
template <class Call>
int with_model(rwkvmobile_runtime_t handle, int model_id, int unknown, const Call& call) noexcept {
  return with_runtime(handle, [&](AbiHost& runtime) {
    const std::shared_ptr<AbiModel> model = runtime.find(model_id);
    return model ? code_of(call, *model) : unknown;
  });
}

template <class Call>
int with_model(rwkvmobile_runtime_t handle, int model_id, const Call& call) noexcept {
  return with_model(handle, model_id, kNoSuchModel, call);
}

/// For calls that give a value: what `call(runtime)` returns, `otherwise` for a handle that is none and when something
/// is thrown.
template <class Result, class Call>
Result read_runtime(rwkvmobile_runtime_t handle, Result otherwise, const Call& call) noexcept {
  std::shared_ptr<AbiHost> runtime;
  return guarded_or(nullptr, otherwise, [&] {
    runtime = registry<AbiHost>().find(handle);
    return runtime ? guarded_or(runtime.get(), otherwise, [&] { return call(*runtime); }) : otherwise;
  });
}

/// The same for `call(model)`; `unknown` for an id that is none.
template <class Result, class Call>
Result read_model(rwkvmobile_runtime_t handle, int model_id, Result no_runtime, Result unknown,
                  const Call& call) noexcept {
  return read_runtime(handle, no_runtime, [&](AbiHost& runtime) {
    const std::shared_ptr<AbiModel> model = runtime.find(model_id);
    return model ? call(*model) : unknown;
  });
}

template <class Result, class Call>
Result read_model(rwkvmobile_runtime_t handle, int model_id, Result otherwise, const Call& call) noexcept {
  return read_model(handle, model_id, otherwise, otherwise, call);
}

}  // namespace rwkv::capi
