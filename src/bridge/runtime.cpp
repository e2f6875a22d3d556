#include "bridge/runtime.h"

#include <future>
#include <utility>

#include "base/error_of.h"
#include "base/host_call.h"
#include "base/insist.h"
#include "base/json_tree.h"
#include "base/log.h"
#include "bridge/directory.h"
#include "bridge/handlers.h"
#include "protocol/codec.h"

namespace rwkv::bridge {
namespace {

// The model a request is about, if it is about one.
std::optional<std::int64_t> model_of(const protocol::Request& request) {
  return std::visit(
      [](const auto& concrete) -> std::optional<std::int64_t> {
        if constexpr (requires { concrete.model_id; }) {
          return concrete.model_id;
        } else {
          return std::nullopt;
        }
      },
      request);
}

}  // namespace

Runtime::Runtime() : thread_([this] { mailbox_.run(); }) {}

Runtime::~Runtime() {
  insist([this] {
    mailbox_.post([this] {
      ending_ = true;
      clients_.clear();
      host_.cancel_uses();
      downloads_.cancel_all();
      // Some of them hold the model that holds them.
      host_.for_each(host::Host::Phase::kLoaded, [](BridgedModel& model) { model.deferred.clear(); });
    });
  });
  mailbox_.stop();
  thread_.join();
}

void Runtime::open(PortId id, std::unique_ptr<Port> port, const protocol::PortOptions& options) {
  auto client = std::make_shared<Client>();
  client->id = id;
  client->port = std::move(port);
  client->options = options;
  mailbox_.post([this, client] {
    insist_a_while([&] { clients_[client->id] = client; });
    // After a hot restart the port of the isolate that was killed is still there. Nothing may ever be posted to it, and
    // while it counts as open the runtime does not end.
    const auto others = clients_;
    for (const auto& [other, of] : others) {
      if (of == client || of->port->alive()) continue;
      drop_client(other);
      forget_dead_port(other);
    }
  });
}

void Runtime::close(PortId id) {
  mailbox_.drop_lane(id);
  if (std::this_thread::get_id() == thread_.get_id()) {
    drop_client(id);
    return;
  }
  // Waits for the message that may be on its way to the port right now.
  std::future<void> waiting;
  insist([&] {
    auto dropped = std::make_shared<std::promise<void>>();
    waiting = dropped->get_future();
    mailbox_.post([this, id, dropped] {
      drop_client(id);
      dropped->set_value();
    });
  });
  waiting.wait();
}

void Runtime::receive(PortId id, std::string json) {
  const std::size_t bytes = json.size();
  mailbox_.post_to(id, bytes, [this, id, json = std::move(json)] { serve(id, json); });
}

void Runtime::when_idle(PortId id, std::function<void()> then) {
  mailbox_.post_to(id, 0, [this, then = std::move(then)] {
    idle_waiters_.push_back(then);
    check_idle();
  });
}

bool Runtime::is_idle() const {
  if (host_.has_any(host::Host::Phase::kLoading) || host_.has_any(host::Host::Phase::kLeaving)) return false;
  bool idle = jobs_ == 0 && downloads_.empty();
  host_.for_each(host::Host::Phase::kLoaded, [&](const BridgedModel& model) {
    if (model.running || model.draining || model.end_notice) idle = false;
  });
  return idle;
}

void Runtime::check_idle() {
  host_.fit_caches();
  if (idle_waiters_.empty() || !is_idle()) return;
  for (const auto& then : std::exchange(idle_waiters_, {})) then();
}

void Runtime::serve(PortId id, const std::string& json) {
  if (!clients_.contains(id)) return;
  Origin origin{id, std::nullopt};
  std::optional<protocol::Request> request;
  // Without its id an answer says nothing to who waits for it, so a moment of want does not end this.
  const auto error = error_of([&] {
    insist_a_while([&] {
      const JsonTree message(protocol::parse_message(json));
      origin.request_id = protocol::request_id_of(message.value);
      protocol::RequestMessage decoded = protocol::decode_request(message.value);
      origin.load_id = decoded.load_id;
      request = std::move(decoded.body);
    });
  });
  if (error) {
    reply_error(origin, *error);
    done(origin);
    return;
  }
  dispatch(origin, *request);
  check_idle();
}

void Runtime::dispatch(const Origin& origin, const protocol::Request& request) {
  if (ending_) return;  // what a deferred request started now nobody would end
  bool later = false;
  const auto error = error_of([&] {
    later = defer(origin, request);
    if (later) return;
    Handlers handlers(*this, origin);
    std::visit([&](const auto& concrete) { handlers.handle(concrete); }, request);
    later = handlers.answers_later();
  });
  if (error) reply_error(origin, *error);
  if (error || !later) done(origin);
}

// Whether the request waits for what its model is doing.
bool Runtime::defer(const Origin& origin, const protocol::Request& request) {
  auto model_id = model_of(request);
  if (!model_id) return false;
  if (std::holds_alternative<protocol::SudokuOthelloGenerate>(request)) model_id = puzzle_model(*model_id);
  const auto host = host_.find(*model_id);
  const auto loads = loads_.find(origin.port);
  std::deque<std::function<void()>>* behind = nullptr;
  if (host && host->draining) {
    behind = &host->deferred;
  } else if (!host && loads != loads_.end() && !std::holds_alternative<protocol::Stop>(request)) {
    behind = &loads->second.deferred;
  }
  if (behind) behind->push_back([this, origin, request] { dispatch(origin, request); });
  return behind != nullptr;
}

std::int64_t Runtime::puzzle_model(std::int64_t id) {
  std::int64_t latest = -1;
  if (id != -1) return id;
  host_.for_each(host::Host::Phase::kLoaded, [&](const BridgedModel& model) {
    if (model.load_number <= latest) return;
    latest = model.load_number;
    id = model.id();
  });
  return id;
}

const Client* Runtime::find_client(PortId id) const {
  const auto it = clients_.find(id);
  return it == clients_.end() ? nullptr : it->second.get();
}

void Runtime::drop_client(PortId id) {
  const auto it = clients_.find(id);
  if (it == clients_.end()) return;
  const bool stop = it->second->options.stop_on_death;
  clients_.erase(it);
  loads_.erase(id);
  downloads_.cancel_of(id);
  host_.for_each(host::Host::Phase::kLoading, [&](BridgedModel& model) {
    if (model.loader == id && !model.kept_without_loader) model.cancel_uses();
  });
  host_.for_each(host::Host::Phase::kLoaded, [&](BridgedModel& model) {
    if (!model.run) return;
    model.run->unsubscribe(id);
    if (stop && model.running && model.run->origin.port == id) model.run->cancel.cancel();
  });
}

bool Runtime::reply(const Origin& origin, protocol::Response response) {
  const auto it = clients_.find(origin.port);
  if (it == clients_.end()) return false;
  // A callback of the port may close it: it lives until that has returned.
  const std::shared_ptr<Client> client = it->second;
  const HostCall host;
  if (!host.allowed()) return false;
  protocol::ResponseMessage message{origin.request_id, std::move(response)};
  if (client->port->post(protocol::to_text(protocol::encode(std::move(message))))) return true;
  drop_client(origin.port);
  forget_dead_port(origin.port);
  return false;
}

bool Runtime::reply_surely(const Origin& origin, const protocol::Response& response) {
  bool there = false;
  insist_a_while([&] { there = reply(origin, response); });
  return there;
}

void Runtime::reply_error(const Origin& origin, const Error& error) {
  insist_a_while(
      [&] { reply(origin, protocol::Error{error.what(), std::nullopt, std::string(to_string(error.code()))}); });
}

void Runtime::done(const Origin& origin) {
  const Client* client = find_client(origin.port);
  if (client && client->options.acknowledge) reply_surely(origin, protocol::RequestDone{});
}

void Runtime::tell_download(const Origin& origin, const protocol::DownloadSteps& steps) {
  reply_surely(origin, steps);
  if (steps.status == protocol::DownloadStatus::kDownloading) return;
  done(origin);
  check_idle();
}

host::ModelHost::Then Runtime::job_end(const Origin& origin, host::ModelHost::Then then) {
  return [this, origin, then = std::move(then)](const std::optional<Error>& error) {
    insist([&] {
      mailbox_.post([this, origin, error, then] {
        --jobs_;
        const auto failed = then ? error_of([&] { then(error); }) : error;
        if (failed) reply_error(origin, *failed);
        if (failed || !then) done(origin);
        check_idle();
      });
    });
  };
}

void Runtime::run_job(const Origin& origin, host::ModelHost& host, std::function<void(const CancelToken&)> work,
                      host::ModelHost::Then then) {
  const CancelToken cancel;
  auto use = host.admit(host::ModelHost::Kind::kEvaluation, cancel);
  host.post(std::move(use), [work = std::move(work), cancel] { work(cancel); }, job_end(origin, std::move(then)));
  ++jobs_;  // it ends on this thread
}

}  // namespace rwkv::bridge
