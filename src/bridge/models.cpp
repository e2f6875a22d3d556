// Models come and go.
#include <atomic>
#include <chrono>
#include <utility>

#include "base/error_of.h"
#include "base/insist.h"
#include "base/log.h"
#include "base/machine.h"
#include "bridge/runtime.h"

namespace rwkv::bridge {
namespace {

constexpr std::chrono::milliseconds kProgressInterval{50};

// The threads of all runtimes come here.
std::int64_t next_load_number() {
  static std::atomic<std::int64_t> last{0};
  return ++last;
}

protocol::LoadModelSteps step(protocol::LoadingStatus status) {
  protocol::LoadModelSteps steps;
  steps.status = status;
  return steps;
}

protocol::LoadModelSteps loading_step(int id, std::int64_t load_id) {
  protocol::LoadModelSteps steps = step(protocol::LoadingStatus::kLoading);
  steps.loading_model_id = id;
  steps.load_id = load_id;
  return steps;
}

// What failed, its code and the backend, and what was to be loaded where the error does not say it itself.
std::string described(const Error& error, const ModelRequest& request) {
  const std::string what = error.what();
  const auto says = [&](const std::string& text) { return text.empty() || what.find(text) != std::string::npos; };
  std::string rest = std::string(to_string(error.code())) + "; backend '" + request.backend + "'";
  if (!says(request.model_path)) rest += ", model '" + request.model_path + "'";
  if (!says(request.tokenizer_path)) rest += ", vocabulary '" + request.tokenizer_path + "'";
  return what + " (" + rest + ")";
}

}  // namespace

void Runtime::load_model(const Origin& origin, const ModelRequest& request) {
  const auto host = std::make_shared<BridgedModel>(host_.with_host_options(request), host_.media());
  host->loader = origin.port;
  const Client* client = find_client(origin.port);
  host->kept_without_loader = client && client->options.keep_loads;
  host_.add(host, host::Host::Phase::kLoading);
  if (const auto error = error_of([&] { ++loads_[origin.port].running; })) {
    host_.remove(*host);
    throw Error(*error);
  }
  if (const auto error = error_of([&] { begin_load(origin, host); })) load_ended(origin, host, error);
}

void Runtime::begin_load(const Origin& origin, const std::shared_ptr<BridgedModel>& host) {
  reply_surely(origin, loading_step(host->id(), host->load_id));
  const auto progress = [this, origin, id = host->id(), load_id = host->load_id,
                         told = std::chrono::steady_clock::time_point()](float part) mutable {
    const auto now = std::chrono::steady_clock::now();
    if (now - told < kProgressInterval) return;
    told = now;
    mailbox_.post([this, origin, id, load_id, part] {
      protocol::LoadModelSteps steps = loading_step(id, load_id);
      steps.progress = static_cast<double>(part);
      reply(origin, steps);
    });
  };
  run_job(
      origin, *host, [to = host.get(), progress](const CancelToken& cancel) { to->load(cancel, progress); },
      [this, origin, weak = std::weak_ptr(host)](const std::optional<Error>& error) {
        if (const auto loaded = weak.lock()) load_ended(origin, loaded, error);
      });
}

void Runtime::load_ended(const Origin& origin, const std::shared_ptr<BridgedModel>& host,
                         const std::optional<Error>& error) {
  if (error) {
    host_.remove(*host);
  } else {
    host_.set_phase(*host, host::Host::Phase::kLoaded);
  }
  if (const auto untold = error_of([&] { tell_load_ended(origin, host, error); })) log::error(untold->what());
  const auto loads = loads_.find(origin.port);
  if (loads != loads_.end() && --loads->second.running == 0) {
    const auto deferred = std::move(loads->second.deferred);
    loads_.erase(loads);
    for (const auto& request : deferred) request();
  }
}

void Runtime::tell_load_ended(const Origin& origin, const std::shared_ptr<BridgedModel>& host,
                              const std::optional<Error>& error) {
  if (error) {
    insist_a_while([&] {
      protocol::LoadModelSteps steps = step(protocol::LoadingStatus::kFailedInLoading);
      steps.info = described(*error, host->request());
      steps.code = to_string(error->code());
      reply(origin, steps);
    });
  } else {
    host->load_number = next_load_number();
    protocol::LoadModelSteps steps = step(protocol::LoadingStatus::kLoaded);
    steps.model_id = host->id();
    steps.load_id = host->load_id;
    // Nobody knows of a model whose loader is gone, so nobody would ever release it.
    if (!reply_surely(origin, steps) && !host->kept_without_loader) release_model(origin, host);
  }
  done(origin);
}

// The model's run has ended when this is called.
void Runtime::release_model(const Origin& origin, const std::shared_ptr<BridgedModel>& host) {
  if (host->end_notice) give_end_notice(*host);
  const auto released_by_worker = [from = host.get()] {
    from->unload();
    give_back_freed_memory();
  };
  const auto then = [this, origin, weak = std::weak_ptr(host)](const std::optional<Error>&) {
    if (const auto released = weak.lock()) model_released(origin, released);
  };
  // Freed on the worker: it takes a while, and the worker's earlier jobs use it.
  host->post(nullptr, released_by_worker, job_end(origin, then));
  ++jobs_;
  host_.set_phase(*host, host::Host::Phase::kLeaving);
  host->close();
}

void Runtime::model_released(const Origin& origin, const std::shared_ptr<BridgedModel>& host) {
  host_.remove(*host);
  protocol::LoadModelSteps steps = step(protocol::LoadingStatus::kReleased);
  steps.model_id = host->id();
  reply_surely(origin, steps);
  done(origin);
}

}  // namespace rwkv::bridge
