// rwkv_mobile.h: the HTTP server.
#include <algorithm>
#include <memory>
#include <utility>

#include "capi/guard.h"
#include "capi/live_objects.h"
#include "server/http_server.h"

using namespace rwkv::capi;

namespace {

constexpr int kMostConnections = 4096;

// Keeps the memory of its model, which may be released before it.
struct Server {
  Server(std::shared_ptr<AbiModel> served, rwkv::server::ServedModel model, const rwkv::server::ServerOptions& options)
      : host(std::move(served)), http({std::move(model)}, options) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void end() {
    http.stop();
    http.wait();
  }

  const rwkv::host::LiveObject counted{live_objects};
  const std::shared_ptr<AbiModel> host;
  rwkv::server::HttpServer http;
};

rwkv::server::ServedModel served_model(AbiModel& host, const rwkvmobile_server_config& config) {
  rwkv::server::ServedModel model;
  model.name = config.model_name ? config.model_name : rwkvmobile_server_config_default().model_name;
  model.model = &host.model();
  {
    const auto settings = host.settings();
    model.format = settings->format;
    model.defaults.sampler = settings->slots.slot(0).sampler;
    model.defaults.penalties = settings->slots.slot(0).penalties;
    model.defaults.banned = settings->banned;
  }
  rwkv::GenerationOptions& defaults = model.defaults;
  if (config.default_max_tokens > 0) defaults.max_tokens = config.default_max_tokens;
  if (config.has_temperature) defaults.sampler.temperature = config.temperature;
  if (config.has_top_k) defaults.sampler.top_k = config.top_k;
  if (config.has_top_p) defaults.sampler.top_p = config.top_p;
  if (config.has_presence_penalty) defaults.penalties.presence = config.presence_penalty;
  if (config.has_frequency_penalty) defaults.penalties.frequency = config.frequency_penalty;
  if (config.has_penalty_decay) defaults.penalties.decay = config.penalty_decay;
  validate(defaults.sampler);
  validate(defaults.penalties);
  return model;
}

rwkv::server::ServerOptions server_options(const rwkvmobile_server_config& config) {
  rwkv::server::ServerOptions options;
  if (config.host) options.host = config.host;
  options.port = config.port;
  options.any_model_name = true;
  if (config.threads > 0) options.max_connections = std::min(config.threads, kMostConnections);
  return options;
}

// For calls about a server: what `call(server)` returns; 8 for a handle that is none.
template <class Call>
int with_server(rwkvmobile_server_t handle, const Call& call) noexcept {
  return guarded(nullptr, [&]() -> int {
    const auto server = registry<Server>().find(handle);
    return server ? call(*server) : kBadArgument;
  });
}

}  // namespace

rwkvmobile_server_config rwkvmobile_server_config_default(void) {
  rwkvmobile_server_config config{};
  config.host = "127.0.0.1";
  config.port = 8000;
  config.model_name = "rwkv";
  config.default_max_tokens = 256;
  config.temperature = 1;
  config.top_k = 1;
  config.top_p = 1;
  return config;
}

rwkvmobile_server_t rwkvmobile_server_start(rwkvmobile_runtime_t runtime, int model_id,
                                            const rwkvmobile_server_config* config) {
  rwkvmobile_server_t handle = nullptr;
  with_runtime(runtime, [&](AbiHost& of) -> int {
    const auto host = of.find(model_id);
    if (!host) return kNoSuchModel;
    const rwkvmobile_server_config wanted = config ? *config : rwkvmobile_server_config_default();
    const auto server = std::make_shared<Server>(host, served_model(*host, wanted), server_options(wanted));
    host->at_end([weak = std::weak_ptr(server)] {
      if (const auto serving = weak.lock()) serving->end();
    });
    handle = registry<Server>().add(server);
    return RWKV_SUCCESS;
  });
  return handle;
}

int rwkvmobile_server_stop(rwkvmobile_server_t server) {
  return with_server(server, [](Server& of) -> int {
    of.http.stop();
    return RWKV_SUCCESS;
  });
}

int rwkvmobile_server_wait(rwkvmobile_server_t server) {
  return with_server(server, [](Server& of) -> int {
    of.http.wait();
    return RWKV_SUCCESS;
  });
}

int rwkvmobile_server_release(rwkvmobile_server_t server) {
  return guarded(nullptr, [&]() -> int {
    const auto taken = registry<Server>().take(server);
    if (!taken) return kBadArgument;
    taken->end();
    return RWKV_SUCCESS;
  });
}

int rwkv_ext_server_port(rwkvmobile_server_t server) {
  return guarded_or(nullptr, 0, [&] {
    const auto found = registry<Server>().find(server);
    return found ? found->http.port() : 0;
  });
}
