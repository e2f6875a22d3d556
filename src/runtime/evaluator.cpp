#include "runtime/evaluator.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

#include "base/error_of.h"

namespace rwkv {
namespace {

constexpr std::chrono::milliseconds kLookWhileLoading{5};

}  // namespace

Evaluator::Evaluator(LoadedModel loaded, Reload reload, std::function<bool()> gives_up, Clock clock)
    : info_(loaded.model->info()),
      reload_(std::move(reload)),
      gives_up_(std::move(gives_up)),
      clock_(clock),
      loaded_(std::move(loaded)) {}

StableCut Evaluator::cut(std::span<const std::size_t> borders) const noexcept {
  return {static_cast<std::size_t>(info_.stable_chunk), static_cast<std::size_t>(info_.stable_grid), borders};
}

std::unique_ptr<Sequence> Evaluator::create_sequence() {
  const std::lock_guard lock(mutex_);
  return loaded_.model->create_sequence();
}

bool Evaluator::evaluate(std::span<EvalItem> items, const CancelToken& cancel) {
  int threads = 0;
  between_evaluations([&](const Model* model) { threads = model->info().threads; });
  const Time asked = now();
  const bool has_cores = cores_.acquire(threads, gives_up_);
  waited_ = seconds_since(asked);
  if (!has_cores) return false;
  const Time begun = now();
  const auto error = error_of([&] { between_evaluations([&](Model* model) { model->evaluate(items, cancel); }); });
  if (cores_.is_crowded()) between_evaluations([](Model* model) { model->yield_cores(); });
  cores_.release();
  if (error) throw *error;
  if (const EvalItem& first = items.front(); items.size() == 1 && first.wants == Output::kNone) {
    const std::size_t rows = first.embeddings.size() / static_cast<std::size_t>(info_.width);
    chunk_size_.measured(std::max(first.tokens.size(), rows), seconds_since(begun));
  }
  return true;
}

void Evaluator::sleep() {
  const std::lock_guard lock(mutex_);
  loaded_.model.reset();  // before its memory is given to others
  loaded_ = {};
  asleep_ = true;
}

void Evaluator::wake(const std::function<bool()>& is_wanted) {
  const CancelToken cancel;
  auto loading = std::async(std::launch::async, [&] { return reload_(cancel); });
  while (loading.wait_for(kLookWhileLoading) != std::future_status::ready) {
    if (!is_wanted()) cancel.cancel();
  }
  try {
    LoadedModel loaded = loading.get();
    const std::lock_guard lock(mutex_);
    loaded_ = std::move(loaded);
    asleep_ = false;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled) throw;
  }
}

}  // namespace rwkv
