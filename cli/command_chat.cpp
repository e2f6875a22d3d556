// rwkv chat: a conversation, interactive or one question.
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "answer.h"
#include "line_editor.h"
#include "options.h"
#include "senses_options.h"
#include "terminal.h"

namespace rwkv::cli {
namespace {

constexpr const char* kHelp =
    "/help          this list\n"
    "/reset         forget the conversation\n"
    "/again         answer the last question once more\n"
    "/image PATH    show a picture with the next question\n"
    "/think on|off  let the model think before it answers; /think alone changes it\n"
    "/quit          leave (so does Ctrl-D)\n"
    "A pasted text is one question. Alt-Enter, or a backslash at the end of a line, starts another line; the arrows\n"
    "bring back earlier questions, which are kept nowhere else.\n"
    "Ctrl-C stops an answer; what has been written of it stays in the conversation.\n";

constexpr const char* kPiped =
    "In input from a file or pipe only a line that is exactly one of these is a command, any other is a question, and\n"
    "Ctrl-C ends the program.";

struct ChatCommand {
  ModelOptions model_options;
  SensesOptions senses_options;
  std::vector<std::string> images;
  SamplingOptions sampling;
  ChatFormat format;
  std::string question;
  CLI::Option* question_option = nullptr;
  std::string system;
  int max_tokens = kDefaultMaxTokens;
  bool think = false;
  bool json = false;
  bool quiet = false;
  bool echo = false;

  std::unique_ptr<LanguageModel> model;
  std::unique_ptr<host::Senses> senses;
  std::vector<ChatMessage> messages;
  std::vector<std::shared_ptr<const Embeddings>> shown;  // with the next question

  GenerationOptions options() const {
    GenerationOptions options;
    sampling.apply(options);
    options.max_tokens = max_tokens;
    options.reasoning = think;
    return options;
  }

  // With --json standard output has answers only.
  std::FILE* notes() const { return json ? stderr : stdout; }

  // Answers the last message, which is the user's. False, and nothing is added, if it was stopped before its first
  // word.
  bool reply() {
    const Prompt prompt = model->chat_prompt(format, messages, true, think);
    const GenerationResult result = answer(*model, prompt, options(), json);
    if (json) {
      print_json(to_json(result));
    } else if (!quiet) {
      print_speeds(result);
    }
    if (result.reason == EndReason::kCancelled && result.text.empty()) return false;
    messages.push_back({"assistant", result.text});
    return true;
  }

  void show(const std::string& path) { shown.push_back(senses->perceive(EncoderInfo::Takes::kPicture, {path, {}})); }

  // Pictures come before the words, as models were trained.
  void ask(const std::string& text) {
    ChatMessage message{"user", text, std::exchange(shown, {})};
    if (!message.media.empty())
      message.content = std::string(message.media.size(), kMediaMark) + host::plain_text(text);
    messages.push_back(std::move(message));
    if (!reply()) messages.pop_back();
  }

  void ask_again() {
    if (messages.empty() || messages.back().role != "assistant") {
      std::fputs("There is nothing to answer again yet.\n", notes());
      return;
    }
    const ChatMessage before = messages.back();
    messages.pop_back();
    if (!reply()) messages.push_back(before);
  }

  void start_conversation() {
    messages.clear();
    if (!system.empty()) messages.push_back({"system", system});
  }

  enum class Line { kDone, kQuit, kNoCommand };

  Line run_slash_command(const std::string& line) {
    if (line == "/quit" || line == "/exit") return Line::kQuit;
    if (line == "/help") {
      std::fputs(kHelp, notes());
    } else if (line == "/reset") {
      start_conversation();
      std::fputs("The conversation is forgotten.\n", notes());
    } else if (line == "/think" || line == "/think on" || line == "/think off") {
      think = line == "/think" ? !think : line == "/think on";
      std::fputs(think ? "Thinking is on.\n" : "Thinking is off.\n", notes());
    } else if (line.starts_with("/image ")) {
      try {
        show(line.substr(std::string_view("/image ").size()));
        std::fprintf(notes(), "The picture goes with your next question.\n");
      } catch (const Error& error) {
        std::fprintf(notes(), "%s\n", printable(error.what()).c_str());
      }
    } else if (line == "/again") {
      ask_again();
    } else {
      return Line::kNoCommand;
    }
    return Line::kDone;
  }

  // False if the conversation is to end.
  bool take(const std::string& line, bool typed) {
    if (echo && !typed) std::fprintf(notes(), "> %s\n", line.c_str());
    if (line.front() == '/' && line.find('\n') == std::string::npos) {
      const Line outcome = run_slash_command(line);
      if (outcome != Line::kNoCommand) return outcome == Line::kDone;
      if (typed) {
        std::fprintf(notes(), "There is no command '%s'; /help lists them.\n", line.c_str());
        return true;
      }
    }
    ask(line);
    return true;
  }

  void converse() {
    const bool typed = stdin_is_terminal();
    if (typed)
      std::fprintf(notes(), "%s: type a question, /help for commands.\n", printable(model->info().name).c_str());
    std::optional<LineEditor> editor;
    if (typed) editor.emplace(notes());
    std::string line;
    while (true) {
      const bool came = typed ? editor->read(line) : read_line(line);
      if (came && !line.empty() && !take(line, typed)) return;
      if (!interrupt().cancelled()) {
        if (!came) return;
        continue;
      }
      if (!typed || terminated()) {
        result_code() = kExitInterrupted;
        return;
      }
      interrupt().clear();
      if (!came) std::fputs("\n(/quit or Ctrl-D leaves)\n", notes());
    }
  }

  void run() {
    const bool one_question = question_option->count() > 0;
    if (one_question) question = given_text(question);
    model = model_options.load();
    senses = std::make_unique<host::Senses>(std::make_shared<host::SharedMedia>(), model->info().width);
    senses_options.attach_to(*senses, nullptr);
    start_conversation();
    for (const std::string& image : images) show(image);
    if (!one_question) return converse();
    ask(question);
    if (interrupt().cancelled()) result_code() = kExitInterrupted;
  }
};

}  // namespace

void add_chat(CLI::App& app) {
  auto command = std::make_shared<ChatCommand>();
  CLI::App* sub =
      app.add_subcommand("chat", "Talk with a model; without -p, interactively or one question a line of input");
  command->model_options.add_to(*sub);
  command->question_option =
      sub->add_option("-p,--prompt", command->question, std::string("Ask this one question and end") + kTextRule);
  sub->add_option("--system", command->system, "System message at the start of the conversation");
  sub->add_option("-n,--max-tokens", command->max_tokens, "Longest answer in tokens")
      ->capture_default_str()
      ->check(at_least(0));
  sub->add_flag("--think", command->think, "Let the model think before it answers");
  sub->add_option("--user-role", command->format.user_role, "How the model knows the user")->capture_default_str();
  sub->add_option("--response-role", command->format.response_role, "How the model knows itself")
      ->capture_default_str();
  command->senses_options.add_to(*sub);
  sub->add_option("--image", command->images, "Picture to show with the first question; may be given several times")
      ->allow_extra_args(false);
  command->sampling.add_to(*sub);
  sub->add_flag("--json", command->json, "Print each answer as a line of JSON");
  sub->add_flag("-q,--quiet", command->quiet, "No speeds");
  sub->add_flag("--echo", command->echo, "Print the questions too when they come from a file or pipe");
  sub->footer(std::string("Commands:\n") + kHelp + kPiped);
  sub->callback([command] { command->run(); });
}

}  // namespace rwkv::cli
