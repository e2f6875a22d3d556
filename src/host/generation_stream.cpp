#include "host/generation_stream.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace rwkv::host {
namespace {

constexpr std::size_t kMostEvents = 4096;

}  // namespace

void GenerationStream::Part::leave_out_given() {
  text.erase(0, std::exchange(given_text, 0));
  tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(std::exchange(given_tokens, 0)));
}

GenerationStream::Part GenerationStream::part(const Slot& slot, Mark begin, Mark end, std::int64_t sequence) {
  const auto given = [](std::size_t all, std::size_t from, std::size_t to) { return std::clamp(all, from, to) - from; };
  return {sequence, slot.text.substr(begin.text, end.text - begin.text),
          Tokens(slot.tokens.begin() + static_cast<std::ptrdiff_t>(begin.tokens),
                 slot.tokens.begin() + static_cast<std::ptrdiff_t>(end.tokens)),
          given(slot.given.text, begin.text, end.text), given(slot.given.tokens, begin.tokens, end.tokens)};
}

void GenerationStream::start(std::size_t slot, std::string text, Tokens tokens, std::size_t given_reply) {
  const std::lock_guard lock(mutex_);
  const std::size_t given = text.size() + given_reply;
  slots_[slot].given = {given, given > 0 ? tokens.size() : 0};
  slots_[slot].start_bytes = text.size();
  slots_[slot].text = std::move(text);
  slots_[slot].tokens = std::move(tokens);
}

void GenerationStream::append(std::size_t slot, const Generation& generation, const CancelToken& cancel) {
  std::unique_lock lock(mutex_);
  Slot& to = slots_[slot];
  const std::size_t text_begin = to.text.size();
  to.text.append(generation.text(), to.taken_text, std::string::npos);
  to.taken_text = generation.text().size();
  const Tokens& tokens = generation.tokens();
  if (keep_events_ && tokens.size() > to.taken_tokens) events_.push_back({tokens.back(), text_begin, to.text.size()});
  to.tokens.insert(to.tokens.end(), tokens.begin() + static_cast<std::ptrdiff_t>(to.taken_tokens), tokens.end());
  to.taken_tokens = tokens.size();
  // An error is told by finish(), which knows what happened.
  if (generation.ended() && !to.end && *generation.reason() != EndReason::kError) {
    to.end = End{*generation.reason(), static_cast<std::int64_t>(generation.prompt().tokens.size()),
                 static_cast<std::int64_t>(tokens.size())};
  }
  while (events_.size() > kMostEvents && !cancel.cancelled()) {
    events_taken_.wait_for(lock, std::chrono::milliseconds(10));
  }
}

void GenerationStream::finish(EndReason reason, const std::optional<Error>& error) {
  const std::lock_guard lock(mutex_);
  for (Slot& slot : slots_) {
    if (!slot.end) slot.end = End{reason, 0, static_cast<std::int64_t>(slot.taken_tokens)};
    if (slot.end->reason == EndReason::kError && !slot.end->error) slot.end->error = error;
  }
}

void GenerationStream::set_prefill(std::uint64_t done, std::uint64_t total) {
  const std::lock_guard lock(mutex_);
  prefill_ = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1;
}

double GenerationStream::prefill_progress() const {
  const std::lock_guard lock(mutex_);
  return prefill_;
}

GenerationStream::Rest<std::string> GenerationStream::text_from(std::size_t slot, std::size_t begin) const {
  const std::lock_guard lock(mutex_);
  if (slot >= slots_.size()) return {};
  const std::string& text = slots_[slot].text;
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  if (begin > text.size() || (begin < text.size() && continues(text[begin]))) begin = 0;
  return {begin, text.size(), text.substr(begin)};
}

std::string GenerationStream::start_text(std::size_t slot) const {
  const std::lock_guard lock(mutex_);
  return slots_[slot].text.substr(0, slots_[slot].start_bytes);
}

GenerationStream::Rest<Tokens> GenerationStream::tokens_from(std::size_t slot, std::size_t begin) const {
  const std::lock_guard lock(mutex_);
  if (slot >= slots_.size()) return {};
  const Tokens& tokens = slots_[slot].tokens;
  if (begin > tokens.size()) begin = 0;
  return {begin, tokens.size(), Tokens(tokens.begin() + static_cast<std::ptrdiff_t>(begin), tokens.end())};
}

std::size_t GenerationStream::token_count(std::size_t slot) const {
  const std::lock_guard lock(mutex_);
  return slot < slots_.size() ? slots_[slot].tokens.size() : 0;
}

bool GenerationStream::eos_found(std::size_t slot) const {
  const std::lock_guard lock(mutex_);
  if (slot >= slots_.size() || !slots_[slot].end) return false;
  const EndReason reason = slots_[slot].end->reason;
  return reason == EndReason::kEos || reason == EndReason::kStop;
}

std::optional<GenerationStream::Delta> GenerationStream::take_delta(std::size_t slot) {
  const std::lock_guard lock(mutex_);
  Slot& from = slots_[slot];
  const Mark last = from.mark(static_cast<std::int64_t>(from.marks.size()));
  if (from.text.size() == last.text && from.tokens.size() == last.tokens) return std::nullopt;
  const Mark next{from.text.size(), from.tokens.size()};
  Delta delta = part(from, last, next, static_cast<std::int64_t>(from.marks.size()) + 1);
  from.marks.push_back(next);
  return delta;
}

GenerationStream::Snapshot GenerationStream::snapshot(std::size_t slot, std::int64_t after) const {
  const std::lock_guard lock(mutex_);
  if (slot >= slots_.size()) return {};
  const Slot& from = slots_[slot];
  const auto sequence = static_cast<std::int64_t>(from.marks.size());
  return part(from, from.mark(after), from.mark(sequence), sequence);
}

std::int64_t GenerationStream::last_sequence(std::size_t slot) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::int64_t>(slots_[slot].marks.size());
}

std::optional<double> GenerationStream::take_prefill_progress() {
  const std::lock_guard lock(mutex_);
  if (prefill_ == prefill_told_) return std::nullopt;
  prefill_told_ = prefill_;
  return prefill_;
}

std::vector<GenerationStream::TokenEvent> GenerationStream::take_events() {
  const std::lock_guard lock(mutex_);
  events_taken_.notify_all();
  return std::exchange(events_, {});
}

std::optional<GenerationStream::End> GenerationStream::end(std::size_t slot) const {
  const std::lock_guard lock(mutex_);
  return slot < slots_.size() ? slots_[slot].end : std::nullopt;
}

std::optional<GenerationStream::End> GenerationStream::take_end(std::size_t slot, bool hold_last) {
  const std::lock_guard lock(mutex_);
  const auto ended = [](const Slot& any) { return any.end.has_value(); };
  if (hold_last && std::all_of(slots_.begin(), slots_.end(), ended)) return std::nullopt;
  if (slots_[slot].end_taken || !slots_[slot].end) return std::nullopt;
  slots_[slot].end_taken = true;
  return slots_[slot].end;
}

bool GenerationStream::end_taken(std::size_t slot) const {
  const std::lock_guard lock(mutex_);
  return slots_[slot].end_taken;
}

}  // namespace rwkv::host
