// rwkv listen: recordings are understood, one after the other.
#include <cstdio>
#include <memory>

#include "answer.h"
#include "options.h"
#include "senses_options.h"
#include "terminal.h"

namespace rwkv::cli {
namespace {

struct ListenCommand {
  ModelOptions model_options;
  SensesOptions senses_options;
  SamplingOptions sampling;
  ChatFormat format;
  std::vector<std::string> files;
  std::string question;
  int max_tokens = kDefaultMaxTokens;
  bool json = false;
  bool quiet = false;

  // What is heard stands before the conversation; without a question the model goes on from it alone.
  Prompt prompt_of(const LanguageModel& model, std::shared_ptr<const Embeddings> heard) const {
    const std::string mark(1, kMediaMark);
    if (question.empty()) {
      const std::vector<std::shared_ptr<const Embeddings>> media{std::move(heard)};
      return model.prompts().completion(mark, media);
    }
    ChatFormat used = format;
    used.prompt = mark;
    used.prompt_media = {std::move(heard)};
    const std::vector<ChatMessage> messages{{"user", question, {}}};
    return model.chat_prompt(used, messages, true, false);
  }

  void run() {
    question = given_text(question);
    GenerationOptions options;
    sampling.apply(options);
    options.max_tokens = max_tokens;
    const std::unique_ptr<LanguageModel> model = model_options.load();
    host::Senses senses(std::make_shared<host::SharedMedia>(), model->info().width);
    senses_options.attach_to(senses, nullptr);
    for (const std::string& file : files) {
      if (!json && files.size() > 1) std::printf("%s: ", file.c_str());
      const auto heard = senses.perceive(EncoderInfo::Takes::kSound, {file, {}});
      const GenerationResult result = answer(*model, prompt_of(*model, heard), options, json);
      if (json) {
        Json line = to_json(result);
        line["file"] = file;
        print_json(line);
      } else if (!quiet) {
        print_speeds(result);
      }
      if (!interrupt().cancelled()) continue;
      result_code() = kExitInterrupted;
      return;
    }
  }
};

}  // namespace

void add_listen(CLI::App& app) {
  auto command = std::make_shared<ListenCommand>();
  CLI::App* sub = app.add_subcommand("listen", "Understand recordings: WAV, FLAC or MP3 files");
  command->model_options.add_to(*sub);
  command->senses_options.add_to(*sub);
  sub->add_option("files", command->files, "Recordings")->required();
  sub->add_option("-p,--prompt", command->question,
                  std::string("Ask this about each recording instead of only hearing it") + kTextRule);
  sub->add_option("-n,--max-tokens", command->max_tokens, "Longest answer in tokens")
      ->capture_default_str()
      ->check(at_least(1));
  command->sampling.add_to(*sub);
  sub->add_flag("--json", command->json, "Print each answer as a line of JSON");
  sub->add_flag("-q,--quiet", command->quiet, "No speeds");
  sub->callback([command] { command->run(); });
}

}  // namespace rwkv::cli
