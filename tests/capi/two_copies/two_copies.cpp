// A program with its own copy of ggml opens the library with RTLD_LOCAL, after a library that usurps ggml's names with
// RTLD_GLOBAL. Both copies answer, in turn. Arguments: the library, the usurper.
#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>

#include "runtime/language_model.h"
#include "rwkv_mobile.h"

namespace {

constexpr const char* kModel = RWKV_SOURCE_DIR "/models/tiny/rwkv7-tiny.gguf";
constexpr const char* kQuestion = "What is 47+38?";

void* open(const char* path, int flags) {
  void* library = dlopen(path, flags);
  if (!library) throw std::runtime_error(dlerror());
  return library;
}

template <class Function>
Function* find(void* library, const char* name, Function*) {
  void* symbol = dlsym(library, name);
  if (!symbol) throw std::runtime_error(dlerror());
  return reinterpret_cast<Function*>(symbol);
}
#define CALL(name) find(library, #name, &name)

std::string own_answer(rwkv::LanguageModel& model) {
  rwkv::GenerationOptions options;
  options.sampler.top_k = 1;
  options.penalties = {0, 0, 0};
  const std::vector<rwkv::ChatMessage> messages{{"user", kQuestion}};
  return model.generate(model.chat_prompt({}, messages, true, false), options, {}, rwkv::CancelToken()).text;
}

std::string library_answer(void* library, rwkvmobile_runtime_t runtime) {
  const char* messages[] = {kQuestion};
  CALL(rwkvmobile_runtime_eval_chat_with_history_async)(runtime, 0, messages, 1, 50, nullptr, 0, 0, 0, 1);
  while (CALL(rwkvmobile_runtime_is_generating)(runtime, 0)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const response_buffer buffer = CALL(rwkvmobile_runtime_get_response_buffer_content)(runtime, 0);
  std::string text(buffer.content, static_cast<std::size_t>(buffer.length));
  CALL(rwkvmobile_runtime_free_response_buffer)(buffer);
  return text;
}

bool expect(const std::string& answer, const char* whose) {
  if (answer == "85") return true;
  std::printf("%s answer is '%s'\n", whose, answer.c_str());
  return false;
}

bool run(char** paths) {
  open(paths[1], RTLD_NOW | RTLD_GLOBAL);
  rwkv::ModelRequest request;
  request.model_path = kModel;
  const auto own = rwkv::LanguageModel::load(request);
  void* library = open(paths[0], RTLD_NOW | RTLD_LOCAL);
  const rwkvmobile_runtime_t runtime = CALL(rwkvmobile_runtime_init)();
  if (CALL(rwkvmobile_runtime_load_model)(runtime, kModel, "llama.cpp", "") != 0) return false;
  const sampler_params greedy{1, 1, 1};
  CALL(rwkvmobile_runtime_set_sampler_params)(runtime, 0, greedy);
  bool right = true;
  for (int i = 0; i < 3; ++i) {
    right = expect(own_answer(*own), "the program's") && right;
    right = expect(library_answer(library, runtime), "the library's") && right;
  }
  return CALL(rwkvmobile_runtime_release)(runtime) == 0 && right;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return count == 3 && run(arguments + 1) ? 0 : 1;
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return 1;
  }
}
