#include "runtime/decode.h"

#include <algorithm>
#include <iterator>

#include "base/error_of.h"

namespace rwkv {

bool Decode::step(std::list<ScheduledTask>& running) {
  ready_.clear();
  for (ScheduledTask& one : running) {
    if (one.is_in_decode()) ready_.push_back(&one);
  }
  const std::vector<int>& sizes = evaluator_.info().batch_sizes;
  for (std::span<ScheduledTask* const> rest = ready_; !rest.empty();) {
    const auto larger = std::upper_bound(sizes.begin(), sizes.end(), static_cast<int>(rest.size()));
    const std::size_t some = larger == sizes.begin() ? 1 : static_cast<std::size_t>(*std::prev(larger));
    step_together(rest.first(some));
    rest = rest.subspan(some);
  }
  return !ready_.empty();
}

void Decode::step_together(std::span<ScheduledTask* const> tasks) {
  items_.clear();
  std::size_t in_decode = 0;
  std::size_t in_prefill = 0;
  for (const ScheduledTask* one : tasks) {
    // The last token of the text comes first; it may be a row of a picture.
    items_.push_back(one->is_decoded ? EvalItem{.tokens = std::span(&one->pending, 1)}
                                     : item_of(one->task->text(), one->task->media(), one->end, 1));
    items_.back().sequence = one->sequence.get();
    if (one->task->is_measured()) ++(one->is_decoded ? in_decode : in_prefill);
  }
  const Evaluator::Time start = evaluator_.now();
  // The cancel of one task must not break off what the others need.
  const CancelToken cancel = tasks.size() == 1 ? tasks.front()->task->cancel() : CancelToken();
  bool is_evaluated = false;
  const auto error = error_of([&] { is_evaluated = evaluator_.evaluate(items_, cancel); });
  if (!is_evaluated && !error) return;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (error) {
      tasks[i]->finish(error);
    } else {
      choose_next(*tasks[i], items_[i].output);
    }
  }
  const double took = evaluator_.seconds_since(start);
  step_seconds_ = took - evaluator_.waited();
  if (in_decode > 0) {
    speeds_.add_decode(in_decode, took);
  } else if (in_prefill > 0) {
    speeds_.add_prefill(in_prefill, took);
  }
}

void Decode::choose_next(ScheduledTask& one, std::span<const float> logits) {
  std::optional<TokenId> token;
  const auto error = error_of([&] {
    if (one.is_decoded) {
      one.decoded.push_back(one.pending);
    } else {
      one.is_decoded = true;
      one.first = evaluator_.now();
      one.report.prefill_seconds = evaluator_.seconds_since(one.begun);
      one.count(1, speeds_);
    }
    token = one.task->next(logits);
  });
  if (token && !error) {
    one.pending = *token;
  } else {
    one.finish(error);
  }
}

}  // namespace rwkv
