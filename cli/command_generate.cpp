// rwkv generate: continue a text.
#include <memory>

#include "answer.h"
#include "options.h"
#include "terminal.h"

namespace rwkv::cli {
namespace {

struct GenerateCommand {
  ModelOptions model_options;
  SamplingOptions sampling;
  std::string prompt;
  CLI::Option* prompt_option = nullptr;
  std::vector<std::string> stops;
  int max_tokens = 256;
  int stop_token = kEndOfText;
  bool json = false;
  bool quiet = false;

  void run() {
    if (prompt_option->count() == 0) {
      if (stdin_is_terminal()) {
        throw Error(ErrorCode::kInvalidArgument, "give the text to continue with -p, or pipe it in");
      }
      prompt = "-";
    }
    prompt = given_text(prompt);
    const std::unique_ptr<LanguageModel> model = model_options.load();
    GenerationOptions options;
    sampling.apply(options);
    options.max_tokens = max_tokens;
    options.stops = stops;
    options.stop_token = stop_token;
    const GenerationResult result = answer(*model, model->completion_prompt(prompt), options, json);
    if (json) {
      print_json(to_json(result));
    } else if (!quiet) {
      print_speeds(result);
    }
    if (result.reason == EndReason::kCancelled) result_code() = kExitInterrupted;
  }
};

}  // namespace

void add_generate(CLI::App& app) {
  auto command = std::make_shared<GenerateCommand>();
  CLI::App* sub = app.add_subcommand("generate", "Continue a text");
  command->model_options.add_to(*sub);
  const std::string about = "Text to continue, where `<EOD>` stands for token 0; without it, all of standard input";
  command->prompt_option = sub->add_option("-p,--prompt", command->prompt, about + kTextRule);
  sub->add_option("-n,--max-tokens", command->max_tokens, "Tokens to write at most")
      ->capture_default_str()
      ->check(at_least(0));
  sub->add_option("--stop", command->stops, "Text that ends the answer; may be given several times");
  sub->add_option("--stop-token", command->stop_token, "Token that ends the answer")->capture_default_str();
  command->sampling.add_to(*sub);
  sub->add_flag("--json", command->json, "Print a line of JSON");
  sub->add_flag("-q,--quiet", command->quiet, "No speeds");
  sub->callback([command] { command->run(); });
}

}  // namespace rwkv::cli
