#include "runtime/reply_text.h"

#include <algorithm>
#include <utility>

namespace rwkv {
namespace {

constexpr std::string_view kThinkBegin = "<think";
constexpr std::string_view kThinkEnd = "</think>";

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

bool is_trimmed_at_end(char c) { return c == '\n' || c == '\x17'; }

// Length of the longest proper prefix of `stop` that `text` ends with.
std::size_t overlap(std::string_view text, std::string_view stop) {
  for (std::size_t n = std::min(text.size(), stop.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == stop.substr(0, n)) return n;
  }
  return 0;
}

}  // namespace

ReplyText::ReplyText(Rules rules, std::string_view initial) : rules_(std::move(rules)), held_(initial) {
  for (const char c : initial) follow(c);
  // "Fast thinking": the prompt ends in `</think` and leaves only the closing bracket to the model.
  if (phase_ == Phase::kThinking && initial.ends_with(kThinkEnd.substr(0, kThinkEnd.size() - 1))) {
    phase_ = Phase::kAfterThinking;
    bracket_due_ = true;
  }
  std::size_t give = held_.size();
  while (rules_.trim && give > 0 && is_trimmed_at_end(held_[give - 1])) --give;
  release(give);
  searched_ = held_.size();
}

void ReplyText::follow(char c) {
  switch (phase_) {
    case Phase::kStart:
      if (marker_.empty() && is_space(c)) return;
      marker_ += c;
      if (marker_ == kThinkBegin) {
        phase_ = Phase::kThinking;
        marker_.clear();
      } else if (!kThinkBegin.starts_with(marker_)) {
        phase_ = Phase::kAnswer;
      }
      return;
    case Phase::kThinking:
      if (marker_.size() == kThinkEnd.size()) marker_.erase(0, 1);
      marker_ += c;
      if (marker_ == kThinkEnd) phase_ = Phase::kAfterThinking;
      return;
    case Phase::kAfterThinking:
      if (bracket_due_ && c == '>') {
        bracket_due_ = false;
      } else if (!is_space(c)) {
        phase_ = Phase::kAnswer;
      }
      return;
    case Phase::kAnswer: return;
  }
}

void ReplyText::release(std::size_t count) {
  std::string_view bytes(held_.data(), count);
  if (at_start_ && rules_.trim && bytes.starts_with(' ')) bytes.remove_prefix(1);
  if (count > 0) at_start_ = false;
  utf8_.push(bytes, text_);
  held_.erase(0, count);
  searched_ -= std::min(searched_, count);
}

int ReplyText::push(std::string_view bytes) {
  for (const char c : bytes) {
    const bool blank_lines_allowed = phase_ == Phase::kThinking || phase_ == Phase::kAfterThinking;
    follow(c);
    held_ += c;
    const std::string_view fresh = std::string_view(held_).substr(searched_);
    for (std::size_t i = 0; i < rules_.stops.size(); ++i) {
      const std::string& stop = rules_.stops[i];
      if (!fresh.ends_with(stop) || (blank_lines_allowed && stop.starts_with("\n\n"))) continue;
      held_.resize(held_.size() - stop.size());
      finish();
      return static_cast<int>(i);
    }
  }
  const std::string_view fresh = std::string_view(held_).substr(searched_);
  std::size_t keep = 0;
  for (const std::string& stop : rules_.stops) keep = std::max(keep, overlap(fresh, stop));
  // Newlines before a possible stop would stand at the end if it becomes one.
  while (rules_.trim && keep < held_.size() && is_trimmed_at_end(held_[held_.size() - 1 - keep])) ++keep;
  release(held_.size() - keep);
  return -1;
}

void ReplyText::finish() {
  std::size_t give = held_.size();
  while (rules_.trim && give > 0 && is_trimmed_at_end(held_[give - 1])) --give;
  release(give);
  held_.clear();
  searched_ = 0;
  utf8_ = Utf8Stream();  // an answer that ends inside a character ends before it
}

}  // namespace rwkv
