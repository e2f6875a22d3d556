#include "scenarios.h"

#include <semaphore.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "rwkv_bridge.h"
#include "rwkv_mobile.h"

namespace {

constexpr const char* kQuestion = "What is 47+38?";
constexpr std::string_view kAnswer = "85";

Outcome chat_once(rwkvmobile_runtime_t runtime, int model) {
  const char* messages[] = {kQuestion};
  rwkvmobile_runtime_set_sampler_params(runtime, model, {1, 1, 1});
  rwkvmobile_runtime_set_penalty_params(runtime, model, {0, 0, 0});
  // They cannot say that they failed.
  if (rwkvmobile_runtime_get_sampler_params(runtime, model).top_k != 1) return Outcome::kError;
  if (rwkvmobile_runtime_get_penalty_params(runtime, model).presence_penalty != 0) return Outcome::kError;
  if (rwkvmobile_runtime_eval_chat_with_history_async(runtime, model, messages, 1, 50, nullptr, 0, 0, 0, 1) != 0) {
    return Outcome::kError;
  }
  while (rwkvmobile_runtime_is_generating(runtime, model) == 1) usleep(500);
  if (rwkv_ext_end_reason(runtime, model, -1) == RWKV_END_ERROR) return Outcome::kError;
  const response_buffer buffer = rwkvmobile_runtime_get_response_buffer_content(runtime, model);
  if (buffer.content == nullptr) return Outcome::kError;
  const bool right = kAnswer == buffer.content;
  rwkvmobile_runtime_free_response_buffer(buffer);
  return right ? Outcome::kAnswered : Outcome::kWrongAnswer;
}

// The second of them ends first, so that the third takes its place in the engine.
constexpr const char* kQuestions[] = {"Hello", "What is the capital of France?", "Spell the word house."};
constexpr std::string_view kAnswers[] = {"Hello! How can I help you?", "Paris.", "esuoh"};

Outcome chat_in_batch(rwkvmobile_runtime_t runtime, int model) {
  const char** conversations[] = {const_cast<const char**>(&kQuestions[0]), const_cast<const char**>(&kQuestions[1]),
                                  const_cast<const char**>(&kQuestions[2])};
  const int lengths[] = {1, 1, 1};
  rwkvmobile_runtime_set_sampler_params(runtime, model, {1, 1, 1});
  rwkvmobile_runtime_set_penalty_params(runtime, model, {0, 0, 0});
  for (int slot = 0; slot < 3; ++slot) {
    if (rwkvmobile_runtime_get_sampler_params_on_batch_slot(runtime, model, slot).top_k != 1) return Outcome::kError;
    if (rwkvmobile_runtime_get_penalty_params_on_batch_slot(runtime, model, slot).presence_penalty != 0) {
      return Outcome::kError;
    }
  }
  if (rwkvmobile_runtime_eval_chat_batch_with_history_async(runtime, model, conversations, lengths, 3, 50, nullptr, 0,
                                                            0, 0, 1) != 0) {
    return Outcome::kError;
  }
  while (rwkvmobile_runtime_is_generating(runtime, model) == 1) usleep(500);
  for (int slot = 0; slot < 3; ++slot) {
    if (rwkv_ext_end_reason(runtime, model, slot) == RWKV_END_ERROR) return Outcome::kError;
  }
  const response_buffer_batch buffer = rwkvmobile_runtime_get_response_buffer_content_batch(runtime, model);
  if (buffer.contents == nullptr) return Outcome::kError;
  bool right = buffer.batch_size == 3;
  for (int slot = 0; slot < buffer.batch_size; ++slot) {
    const std::string_view text = buffer.contents[slot];
    right = right && kAnswers[slot] == text.substr(std::min(text.find_first_not_of(' '), text.size()));
  }
  rwkvmobile_runtime_free_response_buffer_batch(buffer);
  return right ? Outcome::kAnswered : Outcome::kWrongAnswer;
}

// What the callback keeps of what came; it must not allocate.
struct Heard {
  sem_t load_ended, run_ended, released;
  std::atomic<bool> error{false};
  char text[64] = {};
  std::size_t length = 0;

  Heard() {
    sem_init(&load_ended, 0, 0);
    sem_init(&run_ended, 0, 0);
    sem_init(&released, 0, 0);
  }
};

// The text of a delta that has no escapes.
void take_text(Heard& heard, std::string_view message) {
  constexpr std::string_view kKey = "\"text\":\"";
  const std::size_t begin = message.find(kKey);
  if (begin == std::string_view::npos) return;
  const std::string_view rest = message.substr(begin + kKey.size());
  for (const char c : rest.substr(0, rest.find('"'))) {
    if (heard.length + 1 < sizeof heard.text) heard.text[heard.length++] = c;
  }
}

void hear(const char* json, std::size_t length, void* user_data) {
  Heard& heard = *static_cast<Heard*>(user_data);
  const std::string_view message(json, length);
  const auto has = [&](std::string_view part) { return message.find(part) != std::string_view::npos; };
  const bool error = has("\"code\":\"");
  if (error) heard.error = true;
  if (has("\"GenerationDelta\"")) take_text(heard, message);
  const bool plain = has("\"Error\"");
  if (has("\"requestId\":1,") && (plain || has("\"loaded\"") || has("\"failedInLoading\"")))
    sem_post(&heard.load_ended);
  if (has("\"requestId\":2,") && (plain || has("\"GenerationEnd\""))) sem_post(&heard.run_ended);
  if (has("\"requestId\":3,") && (plain || has("\"released\"") || has("\"failedInReleasing\""))) {
    sem_post(&heard.released);
  }
}

bool send(rwkv_bridge_port port, const char* text) { return rwkv_bridge_send(port, text, std::strlen(text)) == 0; }

void ask(rwkv_bridge_port port, const char* model, Heard& heard) {
  char load[1024];
  std::snprintf(load, sizeof load,
                R"({"type":"LoadRWKVModel","requestId":1,"modelPath":"%s","backend":"llama.cpp","tokenizerPath":""})",
                model);
  if (!send(port, load))
    heard.error = true;
  else
    sem_wait(&heard.load_ended);
  if (heard.error) return;
  if (!send(port, R"({"type":"SetSamplerParams","temperature":1,"topK":1,"topP":1,"presencePenalty":0,)"
                  R"("frequencyPenalty":0,"penaltyDecay":0,"modelID":0})") ||
      !send(port, R"({"type":"ChatAsync","requestId":2,"modelID":0,"messages":["What is 47+38?"],)"
                  R"("enableReasoning":false,"forceReasoning":false,"addGenerationPrompt":true})")) {
    heard.error = true;
    return;
  }
  sem_wait(&heard.run_ended);
  if (!send(port, R"({"type":"ReleaseRWKVModel","requestId":3,"modelID":0})"))
    heard.error = true;
  else
    sem_wait(&heard.released);
}

template <class Chat>
Outcome through_runtime(const char* model, const char* backend, const Chat& chat) {
  const rwkvmobile_runtime_t runtime = rwkvmobile_runtime_init();
  if (runtime == nullptr) return Outcome::kError;
  const int id = rwkvmobile_runtime_load_model(runtime, model, backend, "");
  Outcome outcome = id < 0 ? Outcome::kError : chat(runtime, id);
  if (id >= 0 && rwkvmobile_runtime_release_model(runtime, id) != 0) outcome = Outcome::kError;
  while (rwkvmobile_runtime_release(runtime) == RWKV_ERROR_ALLOC) outcome = Outcome::kError;
  return outcome;
}

}  // namespace

Outcome through_c_abi(const char* model) { return through_runtime(model, "llama.cpp", chat_once); }

Outcome through_c_abi_in_batch(const char* model) { return through_runtime(model, "llama.cpp", chat_in_batch); }

Outcome with_our_engine(const char* model) { return through_runtime(model, "native", chat_in_batch); }

Outcome through_bridge(const char* model) {
  Heard heard;
  const rwkv_bridge_port port = rwkv_bridge_open("lack", R"({"push": true})", hear, &heard);
  if (port < 0) return Outcome::kError;
  ask(port, model, heard);
  while (rwkv_bridge_close(port, 1) == RWKV_BRIDGE_NO_MEMORY) heard.error = true;
  if (heard.error) return Outcome::kError;
  return kAnswer == std::string_view(heard.text, heard.length) ? Outcome::kAnswered : Outcome::kWrongAnswer;
}

long live_objects() { return static_cast<long>(rwkv_ext_live_objects() + rwkv_bridge_live_objects()); }
