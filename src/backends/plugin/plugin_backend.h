// Backends that are libraries of their own.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/backend.h"

namespace rwkv {

/// The backend in the library at `path`. Throws as plugin::open_library() does.
std::unique_ptr<Backend> make_plugin_backend(const std::string& path);

/// The backends found in `folders`, by their names; of several libraries of one name the first is taken, and of a
/// folder that cannot be read nothing. A library that cannot be used is a backend that says why it is not available,
/// and so is one with a name in `taken`.
std::vector<std::unique_ptr<Backend>> find_plugins(const std::vector<std::string>& folders,
                                                   const std::vector<std::string_view>& taken);

/// Where plugins are looked for: in `chosen` or, when it is empty, in the folder that RWKV_BACKEND_DIR names; then in
/// the folder `rwkv` beside this library (of a program in `bin` also in `../lib/rwkv`); then beside this library, where
/// apps have what they bring along.
std::vector<std::string> plugin_folders(const std::string& chosen);

}  // namespace rwkv
