// rwkv backends: what can run models here.
#include <cstdio>
#include <memory>

#include "engine/backend.h"
#include "options.h"

namespace rwkv::cli {
namespace {

void run(bool json) {
  Json list = Json::array();
  for (const std::unique_ptr<Backend>& backend : backends()) {
    const std::optional<std::string> reason = backend->unavailable_reason();
    if (json) {
      Json entry{{"name", backend->name()}, {"available", !reason}, {"description", backend->description()}};
      if (reason) entry["reason"] = *reason;
      entry["devices"] = Json::array();
      for (const Device& device : backend->devices()) {
        entry["devices"].push_back({{"id", device.id},
                                    {"name", device.name},
                                    {"kind", to_string(device.kind)},
                                    {"totalBytes", device.total_bytes},
                                    {"freeBytes", device.free_bytes}});
      }
      entry["settings"] = Json::array();
      for (const Setting& setting : backend->settings()) {
        entry["settings"].push_back({{"key", setting.key}, {"meaning", setting.meaning}});
      }
      list.push_back(entry);
    } else {
      std::printf("%-12s %s%s\n", std::string(backend->name()).c_str(), backend->description().c_str(),
                  reason ? (", not available: " + *reason).c_str() : "");
      for (const Device& device : backend->devices()) {
        std::printf("  --device %-10s %s, %s of %s free\n", device.id.c_str(), device.name.c_str(),
                    megabytes(device.free_bytes).c_str(), megabytes(device.total_bytes).c_str());
      }
      for (const Setting& setting : backend->settings()) {
        std::printf("  --set %s=...  %s\n", setting.key.c_str(), setting.meaning.c_str());
      }
    }
  }
  if (json) print_json(list);
}

}  // namespace

void add_backends(CLI::App& app) {
  auto json = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("backends", "List what can run models on this machine");
  sub->add_flag("--json", *json, "Print a line of JSON");
  sub->callback([json] { run(*json); });
}

}  // namespace rwkv::cli
