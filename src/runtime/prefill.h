// Prefill of the texts of running tasks: in chunks, from where an earlier text ended, once for all that begin alike.
#pragma once

#include <cstddef>
#include <list>

#include "runtime/evaluator.h"
#include "runtime/scheduled_task.h"
#include "runtime/sequels.h"
#include "runtime/speed_meter.h"
#include "runtime/state_cache.h"

namespace rwkv {

/// A task whose text begins like that of a task in prefill follows that one, its leader: it waits and takes over the
/// state where the texts part. What an evaluation throws ends its task; a task that does not continue ends with its
/// text.
class Prefill {
 public:
  Prefill(Evaluator& evaluator, StateCache& cache, SpeedMeter& speeds, Sequels& sequels)
      : evaluator_(evaluator), cache_(cache), speeds_(speeds), sequels_(sequels) {}

  /// Begins with `one` of the running tasks.
  void begin(ScheduledTask& one, std::list<ScheduledTask>& running);
  /// Evaluates chunks of the tasks in turns, for as long as neighbours can bear whose steps take `step_seconds`, or a
  /// large chunk of the only task there is. False: no task is in prefill.
  bool run(std::list<ScheduledTask>& running, double step_seconds, bool is_alone);
  /// The followers of a task that is over find another leader or none.
  void free_followers(const ScheduledTask& leader, std::list<ScheduledTask>& running) noexcept;

 private:
  void adopt_sequels(ScheduledTask& one);
  void find_leader(ScheduledTask& one, std::list<ScheduledTask>& running);
  bool run_chunk(ScheduledTask& one, std::list<ScheduledTask>& running, double seconds);
  std::size_t next_size(const ScheduledTask& one, std::size_t wanted) const;
  void reached(ScheduledTask& one, std::list<ScheduledTask>& running);
  void join(ScheduledTask& one, const State& state, std::list<ScheduledTask>& running);

  Evaluator& evaluator_;
  StateCache& cache_;
  SpeedMeter& speeds_;
  Sequels& sequels_;
};

}  // namespace rwkv
