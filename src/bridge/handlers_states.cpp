#include <utility>

#include "base/log.h"
#include "base/machine.h"
#include "bridge/handlers.h"
#include "formats/state_file.h"
#include "runtime/cache_text.h"

namespace rwkv::bridge {
void Handlers::handle(const protocol::ClearStates& request) {
  const auto host = find(request.model_id);
  if (!host) return;
  host->model().cache().clear();
  give_back_freed_memory();
}

void Handlers::handle(const protocol::DumpStateInfo& request) {
  protocol::StateInfo answer;
  if (const auto host = find(request.model_id)) answer.state_info = describe_cache(host->model());
  reply(answer);
}

void Handlers::handle(const protocol::GetStateCacheInfo& request) {
  const auto host = model(request.model_id);
  const StateCache::Stats stats = host->model().cache().stats();
  protocol::StateCacheInfo answer;
  answer.model_id = request.model_id;
  answer.bytes = static_cast<std::int64_t>(stats.bytes);
  answer.limit_bytes = static_cast<std::int64_t>(stats.limit_bytes);
  answer.hits = static_cast<std::int64_t>(stats.hits);
  answer.misses = static_cast<std::int64_t>(stats.misses);
  answer.saved_tokens = static_cast<std::int64_t>(stats.saved_tokens);
  const DiskCache::Stats disk = host->model().cache().disk_stats();
  answer.disk_bytes = static_cast<std::int64_t>(disk.bytes);
  answer.disk_limit_bytes = static_cast<std::int64_t>(disk.limit_bytes);
  for (const StateCache::Node& node : host->model().cache().nodes()) {
    answer.nodes.push_back({host->model().tokenizer().decode(node.tokens),
                            static_cast<std::int64_t>(node.tokens.size()), static_cast<std::int64_t>(node.bytes)});
  }
  reply(answer);
}

void Handlers::handle(const protocol::SetStateCache& request) {
  const auto host = model(request.model_id);
  const std::int64_t folder_limit = request.folder_limit_bytes.value_or(host::kStateFolderBytes);
  if (request.limit_bytes.value_or(0) < 0 || folder_limit < 0) {
    throw Error(ErrorCode::kInvalidArgument, "a limit in bytes cannot be negative");
  }
  if (request.limit_bytes) {
    runtime_.host_.set_cache_limit(*host, static_cast<std::uint64_t>(*request.limit_bytes));
  }
  if (!request.folder) return;
  later_ = true;
  runtime_.run_job(origin_, *host, [to = &host->model(), folder = *request.folder, folder_limit](const CancelToken&) {
    to->set_state_folder(folder, static_cast<std::uint64_t>(folder_limit));
  });
}

void Handlers::handle(const protocol::SaveRuntimeStateByHistory& request) {
  const auto host = model(request.model_id);
  later_ = true;
  runtime_.run_job(origin_, *host,
                   [to = host.get(), format = host->settings()->chat_format(), messages = request.messages,
                    path = request.state_save_path,
                    type = request.half_precision ? StateType::kF16 : StateType::kF32](const CancelToken& cancel) {
                     const Prompt prompt = host::conversation_prompt(*to, format, messages);
                     to->model().encode_media(prompt, true, cancel, [](float) {});
                     to->model().save_state(path, prompt, type, cancel);
                   });
}

void Handlers::handle(const protocol::LoadRuntimeStateToMemory& request) {
  const auto host = model(request.model_id);
  later_ = true;
  runtime_.run_job(
      origin_, *host,
      [to = &host->model(), path = request.state_load_path](const CancelToken&) { to->load_state(path); },
      [&runtime = runtime_, origin = origin_](const std::optional<Error>& error) {
        // Clients try paths that may not exist: that is no reason to alarm anybody.
        if (error && error->code() == ErrorCode::kNotFound) {
          log::info(error->what());
        } else if (error) {
          runtime.reply_error(origin, *error);
        }
        runtime.done(origin);
      });
}

void Handlers::handle(const protocol::LoadInitialStates& request) {
  const auto host = model(request.model_id);
  later_ = true;
  runtime_.run_job(origin_, *host, [to = &host->model(), path = request.state_path](const CancelToken&) {
    to->load_initial_state(path);
  });
}

void Handlers::handle(const protocol::UnloadInitialStates& request) {
  if (const auto host = find(request.model_id)) host->model().unload_initial_state(request.state_path);
}

}  // namespace rwkv::bridge
