// A backend without weights, for tests of what stands on top.
#pragma once

#include <memory>

#include "engine/backend.h"

namespace rwkv {

/// Runs Script files (see script.h) under the name "scripted".
std::unique_ptr<Backend> make_scripted_backend();

}  // namespace rwkv
