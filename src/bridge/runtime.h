// The runtime: one thread that serves all clients' requests, and the models with their workers.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "bridge/bridged_model.h"
#include "bridge/client.h"
#include "bridge/downloads.h"
#include "bridge/mailbox.h"
#include "host/generate.h"
#include "host/host.h"
#include "protocol/messages.h"

namespace rwkv::bridge {

/// Ports are served in turn, the requests of one in the order in which they came; their effects are visible to later
/// ones. A request for a model that is being stopped waits for that, and one for a model that its own port is still
/// loading waits for the load; others go on. Nothing here blocks: what takes time is a job of a model's worker, whose
/// end comes back as a task of the mailbox. Everything but the mailbox belongs to the runtime's thread.
class Runtime {
 public:
  Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  /// Cancels everything and waits for it. Not on the runtime's or a worker's thread.
  ~Runtime();

  /// From any thread.
  void open(PortId id, std::unique_ptr<Port> port, const protocol::PortOptions& options);
  /// From any thread; when it returns the port is not used any more, except by a callback of it that made this call.
  /// Requests that have not been begun are dropped.
  void close(PortId id);
  /// Queues one JSON request of a port. From any thread. Throws Error(kBusy) when too much of it waits.
  void receive(PortId id, std::string json);
  /// Calls `then` on the runtime's thread as soon as what the port has sent is served and nothing is loading,
  /// generating, downloading or being saved; never, if the port is closed before. From any thread.
  void when_idle(PortId id, std::function<void()> then);

 private:
  friend class Handlers;

  // A port's loads that are going on, and its requests that wait for them.
  struct Loads {
    int running = 0;
    std::deque<std::function<void()>> deferred;
  };

  void serve(PortId id, const std::string& json);
  void dispatch(const Origin& origin, const protocol::Request& request);
  bool defer(const Origin& origin, const protocol::Request& request);
  void drop_client(PortId id);
  const Client* find_client(PortId id) const;

  /// False: nobody is there any more. Throws where memory lacks; nothing was told then.
  bool reply(const Origin& origin, protocol::Response response);
  /// The same for what a client waits for and no Error can stand for; a moment without memory does not keep it.
  bool reply_surely(const Origin& origin, const protocol::Response& response);
  void reply_error(const Origin& origin, const Error& error);
  /// Nothing more follows for the request.
  void done(const Origin& origin);

  /// The model that a puzzle's id means: -1 is the one loaded last.
  std::int64_t puzzle_model(std::int64_t id);
  bool is_idle() const;
  void check_idle();
  void tell_download(const Origin& origin, const protocol::DownloadSteps& steps);

  // A job beside generations: evaluation, saving. `work` runs on the model's worker, `then` on the runtime's thread
  // with what it threw, if anything; what `then` throws is the answer to the request. Without
  // `then` its error is.
  void run_job(const Origin& origin, host::ModelHost& host, std::function<void(const CancelToken&)> work,
               host::ModelHost::Then then = nullptr);
  /// Calls `then` as the end of a job of this thread's; for one that was posted.
  host::ModelHost::Then job_end(const Origin& origin, host::ModelHost::Then then);

  // models.cpp
  void load_model(const Origin& origin, const ModelRequest& request);
  void begin_load(const Origin& origin, const std::shared_ptr<BridgedModel>& host);
  void load_ended(const Origin& origin, const std::shared_ptr<BridgedModel>& host, const std::optional<Error>& error);
  void tell_load_ended(const Origin& origin, const std::shared_ptr<BridgedModel>& host,
                       const std::optional<Error>& error);
  void release_model(const Origin& origin, const std::shared_ptr<BridgedModel>& host);
  void model_released(const Origin& origin, const std::shared_ptr<BridgedModel>& host);

  // memory.cpp
  struct MemoryRelease {
    Origin origin;
    protocol::MemoryReleased answer;
    std::function<bool()> is_enough;
    std::set<std::int64_t> tried;
  };
  void set_memory_budget(const Origin& origin, std::uint64_t bytes);
  void release_memory(const Origin& origin, protocol::MemoryPressure level);
  void put_to_sleep(const std::shared_ptr<MemoryRelease>& release);

  // generations.cpp
  void start_run(const Origin& origin, const std::shared_ptr<BridgedModel>& host,
                 const std::shared_ptr<BridgedRun>& run, host::MakeTasks make_tasks);
  void run_ended(const std::shared_ptr<BridgedModel>& host, const std::shared_ptr<BridgedRun>& run);
  void tell_end(const std::shared_ptr<BridgedModel>& host, const std::shared_ptr<BridgedRun>& run,
                const std::optional<Origin>& stop);
  void give_end_notice(BridgedModel& host);
  void drain(const std::shared_ptr<BridgedModel>& host);
  void post_run_ended(const std::weak_ptr<BridgedModel>& host, const std::shared_ptr<BridgedRun>& run);
  void serve_deferred(const std::shared_ptr<BridgedModel>& host);
  void ask_for_flush(const std::weak_ptr<BridgedModel>& host, const std::shared_ptr<BridgedRun>& run);
  void push(BridgedModel& host, BridgedRun& run);
  void push_to(const std::set<PortId>& listeners, const BridgedRun& run, const protocol::Response& response);
  bool wants_only_new(PortId port) const;
  void tell_puzzle_tokens(BridgedModel& host, BridgedRun& run);

  Mailbox mailbox_;
  Downloads downloads_{
      mailbox_, [this](const Origin& origin, const protocol::DownloadSteps& steps) { tell_download(origin, steps); }};
  std::map<PortId, std::shared_ptr<Client>> clients_;
  host::HostOf<BridgedModel> host_{host::Host::Ids::kSmallestFree};
  std::map<PortId, Loads> loads_;
  std::vector<std::function<void()>> idle_waiters_;
  int jobs_ = 0;
  bool ending_ = false;  // everything was cancelled: nothing new begins
  std::thread thread_;   // last: it uses all of the above
};

}  // namespace rwkv::bridge
