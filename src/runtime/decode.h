// Decode of running tasks: one step evaluates the next token of all of them together.
#pragma once

#include <list>
#include <span>
#include <vector>

#include "runtime/evaluator.h"
#include "runtime/scheduled_task.h"
#include "runtime/speed_meter.h"

namespace rwkv {

/// A task is over once it chooses no token or an evaluation throws.
class Decode {
 public:
  Decode(Evaluator& evaluator, SpeedMeter& speeds) : evaluator_(evaluator), speeds_(speeds) {}

  /// One token of each task whose prefill is done. False: there is none.
  bool step(std::list<ScheduledTask>& running);
  /// How long the last evaluation took, with the choice of the next tokens.
  double step_seconds() const noexcept { return step_seconds_; }

 private:
  void step_together(std::span<ScheduledTask* const> tasks);
  void choose_next(ScheduledTask& one, std::span<const float> logits);

  Evaluator& evaluator_;
  SpeedMeter& speeds_;
  std::vector<ScheduledTask*> ready_;  // of one step, as the items: kept for their memory
  std::vector<EvalItem> items_;
  double step_seconds_ = 0;
};

}  // namespace rwkv
