#include "runtime/generation_run.h"

#include <algorithm>
#include <new>
#include <utility>

namespace rwkv {
namespace {

// Prompt tokens a model call; small enough for smooth progress, large enough for full speed.
constexpr std::size_t kPrefillPiece = 256;

double seconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

std::size_t common_prefix(std::span<const std::unique_ptr<Generation>> generations) {
  const Tokens& first = generations.front()->prompt().tokens;
  std::size_t length = first.size();
  for (const auto& generation : generations.subspan(1)) {
    const Tokens& other = generation->prompt().tokens;
    const auto end = std::mismatch(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(std::min(length, other.size())),
                                   other.begin());
    length = static_cast<std::size_t>(end.first - first.begin());
  }
  return length;
}

}  // namespace

GenerationRun::GenerationRun(LanguageModel& model, std::vector<GenerationTask> tasks,
                             const GenerationCallbacks& callbacks, const CancelToken& cancel)
    : model_(model), callbacks_(callbacks), cancel_(cancel), results_(tasks.size()) {
  if (tasks.empty()) throw Error(ErrorCode::kInvalidArgument, "nothing to generate: the list of tasks is empty");
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    generations_.push_back(std::make_unique<Generation>(model.tokenizer_, model.opening_, std::move(tasks[i].prompt),
                                                        std::move(tasks[i].options)));
    const std::size_t tokens = generations_.back()->prompt().tokens.size();
    if (tokens == 0) throw Error(ErrorCode::kInvalidArgument, "a prompt has no tokens");
    results_[i].prompt_tokens = static_cast<int>(tokens);
    prompt_tokens_total_ += tokens;
    waiting_.push_back(i);
  }
  // Worth a state of its own only where several answers begin there.
  if (generations_.size() > 1) shared_prefix_ = common_prefix(generations_);

  const std::size_t most = static_cast<std::size_t>(model.model_->info().batch_sizes.back());
  while (model.sequences_.size() < std::min(most, generations_.size())) {
    model.sequences_.push_back(model.model_->create_sequence());
  }
  for (const auto& sequence : model.sequences_) free_.push_back(sequence.get());
}

std::vector<GenerationResult> GenerationRun::run() {
  model_.speeds_.reset();
  report_progress(0);
  try {
    admit_waiting();
    while (!slots_.empty() && !cancel_.cancelled()) {
      step();
      admit_waiting();
    }
    for (const Slot& slot : slots_) retire(slot);
    end_all(EndReason::kCancelled, std::nullopt);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) {
      end_all(EndReason::kCancelled, std::nullopt);
    } else {
      end_all(EndReason::kError, error);
    }
  } catch (const std::bad_alloc&) {
    end_all(EndReason::kError, Error(ErrorCode::kOutOfMemory, "out of memory while generating; release a model or use "
                                                              "fewer conversations at once"));
  }
  return std::move(results_);
}

void GenerationRun::admit_waiting() {
  while (!waiting_.empty() && !free_.empty() && !cancel_.cancelled()) {
    const std::size_t task = waiting_.front();
    waiting_.pop_front();
    Sequence* sequence = free_.back();
    free_.pop_back();
    admit(task, sequence);
  }
}

void GenerationRun::admit(std::size_t task, Sequence* sequence) {
  const std::span<const float> logits = prefill(task, *sequence);
  const Clock::time_point started = Clock::now();
  const std::optional<TokenId> token = choose(task, logits);
  if (token) {
    slots_.push_back({task, sequence, *token, generations_[task]->prompt().tokens, started});
  } else {
    free_.push_back(sequence);
  }
}

// Leaves the sequence after all prompt tokens. The state one token before the end is remembered: replaying that token
// gives the logits again, which are far larger than it.
std::span<const float> GenerationRun::prefill(std::size_t task, Sequence& sequence) {
  const Generation& generation = *generations_[task];
  const std::span<const TokenId> all(generation.prompt().tokens);
  const std::span<const TokenId> body = all.first(all.size() - 1);
  const State known = generation.options().use_cache ? model_.cache_.longest_prefix(body) : State();
  const auto cached = static_cast<std::size_t>(known.position());
  results_[task].cached_tokens = static_cast<int>(cached);

  const Clock::time_point start = Clock::now();
  sequence.restore(known);
  report_progress(cached);
  prefill_body(task, sequence, body, cached);
  EvalItem last{&sequence, all.last(1), true, {}};
  model_.model_->evaluate(std::span(&last, 1), cancel_);
  results_[task].prefill_seconds = seconds_between(start, Clock::now());
  model_.speeds_.add_prefill(all.size() - cached, results_[task].prefill_seconds);
  report_progress(1);
  return last.logits;
}

void GenerationRun::prefill_body(std::size_t task, Sequence& sequence, std::span<const TokenId> body,
                                 std::size_t done) {
  const bool remember = generations_[task]->options().use_cache;
  while (done < body.size()) {
    std::size_t end = std::min(done + kPrefillPiece, body.size());
    if (done < shared_prefix_) end = std::min(end, shared_prefix_);
    EvalItem piece{&sequence, body.subspan(done, end - done), false, {}};
    model_.model_->evaluate(std::span(&piece, 1), cancel_);
    report_progress(end - done);
    done = end;
    if (remember && (done == body.size() || done == shared_prefix_)) {
      model_.cache_.insert(body.first(done), sequence.save());
    }
  }
}

// Evaluates the pending token of every slot in one call and chooses the next ones.
void GenerationRun::step() {
  std::vector<EvalItem> items;
  items.reserve(slots_.size());
  for (const Slot& slot : slots_) items.push_back({slot.sequence, std::span(&slot.token, 1), true, {}});
  const Clock::time_point start = Clock::now();
  model_.model_->evaluate(items, cancel_);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    slot.absorbed.push_back(slot.token);
    const std::optional<TokenId> token = choose(slot.task, items[i].logits);
    if (token) {
      slot.token = *token;
      if (kept != i) slots_[kept] = std::move(slot);
      ++kept;
    } else {
      retire(slot);
    }
  }
  model_.speeds_.add_decode(slots_.size(), seconds_between(start, Clock::now()));
  slots_.resize(kept);
}

std::optional<TokenId> GenerationRun::choose(std::size_t task, std::span<const float> logits) {
  Generation& generation = *generations_[task];
  std::optional<TokenId> token;
  try {
    token = generation.next(logits);
  } catch (const Error& error) {
    // Logits that allow no token are this answer's trouble, not its neighbours'.
    results_[task].error = error;
    generation.end(EndReason::kError);
  }
  if (callbacks_.on_token) callbacks_.on_token(task, generation);
  return token;
}

// The answer has ended or is given up: its state is kept for the next turn and its sequence is free.
void GenerationRun::retire(const Slot& slot) {
  results_[slot.task].decode_seconds = seconds_between(slot.started, Clock::now());
  if (generations_[slot.task]->options().use_cache) model_.cache_.insert(slot.absorbed, slot.sequence->save());
  free_.push_back(slot.sequence);
}

void GenerationRun::end_all(EndReason reason, const std::optional<Error>& error) {
  for (std::size_t i = 0; i < generations_.size(); ++i) {
    Generation& generation = *generations_[i];
    if (!generation.ended()) {
      generation.end(reason);
      results_[i].error = error;
      if (callbacks_.on_token) callbacks_.on_token(i, generation);
    }
    results_[i].reason = *generation.reason();
    results_[i].text = generation.text();
    results_[i].tokens = generation.tokens();
  }
}

void GenerationRun::report_progress(std::uint64_t more) {
  prompt_tokens_done_ += more;
  model_.speeds_.set_progress(prompt_tokens_done_, prompt_tokens_total_);
  if (callbacks_.on_prefill) callbacks_.on_prefill(prompt_tokens_done_, prompt_tokens_total_);
}

}  // namespace rwkv
