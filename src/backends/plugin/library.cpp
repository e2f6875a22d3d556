#include "backends/plugin/library.h"

#include <cstddef>
#include <cstring>

#include "base/dynamic_library.h"
#include "base/log.h"
#include "base/utf8_path.h"

namespace rwkv::plugin {
namespace {

constexpr std::string_view kPrefix =
#ifdef _WIN32
    "rwkv_backend_";
#else
    "librwkv_backend_";
#endif
constexpr std::string_view kSuffix =
#if defined(_WIN32)
    ".dll";
#elif defined(__APPLE__)
    ".dylib";
#else
        ".so";
#endif

void write_log(std::int32_t level, const char* text) {
  if (text == nullptr) return;
  switch (level) {
    case RWKV_BACKEND_LOG_DEBUG: return log::debug(text);
    case RWKV_BACKEND_LOG_INFO: return log::info(text);
    case RWKV_BACKEND_LOG_WARN: return log::warn(text);
    default: return log::error(text);
  }
}

constexpr rwkv_backend_host kHost{sizeof(rwkv_backend_host), RWKV_BACKEND_ABI_VERSION, write_log};

Error refused(const std::string& path, const std::string& reason) {
  return Error(ErrorCode::kUnsupported, "the backend '" + path + "' " + reason);
}

const std::string kOwnVersion = std::to_string(RWKV_BACKEND_ABI_VERSION);

// The first function that is missing, by its name in the header.
const char* missing_entry(const rwkv_backend_api& api) {
  const struct {
    const char* name;
    bool there;
  } entries[] = {
      {"available", api.available != nullptr},
      {"device_count", api.device_count != nullptr},
      {"device", api.device != nullptr},
      {"match", api.match != nullptr},
      {"estimate", api.estimate != nullptr},
      {"load", api.load != nullptr},
      {"release", api.release != nullptr},
      {"info", api.info != nullptr},
      {"set_threads", api.set_threads != nullptr},
      {"create_sequence", api.create_sequence != nullptr},
      {"free_sequence", api.free_sequence != nullptr},
      {"reset", api.reset != nullptr},
      {"save", api.save != nullptr},
      {"restore", api.restore != nullptr},
      {"evaluate", api.evaluate != nullptr},
      {"name", api.name != nullptr && *api.name != '\0'},
      {"version", api.version != nullptr},
      {"description", api.description != nullptr},
      {"settings", api.setting_count == 0 || api.settings != nullptr},
  };
  for (const auto& entry : entries) {
    if (!entry.there) return entry.name;
  }
  return nullptr;
}

void check(const std::string& path, const rwkv_backend_api& api) {
  // The version stands behind the size, which has to be believed that far.
  constexpr std::size_t kLeast = offsetof(rwkv_backend_api, abi_version) + sizeof api.abi_version;
  if (api.struct_size < kLeast) throw refused(path, "has no table of functions; get it anew");
  if (api.abi_version != RWKV_BACKEND_ABI_VERSION) {
    const bool is_old = api.abi_version < RWKV_BACKEND_ABI_VERSION;
    throw refused(path, "was built for version " + std::to_string(api.abi_version) +
                            " of the interface, this library has version " + kOwnVersion +
                            (is_old ? "; get a newer one" : "; get one of this library's release"));
  }
  if (api.struct_size < sizeof api) {
    throw refused(path, "has a table of " + std::to_string(api.struct_size) + " bytes, not " +
                            std::to_string(sizeof api) + "; get one of this library's release");
  }
  if (const char* name = missing_entry(api)) {
    throw refused(path, "lacks '" + std::string(name) + "' in its table of functions; get it anew");
  }
  const std::string expected = name_in(utf8_from_path(path_from_utf8(path).filename()));
  if (!expected.empty() && expected != api.name) {
    throw refused(path, "calls itself '" + std::string(api.name) + "'; name its file " + file_name(api.name));
  }
}

}  // namespace

std::string file_name(const std::string& name) { return std::string(kPrefix).append(name).append(kSuffix); }

std::string name_in(const std::string& file_name) {
  const std::string_view file = file_name;
  if (!file.starts_with(kPrefix) || !file.ends_with(kSuffix)) return "";
  if (file.size() <= kPrefix.size() + kSuffix.size()) return "";
  return file_name.substr(kPrefix.size(), file.size() - kPrefix.size() - kSuffix.size());
}

const rwkv_backend_api& open_library(const std::string& path) {
  const DynamicLibrary library(path);
  void* symbol = library.symbol(RWKV_BACKEND_ENTRY);
  if (symbol == nullptr) {
    throw refused(path, "is no plugin: it has no function " RWKV_BACKEND_ENTRY);
  }
  rwkv_backend_entry_function entry = nullptr;
  static_assert(sizeof entry == sizeof symbol);
  std::memcpy(&entry, &symbol, sizeof entry);
  const rwkv_backend_api* api = entry(&kHost);
  if (api == nullptr) {
    throw refused(path, "does not work with version " + kOwnVersion +
                            " of the interface, which this library has; get one of this library's release");
  }
  check(path, *api);
  return *api;
}

}  // namespace rwkv::plugin
