#include "host/encoded_media.h"

#include <algorithm>

namespace rwkv::host {

std::shared_ptr<const Embeddings> EncodedMedia::find_or_make(
    std::uint64_t content, std::uint64_t source_bytes, const std::function<std::shared_ptr<const Embeddings>()>& make) {
  const std::lock_guard lock(mutex_);
  const auto known = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.embeddings->content() == content; });
  if (known != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, known);
    return known->embeddings;
  }
  std::shared_ptr<const Embeddings> made = make();
  entries_.push_front({made, source_bytes});
  shrink_with_lock(limit_bytes_);
  return made;
}

void EncodedMedia::shrink_to(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  shrink_with_lock(bytes);
}

std::uint64_t EncodedMedia::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_with_lock();
}

std::uint64_t EncodedMedia::bytes_with_lock() const {
  std::uint64_t bytes = 0;
  for (const Entry& entry : entries_) bytes += entry.bytes();
  return bytes;
}

void EncodedMedia::shrink_with_lock(std::uint64_t bytes) {
  while (!entries_.empty() && bytes_with_lock() > bytes) entries_.pop_back();
}

}  // namespace rwkv::host
