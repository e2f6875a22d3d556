// Where the registry gets its backends from.
#pragma once

#include <memory>
#include <vector>

#include "engine/backend.h"

namespace rwkv {

/// The backends of this build, best first. Defined in backends/builtin.cpp, the only place that knows them by name.
std::vector<std::unique_ptr<Backend>> builtin_backends();

}  // namespace rwkv
