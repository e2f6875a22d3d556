// What a piece of code throws, as a value.
#pragma once

#include <optional>

#include "base/error.h"

namespace rwkv {

/// Runs `function`; what it throws comes back as an Error.
template <class Function>
std::optional<Error> error_of(const Function& function) {
  try {
    function();
    return std::nullopt;
  } catch (...) {
    return caught_error();
  }
}

}  // namespace rwkv
