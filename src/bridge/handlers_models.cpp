#include <algorithm>
#include <utility>

#include "base/error_of.h"
#include "bridge/handlers.h"

namespace rwkv::bridge {

std::shared_ptr<BridgedModel> Handlers::find(std::int64_t id) const {
  auto host = runtime_.host_.find(id);
  if (!origin_.load_id || (host && host->load_id == *origin_.load_id)) return host;
  throw Error(ErrorCode::kNotFound,
              "the model with the id " + std::to_string(id) + " that was meant here was released; load it again");
}

std::shared_ptr<BridgedModel> Handlers::model(std::int64_t id) const {
  if (auto host = find(id)) return host;
  throw Error(ErrorCode::kNotFound, "no model with the id " + std::to_string(id) + " is loaded; load one first");
}

void Handlers::handle(const protocol::LoadRWKVModel& request) {
  ModelRequest load;
  load.model_path = request.model_path;
  load.backend = request.backend.name;
  load.tokenizer_path = request.tokenizer_path;
  if (request.llama_cpp_n_gpu_layers) load.options.gpu_layers = *request.llama_cpp_n_gpu_layers;
  if (request.device) load.options.device = *request.device;
  if (request.settings) load.options.settings = *request.settings;
  later_ = true;
  const auto error = error_of([&] { runtime_.load_model(origin_, load); });
  if (!error) return;
  later_ = false;  // not even begun
  protocol::LoadModelSteps steps;
  steps.status = protocol::LoadingStatus::kFailedInLoading;
  steps.info = error->what();
  steps.code = to_string(error->code());
  reply(steps);
}

void Handlers::handle(const protocol::SetStandIn& request) { runtime_.host_.allow_stand_in(request.allowed); }

void Handlers::handle(const protocol::ReleaseRWKVModel& request) {
  protocol::LoadModelSteps steps;
  steps.status = protocol::LoadingStatus::kReleasing;
  steps.model_id = request.model_id;
  reply(steps);
  std::shared_ptr<BridgedModel> host;
  if (const auto error = error_of([&] { host = model(request.model_id); })) {
    steps.status = protocol::LoadingStatus::kFailedInReleasing;
    steps.info = error->what();
    steps.code = to_string(error->code());
    reply(steps);
    return;
  }
  later_ = true;
  if (!host->running) {
    runtime_.release_model(origin_, host);
    return;
  }
  // Every request for a model that drains waits behind this, so nothing has been begun when its turn comes.
  host->deferred.push_front([&runtime = runtime_, origin = origin_, host] {
    if (const auto error = error_of([&] { runtime.release_model(origin, host); })) {
      runtime.reply_error(origin, *error);
      runtime.done(origin);
    }
  });
  host->run->released = true;
  runtime_.drain(host);
}

void Handlers::handle(const protocol::AddTTSModel&) {
  protocol::LoadModelSteps steps;
  steps.status = protocol::LoadingStatus::kFailedInLoading;
  steps.info = "speech models are not supported until " + std::string(protocol::AddTTSModel::kUnsupportedUntil);
  steps.code = to_string(ErrorCode::kUnsupported);
  reply(steps);
}

void Handlers::handle(const protocol::GetLoadedModelIDs&) {
  protocol::LoadedModelIDs answer;
  for (const auto& host : runtime_.host_.models()) answer.loaded_model_ids.push_back(host->id());
  reply(answer);
}

void Handlers::handle(const protocol::GetLoadedModelPathByID& request) {
  protocol::LoadedModelPathByID answer;
  if (const auto host = find(request.model_id)) answer.loaded_model_path = host->request().model_path;
  answer.model_id = request.model_id;
  reply(answer);
}

void Handlers::handle(const protocol::GetModels&) {
  protocol::LoadedModels answer;
  for (const auto& host : runtime_.host_.models()) {
    protocol::LoadedModelInfo info;
    info.model_id = host->id();
    info.model_path = host->request().model_path;
    info.backend = host->backend_name();
    info.is_generating = host->running;
    info.load_id = host->load_id;
    if (host->run) {
      info.generation_id = host->run->id;
      info.slots = static_cast<std::int32_t>(host->run->stream.slots());
    }
    answer.models.push_back(std::move(info));
  }
  reply(answer);
}

}  // namespace rwkv::bridge
