// rwkv_mobile.h: device and log.
#include <algorithm>
#include <string>

#include "base/log.h"
#include "base/soc.h"
#include "capi/guard.h"
#include "capi/per_thread.h"

using namespace rwkv::capi;

namespace {

constexpr const char* kUnknown = "Unknown";

// The names are literals: they end with a NUL.
const char* name_or_unknown(std::string_view rwkv::Soc::* field) {
  return guarded_or(nullptr, kUnknown, [&] {
    const std::string_view name = rwkv::inspect_soc().*field;
    return name.empty() ? kUnknown : name.data();
  });
}

// Never destroyed, as the log.
PerThread<std::string>& dumps() {
  static auto* instance = new PerThread<std::string>;
  return *instance;
}

}  // namespace

const char* rwkvmobile_get_platform_name(void) { return name_or_unknown(&rwkv::Soc::platform); }

const char* rwkvmobile_get_soc_name(void) { return name_or_unknown(&rwkv::Soc::name); }

const char* rwkvmobile_get_soc_partname(void) { return name_or_unknown(&rwkv::Soc::part); }

const char* rwkvmobile_get_htp_arch(void) { return name_or_unknown(&rwkv::Soc::htp); }

const char* rwkvmobile_dump_log(void) {
  return guarded_or(nullptr, "", [] { return dumps().keep(rwkv::log::dump()).c_str(); });
}

void rwkvmobile_set_loglevel(int loglevel) {
  // Clients in Dart count to 4.
  if (loglevel < RWKV_LOG_LEVEL_DEBUG || loglevel > RWKV_LOG_LEVEL_ERROR + 1) return;
  rwkv::log::set_level(static_cast<rwkv::log::Level>(std::min<int>(loglevel, RWKV_LOG_LEVEL_ERROR)));
}

void rwkvmobile_set_cache_dir(rwkvmobile_runtime_t, const char*) {}

void rwkvmobile_runtime_add_adsp_library_path(const char* path) {
  if (path) rwkv::log::info("a path for the QNN backend was set, which is not in this build");
}

void rwkvmobile_runtime_set_qnn_library_path(rwkvmobile_runtime_t, const char* path) {
  rwkvmobile_runtime_add_adsp_library_path(path);
}
