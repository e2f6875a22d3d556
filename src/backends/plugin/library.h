// A backend's library, opened and looked at before anything of it is called.
#pragma once

#include <string>

#include "base/error.h"
#include "rwkv_backend.h"

namespace rwkv::plugin {

/// What a library's file must be called for the plugin NAME, for example "librwkv_backend_NAME.so".
std::string file_name(const std::string& name);
/// NAME, or nothing when the file is not called as a plugin's is.
std::string name_in(const std::string& file_name);

/// Opens the library and checks its table: version, size, that all functions and texts are there, and that it has the
/// name that its file has. The table lives as long as the process. Throws Error(kNotFound, kIo, kBadFile) for what is
/// no library that can be opened, Error(kUnsupported) for what is no plugin for this host; both say what to do.
const rwkv_backend_api& open_library(const std::string& path);

}  // namespace rwkv::plugin
