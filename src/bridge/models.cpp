// Models come and go.
#include <atomic>
#include <chrono>
#include <utility>

#include "bridge/runtime.h"

namespace rwkv::bridge {
namespace {

constexpr std::chrono::milliseconds kProgressInterval{50};

std::int64_t next_load_number() {
  static std::atomic<std::int64_t> last{0};  // the threads of all runtimes come here
  return ++last;
}

protocol::LoadModelSteps step(protocol::LoadingStatus status) {
  protocol::LoadModelSteps steps;
  steps.status = status;
  return steps;
}

protocol::LoadModelSteps loading_step(int id) {
  protocol::LoadModelSteps steps = step(protocol::LoadingStatus::kLoading);
  steps.loading_model_id = id;
  return steps;
}

}  // namespace

void Runtime::load_model(const Origin& origin, const ModelRequest& request) {
  const auto host = std::make_shared<ModelHost>(free_model_id());
  host->request = request;
  host->request.budget = budget_;
  busy_hosts_.insert(host);
  ++loads_[origin.port].running;
  reply(origin, loading_step(host->id));

  ModelRequest with_progress = host->request;
  with_progress.options.cancel = host->jobs_cancel;
  with_progress.options.progress = [this, origin, id = host->id, told = std::chrono::steady_clock::time_point()](float part) mutable {
    const auto now = std::chrono::steady_clock::now();
    if (now - told < kProgressInterval) return;
    told = now;
    mailbox_.post([this, origin, id, part] {
      protocol::LoadModelSteps steps = loading_step(id);
      steps.progress = static_cast<double>(part);
      reply(origin, steps);
    });
  };
  run_job(
      *host, [to = host.get(), with_progress] { to->model = LanguageModel::load(with_progress); },
      [this, origin, weak = std::weak_ptr(host)](const std::optional<Error>& error) {
        if (const auto loaded = weak.lock()) load_ended(origin, loaded, error);
      });
}

void Runtime::load_ended(const Origin& origin, const std::shared_ptr<ModelHost>& host,
                         const std::optional<Error>& error) {
  busy_hosts_.erase(host);
  if (error) {
    protocol::LoadModelSteps steps = step(protocol::LoadingStatus::kFailedInLoading);
    steps.info = std::string(error->what()) + " (" + std::string(to_string(error->code())) + "; model '" +
                 host->request.model_path + "', backend '" + host->request.backend + "', tokenizer '" +
                 host->request.tokenizer_path + "')";
    steps.code = to_string(error->code());
    reply(origin, steps);
  } else {
    host->load_number = next_load_number();
    host->last_use = ++uses_;
    host->cache_limit = host->model->cache().stats().limit_bytes;
    models_[host->id] = host;
    protocol::LoadModelSteps steps = step(protocol::LoadingStatus::kLoaded);
    steps.model_id = host->id;
    reply(origin, steps);
  }
  done(origin);

  const auto loads = loads_.find(origin.port);
  if (loads == loads_.end() || --loads->second.running > 0) return;
  const auto deferred = std::move(loads->second.deferred);
  loads_.erase(loads);
  for (const auto& request : deferred) request();
}

// The model's run has ended when this is called.
void Runtime::release_model(const Origin& origin, const std::shared_ptr<ModelHost>& host) {
  if (host->end_notice) give_end_notice(*host);
  models_.erase(host->id);
  busy_hosts_.insert(host);
  cancel_all(*host);
  // Freed on the worker: it takes a while, and the worker's earlier jobs use it.
  run_job(
      *host, [from = host.get()] { from->model.reset(); },
      [this, origin, weak = std::weak_ptr(host)](const std::optional<Error>&) {
        const auto released = weak.lock();
        if (!released) return;
        busy_hosts_.erase(released);
        protocol::LoadModelSteps steps = step(protocol::LoadingStatus::kReleased);
        steps.model_id = released->id;
        reply(origin, steps);
        done(origin);
      });
}

}  // namespace rwkv::bridge
