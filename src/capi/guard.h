// Where exceptions stop, and what they become.
#pragma once

#include <exception>
#include <memory>
#include <new>
#include <string>

#include "base/error.h"
#include "capi/model_host.h"
#include "capi/registry.h"
#include "capi/runtime.h"
#include "rwkv_mobile.h"

namespace rwkv::capi {

inline constexpr int kBadArgument = RWKV_ERROR_INVALID_PARAMETERS;
inline constexpr int kNoSuchModel = RWKV_ERROR_RUNTIME | RWKV_ERROR_INVALID_PARAMETERS;

/// The RWKV_ERROR bits of a call that failed.
int bits_of(ErrorCode code) noexcept;

/// Inside a handler: the bits for the exception that is being handled. It is logged, and `runtime`, if there is one,
/// remembers it.
int caught(Runtime* runtime) noexcept;

/// What `call` returns, or the bits for what it throws.
template <class Call>
int guarded(Runtime* runtime, const Call& call) noexcept {
  try {
    return call();
  } catch (...) {
    return caught(runtime);
  }
}

/// What `call` returns, or `otherwise` when it throws.
template <class Result, class Call>
Result guarded_or(Runtime* runtime, Result otherwise, const Call& call) noexcept {
  try {
    return call();
  } catch (...) {
    caught(runtime);
    return otherwise;
  }
}

/// For calls with an error code: what `call(runtime)` returns; 8 for a handle that is none.
template <class Call>
int with_runtime(rwkvmobile_runtime_t handle, const Call& call) noexcept {
  std::shared_ptr<Runtime> runtime;
  return guarded(nullptr, [&] {
    runtime = registry<Runtime>().find(handle);
    return runtime ? guarded(runtime.get(), [&] { return call(*runtime); }) : kBadArgument;
  });
}

/// The same for `call(model)`; `unknown` for an id that is none.
template <class Call>
int with_model(rwkvmobile_runtime_t handle, int model_id, const Call& call, int unknown = kNoSuchModel) noexcept {
  return with_runtime(handle, [&](const Runtime& runtime) {
    const std::shared_ptr<ModelHost> model = runtime.find(model_id);
    return model ? call(*model) : unknown;
  });
}

/// For calls that give a value: what `call(model)` returns, `unknown` for an id that is none, `no_runtime` for a handle
/// that is none and when something is thrown.
template <class Result, class Call>
Result read_model(rwkvmobile_runtime_t handle, int model_id, Result no_runtime, Result unknown,
                  const Call& call) noexcept {
  std::shared_ptr<Runtime> runtime;
  return guarded_or(nullptr, no_runtime, [&] {
    runtime = registry<Runtime>().find(handle);
    if (!runtime) return no_runtime;
    return guarded_or(runtime.get(), no_runtime, [&] {
      const std::shared_ptr<ModelHost> model = runtime->find(model_id);
      return model ? call(*model) : unknown;
    });
  });
}

template <class Result, class Call>
Result read_model(rwkvmobile_runtime_t handle, int model_id, Result otherwise, const Call& call) noexcept {
  return read_model(handle, model_id, otherwise, otherwise, call);
}

}  // namespace rwkv::capi
