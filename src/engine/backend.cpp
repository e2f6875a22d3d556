#include "engine/backend.h"

#include <algorithm>

namespace rwkv {
namespace {

std::string list_of(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list.append(list.empty() ? "" : ", ").append(name);
  return list;
}

}  // namespace

void check_options(const Backend& backend, const LoadOptions& options) {
  const auto refuse = [](const std::string& problem) { throw Error(ErrorCode::kInvalidArgument, problem); };
  const std::string name(backend.name());
  if (options.max_sequences < 1 || options.max_sequences > kMostSequences) {
    refuse("the number of sequences is " + std::to_string(options.max_sequences) + ", not 1 to " +
           std::to_string(kMostSequences));
  }
  if (!options.device.empty()) {
    std::vector<std::string> ids;
    for (const Device& device : backend.devices()) ids.push_back(device.id);
    if (std::find(ids.begin(), ids.end(), options.device) == ids.end()) {
      refuse(name + " has no device '" + options.device + "'; it has " + list_of(ids));
    }
  }
  if (options.settings.empty()) return;
  std::vector<std::string> keys;
  for (const Setting& setting : backend.settings()) keys.push_back(setting.key);
  for (const auto& [key, value] : options.settings) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    refuse(name + " has no setting '" + key + "'" + (keys.empty() ? " or any other" : "; it has " + list_of(keys)));
  }
}

}  // namespace rwkv
