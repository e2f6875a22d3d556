#include "runtime/sequels.h"

#include <algorithm>
#include <utility>

#include "base/error_of.h"

namespace rwkv {
namespace {

constexpr std::size_t kMost = 64;
constexpr double kChunkSeconds = 0.04;  // a task that comes meanwhile waits so long

}  // namespace

void Sequels::keep(const SequenceTask& task, std::uint64_t clears) noexcept {
  static_cast<void>(error_of([&] {
    Tokens text = task.sequel();
    std::vector<MediaPlace> media(task.media().begin(), task.media().end());
    const std::vector<std::size_t> borders = media_borders(media);
    const StableCut cut = evaluator_.cut(borders);
    text.resize(stable_position_before(text.size(), cut));
    const StateCache::Stats cache = cache_.stats();
    if (text.empty() || cache.limit_bytes < evaluator_.info().state_bytes || cache.clears != clears) return;
    const auto origin = static_cast<std::size_t>(task.start().position());
    const std::size_t known = cache_.known_in_memory(text, cut);
    // Unless the text has other tokens than it was written with.
    const bool is_written = evaluator_.info().decode_equals_prefill && known >= task.text().size();
    if (is_written || known == text.size()) cache_.keep_on_disk(std::span(text).first(known));
    if (known == text.size() || known < origin) return;
    const std::size_t unknown = text.size() - known;
    std::deque<Sequel>& list = is_written ? written_ : unread_;
    list.push_back({std::move(text), std::move(media), origin, unknown, clears});
    if (list.size() > kMost) list.pop_front();
  }));
}

std::vector<std::size_t> Sequels::take(std::span<const TokenId> text, std::size_t done) {
  std::vector<std::size_t> lengths;
  for (std::deque<Sequel>* list : {&unread_, &written_}) {
    for (auto at = list->begin(); at != list->end();) {
      const std::size_t size = at->text.size();
      if (size > text.size() || !std::equal(at->text.begin(), at->text.end(), text.begin())) {
        ++at;
        continue;
      }
      if (size > done && size - done <= at->unknown) lengths.push_back(size);
      at = list->erase(at);
    }
  }
  return lengths;
}

void Sequels::prefill_one(const std::function<bool()>& has_news) noexcept {
  if (unread_.empty()) return;
  Sequel sequel = std::move(unread_.front());
  unread_.pop_front();
  static_cast<void>(error_of([&] {
    const std::span<const TokenId> text(sequel.text);
    const std::vector<std::size_t> borders = media_borders(sequel.media);
    const StableCut cut = evaluator_.cut(borders);
    const State known = cache_.longest_prefix(text, cut);
    auto done = static_cast<std::size_t>(known.position());
    // Dropped where the conversation it belongs to was forgotten meanwhile.
    if (sequel.clears != cache_.stats().clears || text.size() - done > sequel.unknown || done < sequel.origin) return;
    encode_after(sequel.media, done, CancelToken());
    const std::unique_ptr<Sequence> sequence = evaluator_.create_sequence();
    sequence->restore(known);
    while (done < text.size() && !has_news()) {
      const std::size_t size = chunk_of(done, text.size(), evaluator_.chunk_size().tokens_in(kChunkSeconds), cut);
      EvalItem chunk = item_of(text, sequel.media, done, size);
      chunk.sequence = sequence.get();
      chunk.wants = Output::kNone;
      if (!evaluator_.evaluate(std::span(&chunk, 1), CancelToken())) break;
      done += size;
    }
    cache_.insert_if_not_cleared(sequel.clears, text.first(done), sequence->save());
    if (done == text.size()) return cache_.keep_on_disk(text);
    sequel.unknown = text.size() - done;
    unread_.push_front(std::move(sequel));
  }));
}

}  // namespace rwkv
