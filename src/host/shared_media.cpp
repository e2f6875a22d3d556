#include "host/shared_media.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/utf8_path.h"

namespace rwkv::host {
namespace {

// What tells a file from the one that has its name later. Nothing where it cannot be looked at: loading it says why.
std::string version_of(const std::string& path) {
  if (path.empty()) return {};
  std::error_code error;
  const std::filesystem::path file = path_from_utf8(path);
  const auto size = std::filesystem::file_size(file, error);
  const auto date = std::filesystem::last_write_time(file, error).time_since_epoch().count();
  return path + '\0' + std::to_string(size) + '\0' + std::to_string(date) + '\0';
}

}  // namespace

void SharedMedia::set_picture_tag(std::string tag) {
  const std::lock_guard lock(mutex_);
  picture_tag_ = std::move(tag);
}

std::string SharedMedia::picture_tag() const {
  const std::lock_guard lock(mutex_);
  return picture_tag_;
}

std::shared_ptr<SharedEncoder> SharedMedia::load(const EncoderFiles& files, const std::shared_ptr<MemoryBudget>& budget,
                                                 const CancelToken& cancel) {
  const std::string version = version_of(files.encoder) + version_of(files.adapter);
  const std::lock_guard loading(loading_);  // two models that ask at once get one encoder
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(loaded_, [](const Loaded& one) { return one.encoder.expired(); });
    const auto known =
        std::find_if(loaded_.begin(), loaded_.end(), [&](const Loaded& one) { return one.files == version; });
    if (known != loaded_.end()) {
      if (auto encoder = known->encoder.lock()) return encoder;
    }
  }
  cancel.check();
  const EncoderOptions options;
  MemoryGrant memory(files.encoder, describe_encoder(files, options).memory, budget, inspect_machine());
  const auto encoder = std::make_shared<SharedEncoder>(load_encoder(files, options), std::move(memory));
  const std::lock_guard lock(mutex_);
  loaded_.push_back({version, encoder});
  return encoder;
}

}  // namespace rwkv::host
