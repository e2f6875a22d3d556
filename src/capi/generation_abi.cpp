// rwkv_mobile.h: generations are started, watched and stopped.
#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "capi/arguments.h"
#include "capi/callbacks.h"
#include "capi/force_lang.h"
#include "capi/guard.h"
#include "capi/memory.h"
#include "host/generate.h"
#include "runtime/largest_logits.h"
#include "text/utf8.h"

using namespace rwkv::capi;
using rwkv::GenerationOptions;
using rwkv::host::Conversation;

namespace {

constexpr int kMostTokens = 1 << 20;  // for one eval_logits
constexpr int kBatchTooLarge = RWKV_ERROR_RUNTIME | RWKV_ERROR_UNSUPPORTED;

struct Generation {
  AbiModel::Buffer buffer = AbiModel::Buffer::kSingle;
  std::shared_ptr<rwkv::host::Run> run;
  rwkv::host::MakeTasks make_tasks;
  Callbacks callbacks;
  std::vector<std::string> begun_texts;  // one a slot
};

bool is_batch_size(const AbiModel& model, int size) {
  const std::vector<int>& sizes = model.model().info().batch_sizes;
  return std::find(sizes.begin(), sizes.end(), size) != sizes.end();
}

// What fails is the runtime's last error.
void generate(AbiHost& runtime, AbiModel& model, const Generation& generation) {
  rwkv::host::Run& run = *generation.run;
  const auto end = submit_into(generation.run, model.model(), generation.make_tasks, nullptr);
  if (generation.callbacks.any()) {
    try {
      tell_steps(run, generation.callbacks, generation.begun_texts);
    } catch (...) {
      run.stream.finish(rwkv::EndReason::kError,
                        rwkv::Error(rwkv::ErrorCode::kInternal, "the client's callback threw an exception"));
      run.cancel.cancel();
    }
  }
  end.wait();
  for (std::size_t slot = 0; slot < run.stream.slots(); ++slot) {
    const auto failed = run.stream.end(slot);
    if (!failed || !failed->error) continue;
    rwkv::log::error(failed->error->what());
    runtime.note_error(failed->error->what());
  }
}

int start(AbiHost& runtime, AbiModel& model, Generation generation) {
  const AbiModel::Buffer buffer = generation.buffer;
  const auto run = generation.run;
  // The runtime outlives its models' threads: it is released after them.
  model.start(buffer, run,
              [&runtime, &model, generation = std::move(generation)] { generate(runtime, model, generation); });
  return RWKV_SUCCESS;
}

Generation chat(AbiModel& model, std::vector<Conversation> conversations, int max_tokens, const Callbacks& callbacks) {
  Generation generation;
  generation.callbacks = callbacks;
  const std::size_t slots = conversations.size();
  generation.run = std::make_shared<rwkv::host::Run>(slots, callbacks.any());
  generation.begun_texts.resize(slots);
  const auto settings = model.settings();
  generation.make_tasks = [&of = model, run = generation.run, format = settings->chat_format(),
                           conversations = std::move(conversations),
                           options = options_for_run(*settings, slots, max_tokens)] {
    return chat_tasks(of, format, conversations, options, run->stream);
  };
  return generation;
}

Generation completion(AbiModel& model, std::vector<std::string> prompts, int max_tokens, int stop_code,
                      int disable_cache, const Callbacks& callbacks) {
  Generation generation;
  generation.callbacks = callbacks;
  generation.run = std::make_shared<rwkv::host::Run>(prompts.size(), callbacks.any());
  generation.begun_texts = prompts;
  // At once, so that who stops it before it has begun finds the prompt.
  for (std::size_t slot = 0; slot < prompts.size(); ++slot) generation.run->stream.start(slot, prompts[slot], {});
  std::vector<GenerationOptions> options = options_for_run(*model.settings(), prompts.size(), max_tokens);
  for (GenerationOptions& each : options) {
    each.stop_token = stop_code;
    each.use_cache = disable_cache == 0;
  }
  generation.make_tasks = [&of = model.model(), run = generation.run, prompts = std::move(prompts),
                           options = std::move(options)] {
    return completion_tasks(of, prompts, options, run->stream);
  };
  return generation;
}

// Finds model and runtime together: what is started needs both.
template <class Call>
int with_both(rwkvmobile_runtime_t handle, int model_id, const Call& call) noexcept {
  return with_runtime(handle, [&](AbiHost& runtime) {
    const auto model = runtime.find(model_id);
    return model ? call(runtime, *model) : kNoSuchModel;
  });
}

}  // namespace

int rwkvmobile_runtime_eval_chat_with_history_async(rwkvmobile_runtime_t runtime, int model_id, const char** inputs,
                                                    const int num_inputs, const int max_tokens,
                                                    rwkvmobile_on_token callback, int enable_reasoning,
                                                    int force_reasoning, int force_lang, int add_generation_prompt) {
  if (!inputs || num_inputs <= 0 || max_tokens < 0) return kBadArgument;
  return with_both(runtime, model_id, [&](AbiHost& of, AbiModel& model) -> int {
    auto messages = copy_texts(inputs, num_inputs);
    if (!messages) return kBadArgument;
    std::vector<Conversation> conversations{{std::move(*messages), enable_reasoning != 0, force_reasoning != 0,
                                             add_generation_prompt != 0, language_of(force_lang)}};
    return start(of, model, chat(model, std::move(conversations), max_tokens, {callback, nullptr}));
  });
}

int rwkvmobile_runtime_eval_chat_batch_with_history_async(rwkvmobile_runtime_t runtime, int model_id,
                                                          const char*** inputs, const int* num_inputs,
                                                          const int batch_size, const int max_tokens,
                                                          rwkvmobile_on_batch_tokens callback_batch,
                                                          int enable_reasoning, int force_reasoning,
                                                          rwkvmobile_force_lang force_lang, int add_generation_prompt) {
  if (!inputs || !num_inputs || batch_size <= 0 || max_tokens < 0) return kBadArgument;
  return with_both(runtime, model_id, [&](AbiHost& of, AbiModel& model) -> int {
    if (!is_batch_size(model, batch_size)) return kBatchTooLarge;
    const auto slots = static_cast<std::size_t>(batch_size);
    const auto languages = languages_of(force_lang, slots);
    std::vector<Conversation> conversations;
    for (std::size_t slot = 0; slot < slots; ++slot) {
      auto messages = copy_texts(inputs[slot], num_inputs[slot]);
      if (!messages) return kBadArgument;
      conversations.push_back({std::move(*messages), enable_reasoning != 0, force_reasoning != 0,
                               add_generation_prompt != 0, languages[slot]});
    }
    Generation generation = chat(model, std::move(conversations), max_tokens, {nullptr, callback_batch});
    generation.buffer = AbiModel::Buffer::kBatch;
    return start(of, model, std::move(generation));
  });
}

supported_batch_sizes rwkvmobile_runtime_get_supported_batch_sizes(rwkvmobile_runtime_t runtime, int model_id) {
  return read_model(runtime, model_id, supported_batch_sizes{}, [](const AbiModel& model) {
    const std::vector<int>& sizes = model.model().info().batch_sizes;
    return supported_batch_sizes{copy_array(std::span(sizes)), static_cast<int>(sizes.size())};
  });
}

void rwkvmobile_runtime_free_supported_batch_sizes(supported_batch_sizes sizes) { release(sizes.sizes); }

int rwkvmobile_runtime_gen_completion_async(rwkvmobile_runtime_t runtime, int model_id, const char* prompt,
                                            const int max_tokens, const int stop_code, rwkvmobile_on_token callback,
                                            int disable_cache) {
  if (!prompt || max_tokens < 0) return kBadArgument;
  return with_both(runtime, model_id, [&](AbiHost& of, AbiModel& model) {
    return start(of, model, completion(model, {prompt}, max_tokens, stop_code, disable_cache, {callback, nullptr}));
  });
}

int rwkvmobile_runtime_gen_completion_batch_async(rwkvmobile_runtime_t runtime, int model_id, const char** prompts,
                                                  const int batch_size, const int max_tokens, const int stop_code,
                                                  rwkvmobile_on_batch_tokens callback_batch, int disable_cache) {
  if (!prompts || batch_size <= 0 || max_tokens < 0) return kBadArgument;
  return with_both(runtime, model_id, [&](AbiHost& of, AbiModel& model) -> int {
    if (!is_batch_size(model, batch_size)) return kBatchTooLarge;
    auto texts = copy_texts(prompts, batch_size);
    if (!texts) return kBadArgument;
    Generation generation =
        completion(model, std::move(*texts), max_tokens, stop_code, disable_cache, {nullptr, callback_batch});
    generation.buffer = AbiModel::Buffer::kBatch;
    return start(of, model, std::move(generation));
  });
}

int rwkvmobile_runtime_gen_completion(rwkvmobile_runtime_t runtime, int model_id, const char* prompt,
                                      const int max_tokens, const int stop_code, rwkvmobile_on_token callback,
                                      int disable_cache) {
  if (!prompt || !callback || max_tokens < 0) return kBadArgument;
  return with_both(runtime, model_id, [&](AbiHost& of, AbiModel& model) -> int {
    const Generation generation =
        completion(model, {prompt}, max_tokens, stop_code, disable_cache, {callback, nullptr});
    model.run_here(generation.buffer, generation.run, [&] { generate(of, model, generation); });
    const auto end = generation.run->stream.end(0);
    return end && end->reason == rwkv::EndReason::kError ? RWKV_ERROR_EVAL : RWKV_SUCCESS;
  });
}

const char** rwkvmobile_runtime_gen_completion_singletoken_topk(rwkvmobile_runtime_t runtime, int model_id,
                                                                const char* prompt, const int top_k) {
  if (!prompt || top_k <= 0) return nullptr;
  const char** result = nullptr;
  with_both(runtime, model_id, [&](AbiHost& of, AbiModel& model) -> int {
    if (top_k > model.model().info().vocabulary) return kNoSuchModel;
    std::vector<float> logits;
    const std::string text = prompt;
    model.evaluate(AbiModel::Kind::kGeneration,
                   [&](const rwkv::CancelToken& cancel) { logits = model.model().logits_of_draft(text, cancel); });
    AbiHost::TopTokens tokens;
    for (const rwkv::TokenId id : rwkv::largest_logits(logits, static_cast<std::size_t>(top_k))) {
      tokens.texts.push_back(rwkv::to_valid_utf8(model.model().tokenizer().bytes(id)));
    }
    for (const std::string& each : tokens.texts) tokens.pointers.push_back(each.c_str());
    result = of.top_tokens.keep(std::move(tokens)).pointers.data();
    return RWKV_SUCCESS;
  });
  return result;
}

int rwkvmobile_runtime_eval_logits(rwkvmobile_runtime_t runtime, int model_id, const int* ids, int ids_len,
                                   float* logits, int logits_len) {
  if (!ids || ids_len <= 0 || ids_len > kMostTokens || !logits || logits_len <= 0) return kBadArgument;
  return with_model(runtime, model_id, [&](AbiModel& model) {
    const rwkv::Tokens tokens(ids, ids + ids_len);
    const std::vector<float> all = model.advance_live_state(tokens);
    std::copy_n(all.begin(), std::min(all.size(), static_cast<std::size_t>(logits_len)), logits);
  });
}

int rwkvmobile_runtime_stop_generation(rwkvmobile_runtime_t runtime, int model_id) {
  return with_model(runtime, model_id, RWKV_SUCCESS, [](AbiModel& model) { model.cancel_uses(); });
}

int rwkvmobile_runtime_is_generating(rwkvmobile_runtime_t runtime, int model_id) {
  return with_model(runtime, model_id, 0, [](const AbiModel& model) { return model.generating() ? 1 : 0; });
}

float rwkvmobile_runtime_get_prefill_progress(rwkvmobile_runtime_t runtime, int model_id) {
  return read_model(runtime, model_id, 0.0f, [](const AbiModel& model) {
    const auto run = model.latest_run();
    return run ? static_cast<float>(std::clamp(run->stream.prefill_progress(), 0.0, 1.0)) : 0.0f;
  });
}

double rwkvmobile_runtime_get_avg_decode_speed(rwkvmobile_runtime_t runtime, int model_id) {
  return read_model(runtime, model_id, 0.0,
                    [](const AbiModel& model) { return model.model().speeds().decode_speed(); });
}

double rwkvmobile_runtime_get_avg_prefill_speed(rwkvmobile_runtime_t runtime, int model_id) {
  return read_model(runtime, model_id, 0.0,
                    [](const AbiModel& model) { return model.model().speeds().prefill_speed(); });
}
