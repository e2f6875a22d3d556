#include <algorithm>
#include <limits>
#include <utility>

#include "base/log.h"
#include "bridge/handlers.h"

namespace rwkv::bridge {
namespace {

ForcedLanguage checked_language(std::int32_t value) {
  const auto language = forced_language(value);
  if (language) return *language;
  throw Error(ErrorCode::kInvalidArgument,
              "forceLang is " + std::to_string(value) + "; it is 0 (none), 1 (Chinese) or 2 (English)");
}

void check_length(std::int32_t length) {
  if (length < 0) {
    throw Error(ErrorCode::kInvalidArgument, "maxLength is " + std::to_string(length) +
                                                 "; it is the most new tokens, or 0 to only evaluate the text");
  }
}

void check_slots(std::size_t slots) {
  if (slots == 0) throw Error(ErrorCode::kInvalidArgument, "there is nothing to generate: no conversation was given");
  if (slots > host::kMostSlots) {
    throw Error(ErrorCode::kInvalidArgument, std::to_string(slots) + " slots are too many; at most " +
                                                 std::to_string(host::kMostSlots) + " run in one generation");
  }
}

}  // namespace

// What all generation requests share: whether the model is free, the run, and its start. `prepare` takes what it needs
// from the model's settings now.
void Handlers::generate(const protocol::Request& request, std::int64_t model_id, BridgedRun::Kind kind,
                        std::size_t slots, bool push, int max_length,
                        const std::function<host::MakeTasks(BridgedModel&, BridgedRun&)>& prepare) {
  const auto host = find(model_id);
  if (!host) {
    reply(generate_stop(Error(ErrorCode::kNotFound,
                              "no model with the id " + std::to_string(model_id) + " is loaded; load one first")));
    if (kind == BridgedRun::Kind::kPuzzle) reply(protocol::SudokuOthelloResponse{});
    return;
  }
  if (host->running) {
    if (!host->run->prefill_only || host->run->kind == BridgedRun::Kind::kPuzzle) {
      throw Error(ErrorCode::kBusy, "LLM is already generating");
    }
    // A prefill makes way for a real run, which finds in the cache what it has done.
    later_ = true;
    host->deferred.push_front([&runtime = runtime_, origin = origin_, request] { runtime.dispatch(origin, request); });
    runtime_.drain(host);
    return;
  }
  const Client* client = runtime_.find_client(origin_.port);
  const auto run = std::make_shared<BridgedRun>(kind, origin_, slots);
  run->prefill_only = max_length == 0;
  if (client && (push || client->options.push)) run->subscriptions.emplace(origin_.port, BridgedRun::kEverySlot);
  run->notify_end = client && client->options.notify_generation_end;
  auto make_tasks = prepare(*host, *run);
  later_ = true;
  runtime_.start_run(origin_, host, run, std::move(make_tasks));
}

void Handlers::chat(const protocol::Request& request, std::int64_t model_id,
                    std::vector<host::Conversation> conversations, bool push, std::optional<std::int32_t> max_length) {
  check_slots(conversations.size());
  if (max_length) check_length(*max_length);
  const std::size_t slots = conversations.size();
  for (std::size_t i = 0; i < slots; ++i) {
    if (!conversations[i].messages.empty()) continue;
    throw Error(ErrorCode::kInvalidArgument,
                slots == 1 ? "the conversation has no messages"
                           : "conversation " + std::to_string(i) + " of the batch (counted from 0) has no messages");
  }
  const auto host = find(model_id);
  const int length = max_length.value_or(host ? host->settings()->max_length : 0);
  generate(request, model_id, BridgedRun::Kind::kChat, slots, push, max_length ? *max_length : -1,
           [&](BridgedModel& to, BridgedRun& run) -> host::MakeTasks {
             return
                 [model = &to, &stream = run.stream, format = to.settings()->chat_format(),
                  conversations = std::move(conversations), options = options_for_run(*to.settings(), slots, length)] {
                   return chat_tasks(*model, format, conversations, options, stream);
                 };
           });
}

void Handlers::handle(const protocol::ChatAsync& request) {
  host::Conversation conversation{request.messages, request.enable_reasoning, request.force_reasoning,
                                  request.add_generation_prompt, checked_language(request.force_lang.value_or(0))};
  chat(request, request.model_id, {std::move(conversation)}, request.push, request.max_length);
}

void Handlers::handle(const protocol::ChatBatchAsync& request) {
  std::vector<host::Conversation> conversations;
  if (request.slot_configs) {
    for (const protocol::ChatBatchSlotConfig& slot : *request.slot_configs) {
      conversations.push_back({slot.messages, slot.enable_reasoning, slot.force_reasoning,
                               slot.add_generation_prompt.value_or(slot.messages.size() % 2 == 1),
                               checked_language(slot.force_lang.value_or(request.force_lang.value_or(0)))});
    }
  } else {
    if (request.batch_size < 0 || static_cast<std::size_t>(request.batch_size) != request.messages.size()) {
      reply(protocol::Error{"Batch size does not match messages length", -1,
                            std::string(to_string(ErrorCode::kInvalidArgument))});
      return;
    }
    for (const std::vector<std::string>& messages : request.messages) {
      conversations.push_back({messages, request.enable_reasoning, request.force_reasoning,
                               request.add_generation_prompt, checked_language(request.force_lang.value_or(0))});
    }
  }
  chat(request, request.model_id, std::move(conversations), request.push, request.max_length);
}

void Handlers::handle(const protocol::GenerateAsync& request) {
  if (request.batch < 0) throw Error(ErrorCode::kInvalidArgument, "batch must be 1 or more");
  const auto slots = static_cast<std::size_t>(std::max(request.batch, 1));
  check_slots(slots);
  if (request.max_length) check_length(*request.max_length);
  generate(request, request.model_id, BridgedRun::Kind::kCompletion, slots, request.push,
           request.max_length.value_or(-1), [&](BridgedModel& to, BridgedRun& run) -> host::MakeTasks {
             auto options =
                 options_for_run(*to.settings(), slots, request.max_length.value_or(to.settings()->max_length));
             for (GenerationOptions& each : options) {
               each.stop_token = request.stop_token.value_or(to.settings()->stop_token);
               each.use_cache = !request.disable_cache.value_or(false);
             }
             return [model = &to.model(), &stream = run.stream, text = request.prompt, options = std::move(options)] {
               return completion_tasks(*model, std::vector<std::string>(options.size(), text), options, stream);
             };
           });
}

void Handlers::handle(const protocol::SudokuOthelloGenerate& request) {
  generate(request, runtime_.puzzle_model(request.model_id), BridgedRun::Kind::kPuzzle, 1, false, -1,
           [&](BridgedModel& to, BridgedRun& run) -> host::MakeTasks {
             run.tells_whole_text = request.decode_stream;
             auto options = options_for_run(*to.settings(), 1, to.settings()->max_length);
             options[0].stop_token = to.settings()->stop_token;
             return [model = &to.model(), &stream = run.stream, text = request.prompt, options = std::move(options)] {
               return completion_tasks(*model, {text}, options, stream);
             };
           });
}

void Handlers::handle(const protocol::Stop& request) {
  // A Stop for the id that a model being loaded is to get ends the load.
  bool is_loading = false;
  runtime_.host_.for_each(host::Host::Phase::kLoading, [&](BridgedModel& loading) {
    if (loading.id() != request.model_id || (origin_.load_id && *origin_.load_id != loading.load_id)) return;
    loading.cancel_uses();
    is_loading = true;
  });
  if (is_loading) return;
  const auto host = find(request.model_id);
  if (!host || !host->running) return;
  const Origin& from = host->run->origin;
  if (request.started_by && (from.port != origin_.port || from.request_id != request.started_by)) return;
  later_ = true;
  host->stop = origin_;
  runtime_.drain(host);
}

void Handlers::handle(const protocol::SubscribeGeneration& request) {
  const auto host = find(request.model_id);
  if (!host || !host->run) {
    protocol::GenerationSnapshot nothing;
    nothing.model_id = request.model_id;
    nothing.slot = request.slot;
    reply(std::move(nothing));
    return;
  }
  BridgedRun& run = *host->run;
  const auto slots = static_cast<std::int32_t>(run.stream.slots());
  const bool all = request.slot == BridgedRun::kEverySlot;
  if (!all && (request.slot < 0 || request.slot >= slots)) {
    throw Error(ErrorCode::kInvalidArgument, "the generation has " + std::to_string(slots) +
                                                 " slots, none with the number " + std::to_string(request.slot));
  }
  const bool same_run = !request.generation_id || *request.generation_id == run.id;
  const std::int32_t first = all ? 0 : request.slot;
  const std::int32_t end = all ? slots : request.slot + 1;
  for (std::int32_t number = first; number < end; ++number) {
    const auto slot = static_cast<std::size_t>(number);
    // Nobody has taken pieces yet: what is there becomes one.
    if (run.listeners(number).empty()) static_cast<void>(run.stream.take_delta(slot));
    // Without the generation's name the number may be of an earlier one.
    if (!request.generation_id || !same_run || request.after <= run.stream.last_sequence(slot)) continue;
    throw Error(ErrorCode::kInvalidArgument,
                "slot " + std::to_string(number) + " of generation " + std::to_string(run.id) +
                    " has written up to number " + std::to_string(run.stream.last_sequence(slot)) + ", not " +
                    std::to_string(request.after) + "; name the last number that was told, or 0 for the whole text");
  }
  for (std::int32_t slot = first; slot < end; ++slot) {
    reply(snapshot(*host, slot, same_run ? request.after : 0));
  }
  if (!host->running) return;
  run.subscriptions.emplace(origin_.port, request.slot);
  run.wants_flushes = true;
  runtime_.push(*host, run);
}

protocol::GenerationSnapshot Handlers::snapshot(BridgedModel& host, std::int32_t number, std::int64_t after) {
  BridgedRun& run = *host.run;
  const auto slot = static_cast<std::size_t>(number);
  protocol::GenerationSnapshot answer;
  answer.model_id = host.id();
  answer.slot = number;
  answer.generation_id = run.id;
  answer.after = after > 0 && after <= run.stream.last_sequence(slot) ? after : 0;
  host::TextStream::Snapshot part = run.stream.snapshot(slot, answer.after);
  if (runtime_.wants_only_new(origin_.port)) part.leave_out_given();
  answer.sequence = part.sequence;
  answer.text = std::move(part.text);
  answer.tokens = std::move(part.tokens);
  // An end that others have been told already does not come again.
  if (!host.running || run.stream.end_taken(slot)) {
    if (const auto end = run.stream.end(slot)) {
      answer.reason = to_protocol(end->reason);
      if (end->error) {
        answer.error = end->error->what();
        answer.code = to_string(end->error->code());
      }
    }
  }
  return answer;
}

void Handlers::handle(const protocol::RunEvaluation& request) {
  const auto host = model(request.model_id);
  auto score = std::make_shared<Score>();
  later_ = true;
  runtime_.run_job(
      origin_, *host,
      [score, to = &host->model(), request](const CancelToken& cancel) {
        *score = to->score(request.source_text, request.target_text, cancel);
      },
      [score, &runtime = runtime_, origin = origin_](const std::optional<Error>& error) {
        if (error) {
          runtime.reply_error(origin, *error);
        } else {
          runtime.reply(origin, protocol::EvaluationResults{
                                    {score->log_probability}, {score->greedy_matches}, {score->greedy_text}});
        }
        runtime.done(origin);
      });
}

}  // namespace rwkv::bridge
