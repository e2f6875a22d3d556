#include <cstdio>

#include "runtime/language_model.h"

int main(int, char** argv) {
  rwkv::ModelRequest request;
  request.model_path = argv[1];
  const auto model = rwkv::LanguageModel::load(request);

  const std::vector<rwkv::ChatMessage> messages{{"user", "What is 47+38?"}};
  rwkv::GenerationOptions options;
  options.sampler.top_k = 1;  // greedy
  options.penalties = {0, 0, 0};
  const auto answer = model->generate(model->chat_prompt({}, messages, true, false), options, {}, rwkv::CancelToken());
  std::printf("%s (%s)\n", answer.text.c_str(), std::string(rwkv::to_string(answer.reason)).c_str());
}
