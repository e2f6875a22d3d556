#include "server/thinking_split.h"

#include <algorithm>
#include <utility>

namespace rwkv::server {
namespace {

constexpr std::string_view kBegin = "<think";
constexpr std::string_view kEnd = "</think>";
constexpr std::string_view kSpace = " \n\r\t";

void skip_space(std::string& text) { text.erase(0, std::min(text.find_first_not_of(kSpace), text.size())); }

// How many bytes at the end may belong to the end tag or to the space before it.
std::size_t undecided(std::string_view text) {
  std::size_t keep = std::min(text.size(), kEnd.size() - 1);
  while (!text.ends_with(kEnd.substr(0, keep))) --keep;
  const std::size_t last = text.substr(0, text.size() - keep).find_last_not_of(kSpace);
  return text.size() - (last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace

ThinkingSplit::Parts ThinkingSplit::push(std::string_view text) {
  Parts parts;
  held_ += text;
  if (phase_ == Phase::kStart) {
    if (held_.size() < kBegin.size() && kBegin.starts_with(held_)) return parts;
    const bool thinks = held_.starts_with(kBegin);
    if (thinks) held_.erase(0, kBegin.size());
    phase_ = thinks ? Phase::kOpened : Phase::kContent;
  }
  if (phase_ == Phase::kOpened) {
    if (held_.empty()) return parts;
    if (held_.front() == '>') held_.erase(0, 1);
    phase_ = Phase::kThoughts;
  }
  if (phase_ == Phase::kThoughts) {
    if (!has_thoughts_) skip_space(held_);
    const std::size_t end = held_.find(kEnd);
    const std::string_view thoughts = std::string_view(held_).substr(0, end);
    const std::size_t give = end == std::string::npos ? held_.size() - undecided(held_)
                                                      : thoughts.find_last_not_of(kSpace) + 1;  // none found: 0
    parts.thoughts = held_.substr(0, give);
    has_thoughts_ = has_thoughts_ || give > 0;
    held_.erase(0, end == std::string::npos ? give : end + kEnd.size());
    if (end == std::string::npos) return parts;
    phase_ = Phase::kClosed;
  }
  if (phase_ == Phase::kClosed) {
    skip_space(held_);
    if (held_.empty()) return parts;
    phase_ = Phase::kContent;
  }
  parts.content = std::exchange(held_, {});
  return parts;
}

ThinkingSplit::Parts ThinkingSplit::finish() {
  Parts parts;
  (phase_ == Phase::kThoughts ? parts.thoughts : parts.content) = std::exchange(held_, {});
  return parts;
}

}  // namespace rwkv::server
