// rwkv_mobile.h: states and evaluation.
#include <string>
#include <utility>
#include <vector>

#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/memory.h"
#include "host/generate.h"
#include "runtime/cache_text.h"
#include "text/utf8.h"

using namespace rwkv::capi;

int rwkvmobile_runtime_clear_state(rwkvmobile_runtime_t runtime, int model_id) {
  return with_model(runtime, model_id, RWKV_SUCCESS, [](AbiModel& model) { model.clear_live_state(); });
}

int rwkvmobile_runtime_load_initial_state(rwkvmobile_runtime_t runtime, int model_id, const char* state_path) {
  if (!state_path) return kBadArgument;
  return with_model(runtime, model_id, [&](AbiModel& model) { model.model().load_initial_state(state_path); });
}

void rwkvmobile_runtime_unload_initial_state(rwkvmobile_runtime_t runtime, int model_id, const char* state_path) {
  if (!state_path) return;
  with_model(runtime, model_id, [&](AbiModel& model) { model.model().unload_initial_state(state_path); });
}

int rwkvmobile_runtime_save_history_to_state(rwkvmobile_runtime_t runtime, int model_id, const char** history,
                                             const int num_history, const char* state_path) {
  if (!history || num_history <= 0 || !state_path) return kBadArgument;
  return with_model(runtime, model_id, [&](AbiModel& model) -> int {
    auto messages = copy_texts(history, num_history);
    if (!messages) return kBadArgument;
    rwkv::LanguageModel& of = model.model();
    const rwkv::ChatFormat format = model.settings()->chat_format();
    const rwkv::Prompt prompt = rwkv::host::conversation_prompt(model, format, *std::move(messages));
    const std::string path = state_path;
    model.evaluate(AbiModel::Kind::kEvaluation, [&](const rwkv::CancelToken& cancel) {
      of.encode_media(prompt, true, cancel, [](float) {});
      of.save_state(path, prompt, rwkv::StateType::kF32, cancel);
    });
    return RWKV_SUCCESS;
  });
}

int rwkvmobile_runtime_load_history_state_to_memory(rwkvmobile_runtime_t runtime, int model_id,
                                                    const char* state_path) {
  if (!state_path) return kBadArgument;
  return with_model(runtime, model_id, [&](AbiModel& model) {
    const std::string path = state_path;
    model.evaluate(AbiModel::Kind::kEvaluation, [&](const rwkv::CancelToken&) { model.model().load_state(path); });
  });
}

const char* rwkvmobile_get_state_cache_info(rwkvmobile_runtime_t runtime, int model_id) {
  return read_runtime<const char*>(runtime, nullptr, [&](AbiHost& of) {
    const auto model = of.find(model_id);
    return copy_text(model ? rwkv::describe_cache(model->model()) : "");
  });
}

void rwkvmobile_free_state_cache_info(const char* state_cache_info) { release(state_cache_info); }

evaluation_results rwkvmobile_runtime_run_evaluation(rwkvmobile_runtime_t runtime, int model_id,
                                                     const char* source_text, const char* target_text) {
  if (!source_text || !target_text) return {};
  evaluation_results results{};
  const int error = with_model(runtime, model_id, [&](AbiModel& model) {
    rwkv::Score score;
    const std::string source = source_text;
    const std::string target = target_text;
    model.evaluate(AbiModel::Kind::kEvaluation,
                   [&](const rwkv::CancelToken& cancel) { score = model.model().score(source, target, cancel); });
    results.corrects = zeros<std::int32_t>(1);
    results.logits_vals = zeros<float>(1);
    results.output_texts = zeros<char*>(1);
    results.count = 1;
    results.corrects[0] = score.greedy_matches ? 1 : 0;
    results.logits_vals[0] = static_cast<float>(score.log_probability);
    results.output_texts[0] = copy_text(rwkv::to_valid_utf8(score.greedy_text));
  });
  if (error == RWKV_SUCCESS) return results;
  rwkvmobile_runtime_free_evaluation_results(results);
  return {};
}

void rwkvmobile_runtime_free_evaluation_results(evaluation_results results) {
  for (int i = 0; results.output_texts && i < results.count; ++i) release(results.output_texts[i]);
  release(results.output_texts);
  release(results.corrects);
  release(results.logits_vals);
}
