// rwkv bench: how fast a model reads and writes here.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "options.h"
#include "terminal.h"

namespace rwkv::cli {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

struct BenchCommand {
  ModelOptions model_options;
  int prompt_tokens = 512;
  int generated_tokens = 128;
  int runs = 5;
  bool json = false;

  void run() const {
    const std::unique_ptr<LanguageModel> model = model_options.load();
    // Any tokens do; spread over the vocabulary so that embedding rows are not all the same.
    Prompt prompt;
    prompt.chat = false;
    for (int i = 0; i < prompt_tokens; ++i) prompt.tokens.push_back(1 + i * 7919 % (model->info().vocabulary - 1));
    GenerationOptions options;
    options.max_tokens = generated_tokens;
    options.use_cache = false;
    options.seed = 1;
    std::vector<double> prefill;
    std::vector<double> decode;
    std::vector<double> first_token;
    for (int i = 0; i <= runs; ++i) {  // the first run warms up
      const GenerationResult result = model->generate(prompt, options, {}, interrupt());
      if (result.error) throw *result.error;
      if (result.reason == EndReason::kCancelled) throw Error(ErrorCode::kCancelled, "interrupted");
      if (i == 0) continue;
      prefill.push_back(result.prefill_speed());
      decode.push_back(result.decode_speed());
      first_token.push_back(result.prefill_seconds * 1000);
    }
    if (json) {
      print_json({{"model", model->info().name},
                  {"threads", model->info().threads},
                  {"promptTokens", prompt_tokens},
                  {"generatedTokens", generated_tokens},
                  {"runs", runs},
                  {"prefillSpeed", median(prefill)},
                  {"decodeSpeed", median(decode)},
                  {"firstTokenMilliseconds", median(first_token)}});
      return;
    }
    std::printf("%s, %d threads, medians of %d runs\n", printable(model->info().name).c_str(), model->info().threads,
                runs);
    std::printf("prefill      %10.1f tokens/s (%d tokens)\n", median(prefill), prompt_tokens);
    std::printf("decode       %10.1f tokens/s (%d tokens)\n", median(decode), generated_tokens);
    std::printf("first token  %10.2f ms\n", median(first_token));
  }
};

}  // namespace

void add_bench(CLI::App& app) {
  auto command = std::make_shared<BenchCommand>();
  CLI::App* sub = app.add_subcommand("bench", "Measure prefill and decode speed");
  command->model_options.add_to(*sub);
  sub->add_option("-p,--prompt-tokens", command->prompt_tokens, "Length of the prompt")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000000));
  sub->add_option("-n,--tokens", command->generated_tokens, "Tokens to write")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000000));
  sub->add_option("-r,--runs", command->runs, "Measured runs")->capture_default_str()->check(CLI::Range(1, 1000));
  sub->add_flag("--json", command->json, "Print a line of JSON");
  sub->callback([command] { command->run(); });
}

}  // namespace rwkv::cli
