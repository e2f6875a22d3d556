// rwkv chat: a conversation, interactive or one question.
#include <cstdio>
#include <memory>

#include "answer.h"
#include "options.h"
#include "terminal.h"

namespace rwkv::cli {
namespace {

constexpr const char* kHelp =
    "/help          this list\n"
    "/reset         forget the conversation\n"
    "/again         answer the last question once more\n"
    "/think on|off  let the model think before it answers\n"
    "/quit          leave (so does Ctrl-D)\n"
    "Ctrl-C stops an answer; what has been written of it stays in the conversation.\n";

struct ChatCommand {
  ModelOptions model_options;
  SamplingOptions sampling;
  ChatFormat format;
  std::string question;
  std::string system;
  int max_tokens = 2000;
  bool think = false;
  bool json = false;
  bool quiet = false;
  bool echo = false;

  std::unique_ptr<LanguageModel> model;
  std::vector<ChatMessage> messages;

  GenerationOptions options() const {
    GenerationOptions options;
    sampling.apply(options);
    options.max_tokens = max_tokens;
    options.reasoning = think;
    return options;
  }

  // Answers the last message, which is the user's.
  GenerationResult reply() {
    const Prompt prompt = model->chat_prompt(format, messages, true, think);
    GenerationResult result = answer(*model, prompt, options(), json);
    messages.push_back({"assistant", result.text});
    if (!json && !quiet) print_speeds(result);
    return result;
  }

  void start_conversation() {
    messages.clear();
    if (!system.empty()) messages.push_back({"system", system});
  }

  bool run_slash_command(const std::string& line) {
    if (line == "/quit" || line == "/exit") return false;
    if (line == "/help") {
      std::fputs(kHelp, stdout);
    } else if (line == "/reset") {
      start_conversation();
      std::puts("The conversation is forgotten.");
    } else if (line == "/think on" || line == "/think off") {
      think = line == "/think on";
    } else if (line == "/again") {
      if (!messages.empty() && messages.back().role == "assistant") {
        messages.pop_back();
        reply();
      } else {
        std::puts("There is nothing to answer again yet.");
      }
    } else {
      std::printf("There is no command '%s'; /help lists them.\n", line.c_str());
    }
    return true;
  }

  void converse() {
    const bool typed = stdin_is_terminal();
    if (typed) std::printf("%s: type a question, /help for commands.\n", model->info().name.c_str());
    std::string line;
    while (true) {
      if (typed) {
        std::fputs("> ", stdout);
        std::fflush(stdout);
      }
      if (!read_line(line)) {
        if (!interrupt().cancelled()) return;
        interrupt().clear();
        if (!typed) return;
        std::puts("\n(/quit or Ctrl-D leaves)");
        continue;
      }
      if (line.empty()) continue;
      if (echo && !typed) std::printf("> %s\n", line.c_str());
      if (line.front() == '/') {
        if (!run_slash_command(line)) return;
        continue;
      }
      messages.push_back({"user", line});
      const GenerationResult result = reply();
      if (json) print_json(to_json(result));
      interrupt().clear();
    }
  }

  void run() {
    model = model_options.load();
    start_conversation();
    if (question.empty()) {
      converse();
      return;
    }
    messages.push_back({"user", question});
    const GenerationResult result = reply();
    if (json) print_json(to_json(result));
    if (result.reason == EndReason::kCancelled) result_code() = kExitInterrupted;
  }
};

}  // namespace

void add_chat(CLI::App& app) {
  auto command = std::make_shared<ChatCommand>();
  CLI::App* sub = app.add_subcommand("chat", "Talk with a model; without -p, interactively or one question a line of input");
  command->model_options.add_to(*sub);
  sub->add_option("-p,--prompt", command->question, "Ask this one question and end");
  sub->add_option("--system", command->system, "System message at the start of the conversation");
  sub->add_option("-n,--max-tokens", command->max_tokens, "Longest answer in tokens")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  sub->add_flag("--think", command->think, "Let the model think before it answers");
  sub->add_option("--user-role", command->format.user_role, "How the model knows the user")->capture_default_str();
  sub->add_option("--response-role", command->format.response_role, "How the model knows itself")
      ->capture_default_str();
  command->sampling.add_to(*sub);
  sub->add_flag("--json", command->json, "Print each answer as a line of JSON");
  sub->add_flag("-q,--quiet", command->quiet, "No speeds");
  sub->add_flag("--echo", command->echo, "Print the questions too when they come from a file or pipe");
  sub->callback([command] { command->run(); });
}

}  // namespace rwkv::cli
