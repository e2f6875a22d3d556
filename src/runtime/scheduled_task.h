// A task in the scheduler, as its parts share it.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "engine/model.h"
#include "runtime/chunks.h"
#include "runtime/sequence_task.h"
#include "runtime/speed_meter.h"

namespace rwkv {

/// A task waits, gets a sequence and is over. Prefill evaluates the text up to `end` in chunks; where the task
/// continues, that leaves out the last token, with which decode begins.
struct ScheduledTask {
  std::shared_ptr<SequenceTask> task;
  std::unique_ptr<Sequence> sequence;
  SequenceTask::Report report;
  bool is_over = false;  // the task is still to be told

  // Of prefill:
  std::chrono::steady_clock::time_point begun;
  std::size_t origin = 0;                 // position of the task's start()
  std::size_t done = 0;                   // tokens of the text that the sequence holds
  std::size_t end = 0;                    // tokens of the text to evaluate in chunks
  std::vector<std::size_t> borders;       // of media in the text
  StableCut cut;                          // with these borders
  std::vector<std::size_t> checkpoints;   // before `end`, where the state is to be remembered or shared; ascending
  const ScheduledTask* leader = nullptr;  // prefills what this one begins with too,
  std::size_t join_at = 0;                // up to here

  // Of decode:
  TokenId pending = 0;                          // the next token to evaluate
  bool is_decoded = false;                      // next() was called,
  std::chrono::steady_clock::time_point first;  // for the first time
  Tokens decoded;                               // tokens that next() chose and the sequence holds

  bool is_in_prefill() const noexcept { return !is_over && done < end; }
  bool is_in_decode() const noexcept { return !is_over && done >= end; }

  /// `tokens` more of the text are in the sequence.
  void count(std::size_t tokens, SpeedMeter& speeds) {
    task->prefilled(tokens);
    if (task->is_measured()) speeds.add_progress(tokens);
  }

  void finish(const std::optional<Error>& error) {
    is_over = true;
    report.error = error;
  }
};

}  // namespace rwkv
