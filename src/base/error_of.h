// What a piece of code throws, as a value.
#pragma once

#include <exception>
#include <new>
#include <optional>

#include "base/error.h"

namespace rwkv {

/// Runs `function`; what it throws comes back as an Error.
template <class Function>
std::optional<Error> error_of(const Function& function) {
  try {
    function();
    return std::nullopt;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kOutOfMemory,
                 "out of memory; release a model, use a smaller one or have fewer conversations at once");
  } catch (const std::exception& error) {
    return Error(ErrorCode::kInternal, error.what());
  } catch (...) {
    return Error(ErrorCode::kInternal, "something was thrown that is no std::exception");  // by a callback
  }
}

}  // namespace rwkv
