#include "runtime/generation_task.h"

#include <utility>

#include "base/error_of.h"
#include "base/log.h"
#include "runtime/remembered_answer.h"

namespace rwkv {

class GenerationJob final : public SequenceTask {
 public:
  GenerationJob(std::shared_ptr<GenerationGroup> group, std::size_t index, const Tokenizer& tokenizer,
                const OpeningRules& opening, GenerationTask task)
      : group_(std::move(group)),
        index_(index),
        tokenizer_(tokenizer),
        cancel_(task.cancel ? *task.cancel : group_->cancel_),
        generation_(tokenizer, opening, std::move(task.prompt), std::move(task.options)) {}

  const Tokens& text() const override { return generation_.prompt().tokens; }
  const CancelToken& cancel() const override { return cancel_; }
  std::span<const std::size_t> turn_ends() const override { return generation_.prompt().turn_ends; }
  std::span<const MediaPlace> media() const override { return generation_.prompt().media; }
  State start() const override { return generation_.prompt().start; }
  bool is_measured() const override { return true; }
  bool uses_cache() const override { return generation_.options().use_cache; }

  void prefilled(std::size_t tokens) noexcept override {
    group_->done_ += tokens;
    call([&] {
      if (group_->callbacks_.on_prefill) group_->callbacks_.on_prefill(group_->done_, group_->total_);
    });
  }

  std::optional<TokenId> next(std::span<const float> logits) override {
    const std::optional<TokenId> token = generation_.next(logits);
    tell();
    if (thrown_) throw Error(ErrorCode::kInternal, std::string("a callback of the caller failed: ") + thrown_->what());
    return token;
  }

  void end(const Report& report) noexcept override {
    GenerationResult& result = group_->results_[index_];
    const auto error = error_of([&] { keep(report, result); });
    if (error) {
      result.reason = EndReason::kError;
      result.error = error;
    }
    result.cached_tokens = static_cast<int>(report.cached_tokens);
    result.prefill_seconds = report.prefill_seconds;
    result.decode_seconds = report.decode_seconds;
    if (--group_->running_ > 0) return;
    call([&] { group_->on_end_(std::move(group_->results_)); });
  }

  // The conversation as the next message will show it: the answer is tokenised with what stands around it, and what
  // trimming took away is left out.
  Tokens sequel() const override {
    const Prompt& prompt = generation_.prompt();
    if (!prompt.chat || generation_.tokens().empty()) return {};
    const auto start = static_cast<std::size_t>(prompt.start.position());
    const std::size_t from = prompt.turn_ends.empty() ? start : prompt.turn_ends.back();
    // The end of media is the end of a turn for the cache, so that what follows it is text.
    std::string text = tokenizer_.decode(std::span(prompt.tokens).subspan(from));
    if (!text.ends_with(prompt.reply)) return {};
    text.resize(text.size() - prompt.reply.size());
    const std::string raw = prompt.reply + tokenizer_.decode(generation_.tokens());
    if (raw.starts_with(' ')) text += ' ';
    text += remembered_answer(generation_.text());
    if (generation_.reason() == EndReason::kEos || generation_.reason() == EndReason::kStop) {
      if (!prompt.stops.empty()) text += prompt.stops.front();
    }
    Tokens tokens(prompt.tokens.begin(), prompt.tokens.begin() + static_cast<std::ptrdiff_t>(from));
    tokenizer_.encode(text, tokens);
    return tokens;
  }

 private:
  // What there is of it, for the caller.
  void keep(const Report& report, GenerationResult& result) {
    if (!generation_.ended()) {
      const bool is_cancelled = report.error && report.error->code() == ErrorCode::kCancelled;
      generation_.end(is_cancelled ? EndReason::kCancelled : EndReason::kError);
      if (!is_cancelled) result.error = report.error;
      tell();
    }
    result.reason = *generation_.reason();
    result.text = generation_.text();
    result.tokens = generation_.tokens();
  }

  void tell() noexcept {
    call([&] {
      if (group_->callbacks_.on_token) group_->callbacks_.on_token(index_, generation_);
    });
  }

  // The caller's own code: what it throws ends this task.
  template <class Function>
  void call(const Function& function) noexcept {
    try {
      function();
    } catch (...) {
      thrown_ = caught_error();
    }
  }

  const std::shared_ptr<GenerationGroup> group_;
  const std::size_t index_;
  const Tokenizer& tokenizer_;
  const CancelToken cancel_;
  Generation generation_;
  std::optional<Error> thrown_;
};

std::vector<std::shared_ptr<SequenceTask>> GenerationGroup::make(const Tokenizer& tokenizer,
                                                                 const OpeningRules& opening,
                                                                 std::vector<GenerationTask> tasks,
                                                                 GenerationCallbacks callbacks,
                                                                 const CancelToken& cancel, OnEnd on_end) {
  if (tasks.empty()) throw Error(ErrorCode::kInvalidArgument, "nothing to generate: the list of tasks is empty");
  const auto group = std::make_shared<GenerationGroup>();
  group->callbacks_ = std::move(callbacks);
  group->cancel_ = cancel;
  group->on_end_ = std::move(on_end);
  group->results_.resize(tasks.size());
  group->running_ = tasks.size();
  std::vector<std::shared_ptr<SequenceTask>> jobs;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const std::size_t tokens = tasks[i].prompt.tokens.size();
    if (tokens == 0) throw Error(ErrorCode::kInvalidArgument, "a prompt has no tokens");
    group->results_[i].prompt_tokens = static_cast<int>(tokens);
    group->total_ += tokens;
    jobs.push_back(std::make_shared<GenerationJob>(group, i, tokenizer, opening, std::move(tasks[i])));
  }
  return jobs;
}

}  // namespace rwkv
