#include "capi/abi_model.h"

#include <utility>

#include "base/error_of.h"
#include "base/log.h"

namespace rwkv::capi {

std::shared_ptr<AbiModel::Use> AbiModel::accept(Buffer buffer, const std::shared_ptr<host::Run>& run) {
  auto use = admit(Kind::kGeneration, run->cancel);
  const std::lock_guard lock(mutex_);
  (buffer == Buffer::kBatch ? batch_ : single_) = latest_ = run;
  return use;
}

void AbiModel::start(Buffer buffer, const std::shared_ptr<host::Run>& run, std::function<void()> work) {
  post(accept(buffer, run), std::move(work), [run](const std::optional<Error>& error) {
    if (!error) return;
    run->stream.finish(EndReason::kError, error);
    log::error(error->what());
  });
}

void AbiModel::run_here(Buffer buffer, const std::shared_ptr<host::Run>& run, const std::function<void()>& work) {
  const auto use = accept(buffer, run);
  const auto error = error_of(work);
  if (!error) return;
  run->stream.finish(EndReason::kError, error);
  throw Error(*error);
}

std::shared_ptr<host::Run> AbiModel::run(Buffer buffer) const {
  const std::lock_guard lock(mutex_);
  return buffer == Buffer::kBatch ? batch_ : single_;
}

std::shared_ptr<host::Run> AbiModel::latest_run() const {
  const std::lock_guard lock(mutex_);
  return latest_;
}

std::vector<float> AbiModel::advance_live_state(std::span<const TokenId> tokens) {
  std::vector<float> logits;
  evaluate(Kind::kEvaluation, [&](const CancelToken& cancel) {
    const std::lock_guard turn(live_turn_);
    std::unique_lock lock(mutex_);
    Tokens all = live_tokens_;
    State state = live_state_;
    const int clears = live_clears_;
    lock.unlock();
    all.insert(all.end(), tokens.begin(), tokens.end());
    logits = model().logits(all, state, cancel);
    lock.lock();
    if (clears != live_clears_) return;
    live_tokens_ = std::move(all);
    live_state_ = std::move(state);
  });
  return logits;
}

void AbiModel::clear_live_state() {
  const std::lock_guard lock(mutex_);
  live_tokens_.clear();
  live_state_ = State();
  ++live_clears_;
}

void AbiModel::at_end(std::function<void()> then) {
  {
    const std::lock_guard lock(mutex_);
    if (!ended_) {
      enders_.push_back(std::move(then));
      return;
    }
  }
  then();
}

void AbiModel::end() {
  close();
  std::unique_lock lock(mutex_);
  ended_ = true;
  const auto enders = std::exchange(enders_, {});
  lock.unlock();
  for (const auto& then : enders) then();
  wait_until_unused();
}

}  // namespace rwkv::capi
