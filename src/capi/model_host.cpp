#include "capi/model_host.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "base/error_of.h"
#include "base/log.h"
#include "capi/live_objects.h"

namespace rwkv::capi {

namespace {

std::int64_t next_use() {
  static std::atomic<std::int64_t> last{0};
  return ++last;
}

}  // namespace

/// From the acceptance of something that uses the model to its end.
class ModelHost::Use {
 public:
  /// Throws Error(kBusy), and Error(kInvalidArgument) for a model that is being released.
  Use(ModelHost& host, const CancelToken& cancel, Kind kind) : host_(host) {
    const std::lock_guard lock(host.mutex_);
    if (host.closed_) throw Error(ErrorCode::kInvalidArgument, "the model is being released");
    if (host.generating_ && kind != Kind::kEvaluation) {
      throw Error(ErrorCode::kBusy,
                  "model " + std::to_string(host.id) + " is generating; wait for it or stop it first");
    }
    for (const Acceptance& other : host.uses_) {
      if (other.kind == Kind::kWarmUp && kind != Kind::kEvaluation) other.cancel.cancel();
    }
    self_ = host.uses_.insert(host.uses_.end(), {cancel, kind});
    host.last_use_ = next_use();
    if (kind == Kind::kGeneration) host.generating_ = true;
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() {
    const std::lock_guard lock(host_.mutex_);
    if (self_->kind == Kind::kGeneration) host_.generating_ = false;
    host_.uses_.erase(self_);
    host_.changed_.notify_all();
  }

 private:
  ModelHost& host_;
  std::list<Acceptance>::iterator self_;
};

ModelHost::ModelHost(int model_id, const ModelRequest& request, std::unique_ptr<LanguageModel> model)
    : id(model_id),
      model_path(request.model_path),
      tokenizer_path(request.tokenizer_path),
      cache_limit(model->cache().stats().limit_bytes),
      model_(std::move(model)) {
  // A seed that the `int` of the getter can hold.
  settings_.seeds.set(static_cast<std::int32_t>(settings_.seeds.seed()));
  count_live(1);
}

ModelHost::~ModelHost() { count_live(-1); }

void ModelHost::publish(Buffer buffer, std::shared_ptr<Run> run) {
  const std::lock_guard lock(mutex_);
  latest_ = run;
  (buffer == Buffer::kBatch ? batch_ : single_) = std::move(run);
}

void ModelHost::start(Buffer buffer, std::shared_ptr<Run> run, std::function<void()> work) {
  auto use = std::make_shared<Use>(*this, run->cancel, Kind::kGeneration);
  publish(buffer, run);
  worker_.post([use = std::move(use), run, work = std::move(work)]() mutable {
    if (const auto error = error_of(work)) {
      run->stream.finish(EndReason::kError, error);
      log::error(error->what());
    }
    use.reset();
  });
}

void ModelHost::run_here(Buffer buffer, std::shared_ptr<Run> run, const std::function<void()>& work) {
  const Use use(*this, run->cancel, Kind::kGeneration);
  publish(buffer, std::move(run));
  work();
}

void ModelHost::evaluate(Kind kind, const std::function<void(const CancelToken&)>& work) {
  const CancelToken cancel;
  const Use use(*this, cancel, kind);
  work(cancel);
}

void ModelHost::warm_up(const std::string& text) {
  const CancelToken cancel;
  std::shared_ptr<Use> use;
  try {
    use = std::make_shared<Use>(*this, cancel, Kind::kWarmUp);
  } catch (const Error&) {
    return;  // it generates, and evaluates the text itself the next time
  }
  worker_.post([this, use = std::move(use), cancel, text]() mutable {
    const auto error = error_of([&] {
      cancel.check();
      model_->state_after(model_->completion_prompt(text), cancel);
    });
    if (error) log::debug(error->what());
    use.reset();
  });
}

void ModelHost::stop() {
  const std::lock_guard lock(mutex_);
  for (const Acceptance& use : uses_) use.cancel.cancel();
}

bool ModelHost::generating() const {
  const std::lock_guard lock(mutex_);
  return generating_;
}

bool ModelHost::busy() const {
  const std::lock_guard lock(mutex_);
  return !uses_.empty();
}

std::int64_t ModelHost::last_use() const {
  const std::lock_guard lock(mutex_);
  return last_use_;
}

std::shared_ptr<Run> ModelHost::run(Buffer buffer) const {
  const std::lock_guard lock(mutex_);
  return buffer == Buffer::kBatch ? batch_ : single_;
}

std::shared_ptr<Run> ModelHost::latest_run() const {
  const std::lock_guard lock(mutex_);
  return latest_;
}

std::vector<float> ModelHost::advance_live_state(std::span<const TokenId> tokens) {
  std::vector<float> logits;
  evaluate(Kind::kEvaluation, [&](const CancelToken& cancel) {
    const std::lock_guard turn(live_turn_);
    std::unique_lock lock(mutex_);
    Tokens all = live_tokens_;
    State state = live_state_;
    const int clears = live_clears_;
    lock.unlock();
    all.insert(all.end(), tokens.begin(), tokens.end());
    logits = model_->logits(all, state, cancel);
    lock.lock();
    if (clears != live_clears_) return;
    live_tokens_ = std::move(all);
    live_state_ = std::move(state);
  });
  return logits;
}

void ModelHost::clear_live_state() {
  const std::lock_guard lock(mutex_);
  live_tokens_.clear();
  live_state_ = State();
  ++live_clears_;
}

void ModelHost::at_close(std::function<void()> then) {
  {
    const std::lock_guard lock(mutex_);
    if (!closed_) {
      closers_.push_back(std::move(then));
      return;
    }
  }
  then();
}

void ModelHost::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  for (const Acceptance& use : uses_) use.cancel.cancel();
  const auto closers = std::exchange(closers_, {});
  lock.unlock();
  for (const auto& then : closers) then();
  lock.lock();
  changed_.wait(lock, [&] { return uses_.empty(); });
}

}  // namespace rwkv::capi
