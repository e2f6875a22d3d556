#include "host/text_stream.h"

#include <algorithm>
#include <utility>

namespace rwkv::host {
void TextStream::Part::leave_out_given() {
  text.erase(0, std::exchange(given_text, 0));
  tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(std::exchange(given_tokens, 0)));
}

TextStream::Part TextStream::part(const Slot& slot, Mark begin, Mark end, std::int64_t sequence) {
  const auto given = [](std::size_t all, std::size_t from, std::size_t to) { return std::clamp(all, from, to) - from; };
  return {sequence, slot.text.substr(begin.text, end.text - begin.text),
          Tokens(slot.tokens.begin() + static_cast<std::ptrdiff_t>(begin.tokens),
                 slot.tokens.begin() + static_cast<std::ptrdiff_t>(end.tokens)),
          given(slot.given.text, begin.text, end.text), given(slot.given.tokens, begin.tokens, end.tokens)};
}

void TextStream::start(std::size_t slot, std::string text, Tokens tokens, std::size_t given_reply) {
  const std::lock_guard lock(mutex_);
  const std::size_t given = text.size() + given_reply;
  slots_[slot].given = {given, given > 0 ? tokens.size() : 0};
  slots_[slot].start_bytes = text.size();
  slots_[slot].text = std::move(text);
  slots_[slot].tokens = std::move(tokens);
}

void TextStream::append(std::size_t slot, const Generation& generation) {
  const std::lock_guard lock(mutex_);
  Slot& to = slots_[slot];
  const std::string& text = generation.text();
  const Tokens& tokens = generation.tokens();
  const bool has_token = tokens.size() > to.taken_tokens;
  if (keep_steps_ && (has_token || text.size() > to.taken_text)) {
    steps_.push_back({slot, has_token ? std::optional(tokens.back()) : std::nullopt, text.substr(to.taken_text),
                      to.text.size() + text.size() - to.taken_text});
  }
  to.text.append(text, to.taken_text, std::string::npos);
  to.taken_text = text.size();
  to.tokens.insert(to.tokens.end(), tokens.begin() + static_cast<std::ptrdiff_t>(to.taken_tokens), tokens.end());
  to.taken_tokens = tokens.size();
  // An error is told by finish(), which knows what happened.
  if (generation.ended() && !to.end && *generation.reason() != EndReason::kError) {
    to.end = End{*generation.reason(), static_cast<std::int64_t>(generation.prompt().tokens.size()),
                 static_cast<std::int64_t>(tokens.size())};
  }
  note_news();
}

void TextStream::finish(EndReason reason, const std::optional<Error>& error) noexcept {
  const std::lock_guard lock(mutex_);
  for (Slot& slot : slots_) {
    if (!slot.end) slot.end = End{reason, 0, static_cast<std::int64_t>(slot.taken_tokens)};
    if (slot.end->reason == EndReason::kError && !slot.end->error) slot.end->error = error;
  }
  finished_ = true;
  note_news();
}

void TextStream::set_prefill(std::uint64_t done, std::uint64_t total) {
  const std::lock_guard lock(mutex_);
  prefill_ = {total == prefill_.total ? std::max(done, prefill_.done) : done, total};
  note_news();
}

void TextStream::note_news() noexcept {
  ++news_;
  changed_.notify_all();
}

std::uint64_t TextStream::wait_for_news(std::uint64_t seen) const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return news_ != seen; });
  return news_;
}

bool TextStream::ended() const {
  const std::lock_guard lock(mutex_);
  return finished_;
}

TextStream::Prefill TextStream::prefill() const {
  const std::lock_guard lock(mutex_);
  return prefill_;
}

// With the lock.
double TextStream::progress() const noexcept {
  if (prefill_.total == 0) return 0;
  return static_cast<double>(prefill_.done) / static_cast<double>(prefill_.total);
}

double TextStream::prefill_progress() const {
  const std::lock_guard lock(mutex_);
  return progress();
}

TextStream::Rest<std::string> TextStream::text_from(std::size_t slot, std::size_t begin) const {
  const std::lock_guard lock(mutex_);
  if (slot >= slots_.size()) return {};
  const std::string& text = slots_[slot].text;
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  if (begin > text.size() || (begin < text.size() && continues(text[begin]))) begin = 0;
  return {begin, text.size(), text.substr(begin)};
}

std::string TextStream::text_after(std::size_t slot, std::size_t begin) const {
  const std::lock_guard lock(mutex_);
  const std::string& text = slots_[slot].text;
  return begin < text.size() ? text.substr(begin) : std::string();
}

std::string TextStream::start_text(std::size_t slot) const {
  const std::lock_guard lock(mutex_);
  return slots_[slot].text.substr(0, slots_[slot].start_bytes);
}

TextStream::Rest<Tokens> TextStream::tokens_from(std::size_t slot, std::size_t begin) const {
  const std::lock_guard lock(mutex_);
  if (slot >= slots_.size()) return {};
  const Tokens& tokens = slots_[slot].tokens;
  if (begin > tokens.size()) begin = 0;
  return {begin, tokens.size(), Tokens(tokens.begin() + static_cast<std::ptrdiff_t>(begin), tokens.end())};
}

std::size_t TextStream::token_count(std::size_t slot) const {
  const std::lock_guard lock(mutex_);
  return slot < slots_.size() ? slots_[slot].tokens.size() : 0;
}

bool TextStream::eos_found(std::size_t slot) const {
  const std::lock_guard lock(mutex_);
  if (slot >= slots_.size() || !slots_[slot].end) return false;
  const EndReason reason = slots_[slot].end->reason;
  return reason == EndReason::kEos || reason == EndReason::kStop;
}

std::optional<TextStream::Delta> TextStream::take_delta(std::size_t slot) {
  const std::lock_guard lock(mutex_);
  Slot& from = slots_[slot];
  const Mark last = from.mark(static_cast<std::int64_t>(from.marks.size()));
  if (from.text.size() == last.text && from.tokens.size() == last.tokens) return std::nullopt;
  const Mark next{from.text.size(), from.tokens.size()};
  Delta delta = part(from, last, next, static_cast<std::int64_t>(from.marks.size()) + 1);
  from.marks.push_back(next);
  return delta;
}

TextStream::Snapshot TextStream::snapshot(std::size_t slot, std::int64_t after) const {
  const std::lock_guard lock(mutex_);
  if (slot >= slots_.size()) return {};
  const Slot& from = slots_[slot];
  const auto sequence = static_cast<std::int64_t>(from.marks.size());
  return part(from, from.mark(after), from.mark(sequence), sequence);
}

std::int64_t TextStream::last_sequence(std::size_t slot) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::int64_t>(slots_[slot].marks.size());
}

std::optional<double> TextStream::take_prefill_progress() {
  const std::lock_guard lock(mutex_);
  const double now = progress();
  if (now == prefill_told_) return std::nullopt;
  prefill_told_ = now;
  return now;
}

std::vector<TextStream::Step> TextStream::take_steps() {
  const std::lock_guard lock(mutex_);
  return std::exchange(steps_, {});
}

std::optional<TextStream::End> TextStream::end(std::size_t slot) const {
  const std::lock_guard lock(mutex_);
  return slot < slots_.size() ? slots_[slot].end : std::nullopt;
}

std::optional<TextStream::End> TextStream::take_end(std::size_t slot, bool hold_last) {
  const std::lock_guard lock(mutex_);
  const auto ended = [](const Slot& any) { return any.end.has_value(); };
  if (hold_last && std::all_of(slots_.begin(), slots_.end(), ended)) return std::nullopt;
  if (slots_[slot].end_taken || !slots_[slot].end) return std::nullopt;
  slots_[slot].end_taken = true;
  return slots_[slot].end;
}

bool TextStream::end_taken(std::size_t slot) const {
  const std::lock_guard lock(mutex_);
  return slots_[slot].end_taken;
}

}  // namespace rwkv::host
