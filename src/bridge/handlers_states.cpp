#include <utility>

#include "base/log.h"
#include "bridge/cache_text.h"
#include "bridge/handlers.h"
#include "formats/state_file.h"

namespace rwkv::bridge {
void Handlers::handle(const protocol::ClearStates& request) {
  if (const auto host = find(request.model_id)) host->model->cache().clear();
}

void Handlers::handle(const protocol::DumpStateInfo& request) {
  protocol::StateInfo answer;
  if (const auto host = find(request.model_id)) answer.state_info = describe_cache(*host->model);
  reply(answer);
}

void Handlers::handle(const protocol::GetStateCacheInfo& request) {
  const auto host = model(request.model_id);
  const StateCache::Stats stats = host->model->cache().stats();
  protocol::StateCacheInfo answer;
  answer.model_id = request.model_id;
  answer.bytes = static_cast<std::int64_t>(stats.bytes);
  answer.limit_bytes = static_cast<std::int64_t>(stats.limit_bytes);
  answer.hits = static_cast<std::int64_t>(stats.hits);
  answer.misses = static_cast<std::int64_t>(stats.misses);
  answer.saved_tokens = static_cast<std::int64_t>(stats.saved_tokens);
  for (const StateCache::Node& node : host->model->cache().nodes()) {
    answer.nodes.push_back({host->model->tokenizer().decode(node.tokens), static_cast<std::int64_t>(node.tokens.size()),
                            static_cast<std::int64_t>(node.bytes)});
  }
  reply(answer);
}

void Handlers::handle(const protocol::SaveRuntimeStateByHistory& request) {
  const auto host = model(request.model_id);
  std::vector<std::string> messages = request.messages;
  if (messages.size() % 2 == 1) messages.pop_back();
  later_ = true;
  runtime_.run_job(
      *host,
      [to = host->model.get(), format = host->settings.format, messages, path = request.state_save_path,
       cancel = host->jobs_cancel] {
        // As the next question finds it: up to the user's role.
        const Tokens tokens = messages.empty() ? to->completion_prompt(format.prompt).tokens
                                               : to->chat_prompt(format, alternate_roles(messages), true, false).tokens;
        write_state_file(path, tokens, to->state_after(tokens, cancel).bytes());
      },
      [&runtime = runtime_, origin = origin_](const std::optional<Error>& error) {
        if (error) runtime.reply_error(origin, *error);
        runtime.done(origin);
      });
}

void Handlers::handle(const protocol::LoadRuntimeStateToMemory& request) {
  const auto host = model(request.model_id);
  later_ = true;
  runtime_.run_job(
      *host,
      [to = host->model.get(), path = request.state_load_path] {
        StateFile file = read_state_file(path);
        const auto position = static_cast<std::int64_t>(file.tokens.size());
        to->remember(file.tokens, State(std::move(file.state), position));
      },
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

void Handlers::handle(const protocol::LoadInitialStates&) {
  throw Error(ErrorCode::kUnsupported, "initial states (state tuning) are not supported yet");
}

void Handlers::handle(const protocol::UnloadInitialStates&) {}  // none can be loaded

}  // namespace rwkv::bridge
