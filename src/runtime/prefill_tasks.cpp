#include "runtime/prefill_tasks.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace rwkv {

SequenceTask::Report WaitedTask::wait() {
  Report report = ended_.get_future().get();
  if (report.error) throw Error(*report.error);
  return report;
}

namespace {

// All that is read: nothing follows the last target token.
Tokens scored_text(const Tokens& text, const Tokens& target) {
  Tokens whole = text;
  whole.insert(whole.end(), target.begin(), target.end() - 1);
  return whole;
}

}  // namespace

ScoreTask::ScoreTask(const Tokenizer& tokenizer, const Tokens& text, Tokens target, const CancelToken& cancel)
    : WaitedTask(scored_text(text, target), cancel), tokenizer_(tokenizer), target_(std::move(target)) {}

void ScoreTask::scored(std::span<const float> logits) {
  const auto best = std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - static_cast<double>(*best));
  const TokenId wanted = target_[scored_++];
  const float logit = logits[static_cast<std::size_t>(wanted)];
  score_.log_probability += static_cast<double>(logit) - static_cast<double>(*best) - std::log(sum);
  const auto greedy = static_cast<TokenId>(best - logits.begin());
  score_.greedy_matches = score_.greedy_matches && greedy == wanted;
  score_.greedy_text += tokenizer_.bytes(greedy);
}

}  // namespace rwkv
