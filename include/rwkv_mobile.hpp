// rwkv_mobile.h for C++17: objects that release what they own, strings instead of buffers, exceptions instead of codes.
// Header-only; link the library and use this, or the C functions, or both: handle() and id() lead from here to there.
// Only the C functions have callbacks, batches, the likeliest tokens, servers and the settings of single slots. An
// object that was moved from can be assigned to and destroyed; what else is called of it throws.
//
//   rwkv_mobile::Runtime runtime;
//   auto model = runtime.load("model.gguf");
//   model.chat({"What is 47+38?"}, 100);
//   model.wait();
//   std::cout << model.response().text;
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "rwkv_mobile.h"

namespace rwkv_mobile {

/// A call that failed: its RWKV_ERROR bits, and the words of rwkv_ext_last_error.
class Error : public std::runtime_error {
 public:
  Error(int error_bits, const std::string& message) : std::runtime_error(message), bits_(error_bits) {}
  int bits() const noexcept { return bits_; }

 private:
  int bits_;
};

namespace detail {

inline std::string last_error(rwkvmobile_runtime_t runtime) {
  char message[1024] = "";
  rwkv_ext_last_error(runtime, message, sizeof message);
  return message;
}

/// Throws for anything but success.
inline void check(rwkvmobile_runtime_t runtime, int code) {
  if (code == RWKV_SUCCESS) return;
  if (!runtime) throw Error(code, "this object was moved from");
  const std::string message = last_error(runtime);
  throw Error(code, message.empty() ? "error " + std::to_string(code) : message);
}

inline std::vector<const char*> pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> all;
  all.reserve(texts.size());
  for (const std::string& text : texts) all.push_back(text.c_str());
  return all;
}

}  // namespace detail

struct Response {
  std::string text;
  bool eos_found = false;
};

/// How a chat is answered; see rwkvmobile_runtime_eval_chat_with_history_async.
struct ChatOptions {
  bool reasoning = false;
  bool force_reasoning = false;
  int force_lang = FORCE_LANG_NONE;
  bool add_generation_prompt = true;
};

/// A loaded model, released with this object. One that outlives its Runtime, or was released by its id, throws.
class Model {
 public:
  Model(rwkvmobile_runtime_t runtime, int id) noexcept : runtime_(runtime), id_(id) {}
  Model(Model&& other) noexcept : runtime_(std::exchange(other.runtime_, nullptr)), id_(other.id_) {}
  Model& operator=(Model&& other) noexcept {
    std::swap(runtime_, other.runtime_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~Model() {
    if (runtime_) rwkvmobile_runtime_release_model(runtime_, id_);
  }

  rwkvmobile_runtime_t runtime() const noexcept { return runtime_; }
  int id() const noexcept { return id_; }

  void set_sampler(const sampler_params& params) { rwkvmobile_runtime_set_sampler_params(runtime_, id_, params); }
  void set_penalties(const penalty_params& params) { rwkvmobile_runtime_set_penalty_params(runtime_, id_, params); }
  void set_prompt(const std::string& prompt) {
    detail::check(runtime_, rwkvmobile_runtime_set_prompt(runtime_, id_, prompt.c_str()));
  }
  void set_seed(int seed) { detail::check(runtime_, rwkvmobile_runtime_set_seed(runtime_, id_, seed)); }

  /// Starts an answer; messages are user, assistant, user and so on.
  void chat(const std::vector<std::string>& messages, int max_tokens, const ChatOptions& options = {}) {
    std::vector<const char*> inputs = detail::pointers(messages);
    detail::check(runtime_,
                  rwkvmobile_runtime_eval_chat_with_history_async(
                      runtime_, id_, inputs.data(), static_cast<int>(inputs.size()), max_tokens, nullptr,
                      options.reasoning, options.force_reasoning, options.force_lang, options.add_generation_prompt));
  }
  /// Starts a completion that ends after the token `stop_code`.
  void complete(const std::string& prompt, int max_tokens, int stop_code = 0) {
    detail::check(runtime_, rwkvmobile_runtime_gen_completion_async(runtime_, id_, prompt.c_str(), max_tokens,
                                                                    stop_code, nullptr, 0));
  }
  bool generating() const { return rwkvmobile_runtime_is_generating(runtime_, id_) == 1; }
  void stop() { rwkvmobile_runtime_stop_generation(runtime_, id_); }
  /// Until it does not generate. Throws when the generation failed.
  void wait() const {
    while (generating()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (end_reason() == RWKV_END_ERROR) throw Error(RWKV_ERROR_EVAL, detail::last_error(runtime_));
  }
  /// RWKV_END_...
  int end_reason() const { return rwkv_ext_end_reason(runtime_, id_, -1); }

  /// What is written so far.
  Response response() const {
    const response_buffer buffer = rwkvmobile_runtime_get_response_buffer_content(runtime_, id_);
    Response response;
    response.eos_found = buffer.eos_found == 1;
    try {
      if (buffer.content) response.text.assign(buffer.content, static_cast<std::size_t>(buffer.length));
    } catch (...) {
      rwkvmobile_runtime_free_response_buffer(buffer);
      throw;
    }
    rwkvmobile_runtime_free_response_buffer(buffer);
    return response;
  }

  int count_tokens(const std::string& text) const {
    return rwkvmobile_runtime_calculate_tokens_count_from_text(runtime_, id_, text.c_str());
  }
  void save_history(const std::vector<std::string>& history, const std::string& path) {
    std::vector<const char*> messages = detail::pointers(history);
    detail::check(runtime_, rwkvmobile_runtime_save_history_to_state(runtime_, id_, messages.data(),
                                                                     static_cast<int>(messages.size()), path.c_str()));
  }
  void load_history(const std::string& path) {
    detail::check(runtime_, rwkvmobile_runtime_load_history_state_to_memory(runtime_, id_, path.c_str()));
  }
  void load_initial_state(const std::string& path) {
    detail::check(runtime_, rwkvmobile_runtime_load_initial_state(runtime_, id_, path.c_str()));
  }
  /// See rwkv_ext_set_state_cache_limit and rwkv_ext_set_state_folder.
  void set_state_cache_limit(std::int64_t bytes) {
    detail::check(runtime_, rwkv_ext_set_state_cache_limit(runtime_, id_, bytes));
  }
  void set_state_folder(const std::string& folder, std::int64_t bytes) {
    detail::check(runtime_, rwkv_ext_set_state_folder(runtime_, id_, folder.c_str(), bytes));
  }
  void unload_initial_state(const std::string& path) {
    rwkvmobile_runtime_unload_initial_state(runtime_, id_, path.c_str());
  }

 private:
  rwkvmobile_runtime_t runtime_;
  int id_;
};

/// A runtime, released with this object.
class Runtime {
 public:
  Runtime() : handle_(rwkvmobile_runtime_init()) {
    if (!handle_) throw Error(RWKV_ERROR_ALLOC, "there is no memory for a runtime");
  }
  Runtime(Runtime&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Runtime& operator=(Runtime&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Runtime() {
    if (handle_) rwkvmobile_runtime_release(handle_);
  }

  rwkvmobile_runtime_t handle() const noexcept { return handle_; }

  /// Blocks. An empty backend (or "auto") is found from the file, an empty vocabulary is the file's own.
  Model load(const std::string& model_path, const std::string& backend = "", const std::string& vocabulary_path = "") {
    const int id = rwkvmobile_runtime_load_model(handle_, model_path.c_str(), backend.c_str(), vocabulary_path.c_str());
    if (id < 0) detail::check(handle_, -id);
    return Model(handle_, id);
  }

  /// See rwkv_ext_set_stand_in.
  void set_stand_in(bool allowed) { detail::check(handle_, rwkv_ext_set_stand_in(handle_, allowed ? 1 : 0)); }

  /// See rwkv_ext_set_memory_budget and its neighbours.
  void set_memory_budget(std::int64_t bytes) { detail::check(handle_, rwkv_ext_set_memory_budget(handle_, bytes)); }
  void release_memory(int pressure) { detail::check(handle_, rwkv_ext_release_memory(handle_, pressure)); }
  std::int64_t memory_in_use() const { return rwkv_ext_memory_in_use(handle_); }

 private:
  rwkvmobile_runtime_t handle_;
};

}  // namespace rwkv_mobile
