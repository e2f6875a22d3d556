// Where the registry finds its backends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/backend.h"

namespace rwkv {

/// Sets the folder that is searched first for backends that are libraries of their own, in place of the folder that the
/// environment variable RWKV_BACKEND_DIR names (docs/PLUGINS.md). Throws Error(kNotFound) where there is no such folder
/// and Error(kBusy) once backends() has been called.
void set_backend_folder(const std::string& path);

/// The backends of this build, best first, then those that are libraries of their own (see set_backend_folder()).
/// Defined in backends/builtin.cpp, the only place that knows backends by name.
std::vector<std::unique_ptr<Backend>> known_backends(const std::string& folder);

}  // namespace rwkv
