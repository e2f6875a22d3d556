// rwkv eval: exact-match accuracy on conversations with known answers.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <span>
#include <sstream>

#include "base/utf8_path.h"
#include "formats/file_kind.h"
#include "options.h"
#include "senses_options.h"
#include "terminal.h"

namespace rwkv::cli {
namespace {

struct Question {
  std::string task;
  std::vector<std::string> messages;
  std::string answer;
  bool reasoning = false;
  std::string audio;  // a file's name; empty: none
};

struct Score {
  int right = 0;
  int total = 0;
  double share() const { return total > 0 ? static_cast<double>(right) / total : 0; }
};

Question parse_question(const std::string& line, const std::string& where) {
  try {
    const Json json = Json::parse(line);
    if (!json.is_object()) {
      throw Error(ErrorCode::kBadFile, where + ": is not a JSON object; each line holds one question");
    }
    const auto read = [&](const char* field, auto& value, const char* kind) {
      try {
        json.at(field).get_to(value);
      } catch (const Json::exception&) {
        const std::string problem = json.contains(field) ? std::string("is not ") + kind : "is missing";
        throw Error(ErrorCode::kBadFile, where + ": '" + field + "' " + problem);
      }
    };
    Question question;
    read("task", question.task, "a text");
    read("messages", question.messages, "a list of texts");
    read("answer", question.answer, "a text");
    if (json.contains("reasoning")) read("reasoning", question.reasoning, "true or false");
    if (json.contains("audio")) read("audio", question.audio, "the name of a file");
    if (question.messages.empty()) throw Error(ErrorCode::kBadFile, where + ": 'messages' is empty");
    return question;
  } catch (const Json::parse_error& error) {
    throw Error(ErrorCode::kBadFile,
                where + ": is not JSON from byte " + std::to_string(error.byte) + " on; each line holds one question");
  }
}

std::vector<Question> questions_in(std::istream& file, const std::string& name) {
  std::vector<Question> questions;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (number == 1 && file_kind(std::as_bytes(std::span(line))) == FileKind::kUtf16) {
      throw Error(ErrorCode::kBadFile, "'" + name + "' is UTF-16 text; save it as UTF-8", name);
    }
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // the mark that editors of Windows write
    const bool blank = line.find_first_not_of(" \t\r") == std::string::npos;
    if (!blank) questions.push_back(parse_question(line, name + ":" + std::to_string(number)));
  }
  if (file.bad()) throw Error(ErrorCode::kIo, "cannot read '" + name + "'", name);
  if (questions.empty()) throw Error(ErrorCode::kBadFile, "'" + name + "' holds no questions", name);
  return questions;
}

std::vector<Question> read_questions(const std::string& name) {
  if (name == "-") {
    std::istringstream input(read_all());
    return questions_in(input, "standard input");
  }
  const std::filesystem::path path = path_from_utf8(name);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw Error(ErrorCode::kIo, "'" + name + "' is a folder, not a file of questions", name);
  }
  std::ifstream file(path);
  if (!file) {
    throw Error(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
                "cannot open '" + name + "': " + std::strerror(errno));
  }
  return questions_in(file, name);
}

// The answer proper: what follows the thinking block, without white space around it.
std::string final_answer(const std::string& text) {
  const std::size_t end = text.rfind("</think>");
  std::string answer = end == std::string::npos ? text : text.substr(end + 8);
  const char* space = " \n\r\t";
  answer.erase(0, std::min(answer.find_first_not_of(space), answer.size()));
  answer.erase(answer.find_last_not_of(space) + 1);
  return answer;
}

struct EvalCommand {
  ModelOptions model_options;
  SensesOptions senses_options;
  std::string data;
  double min_accuracy = 0;
  double min_task_accuracy = 0;
  bool show_errors = false;
  bool json = false;

  // Files are named as seen from the file of questions.
  std::shared_ptr<const Embeddings> perceive(const host::Senses& senses, EncoderInfo::Takes takes,
                                             const std::string& name) const {
    const auto folder = data == "-" ? std::filesystem::path() : path_from_utf8(data).parent_path();
    return senses.perceive(takes, {utf8_from_path(folder / path_from_utf8(name)), {}});
  }

  Prompt prompt_of(const LanguageModel& model, const host::Senses& senses, const Question& question) const {
    ChatFormat format;
    if (!question.audio.empty()) {
      format.prompt = kMediaMark;
      format.prompt_media = {perceive(senses, EncoderInfo::Takes::kSound, question.audio)};
    }
    std::vector<ChatMessage> messages = alternate_roles(question.messages);
    for (ChatMessage& message : messages) {
      host::TaggedText found = host::find_pictures(message.content, "image");
      for (const host::MediaSource& picture : found.pictures) {
        message.media.push_back(perceive(senses, EncoderInfo::Takes::kPicture, picture.path));
      }
      message.content = std::move(found.text);
    }
    return model.chat_prompt(format, messages, true, question.reasoning);
  }

  bool answer_is_right(LanguageModel& model, const host::Senses& senses, const Question& question) const {
    GenerationOptions options;
    options.sampler.top_k = 1;
    options.penalties = {0, 0, 0};
    options.max_tokens = 200;
    options.reasoning = question.reasoning;
    options.use_cache = false;
    const Prompt prompt = prompt_of(model, senses, question);
    model.encode_media(prompt, options.use_cache, interrupt(), [](float) {});
    const GenerationResult result = model.generate(prompt, options, {}, interrupt());
    if (result.error) throw *result.error;
    if (result.reason == EndReason::kCancelled) throw Error(ErrorCode::kCancelled, "interrupted");
    const std::string given = final_answer(result.text);
    if (given == question.answer) return true;
    if (show_errors) {
      print_json(
          {{"task", question.task}, {"messages", question.messages}, {"answer", question.answer}, {"given", given}});
    }
    return false;
  }

  void run() const {
    const std::vector<Question> questions = read_questions(data);
    const std::unique_ptr<LanguageModel> model = model_options.load();
    host::Senses senses(std::make_shared<host::SharedMedia>(), model->info().width);
    senses_options.attach_to(senses, nullptr);
    std::map<std::string, Score> tasks;
    Score all;
    ProgressLine progress;
    for (const Question& question : questions) {
      const bool right = answer_is_right(*model, senses, question);
      for (Score* score : {&tasks[question.task], &all}) {
        ++score->total;
        score->right += right ? 1 : 0;
      }
      progress.show(std::to_string(all.total) + " questions, " + std::to_string(all.right) + " right");
    }
    progress.clear();
    report(tasks, all);
    bool good = all.share() >= min_accuracy;
    for (const auto& [task, score] : tasks) good = good && score.share() >= min_task_accuracy;
    if (!good) result_code() = kExitFailure;
  }

  void report(const std::map<std::string, Score>& tasks, const Score& all) const {
    if (json) {
      Json by_task = Json::object();
      for (const auto& [task, score] : tasks) {
        by_task[task] = {{"right", score.right}, {"total", score.total}, {"accuracy", score.share()}};
      }
      print_json({{"right", all.right}, {"total", all.total}, {"accuracy", all.share()}, {"tasks", by_task}});
      return;
    }
    for (const auto& [task, score] : tasks) {
      std::printf("%-20s %5d of %5d  %6.2f %%\n", printable(task).c_str(), score.right, score.total,
                  score.share() * 100);
    }
    std::printf("%-20s %5d of %5d  %6.2f %%\n", "all", all.right, all.total, all.share() * 100);
  }
};

}  // namespace

void add_eval(CLI::App& app) {
  auto command = std::make_shared<EvalCommand>();
  CLI::App* sub =
      app.add_subcommand("eval", "Measure exact-match accuracy, greedy, on conversations with known answers");
  command->model_options.add_to(*sub);
  command->senses_options.add_to(*sub);
  sub->add_option("data", command->data,
                  "Lines of JSON, - for standard input: {\"task\", \"messages\" (ends with the user's), \"answer\", "
                  "\"reasoning\"}. A message may show <image>FILE</image>, and \"audio\" name a recording, both from "
                  "the file's folder")
      ->required();
  sub->add_option("--min-accuracy", command->min_accuracy, "Fail below this share of right answers, 0 to 1")
      ->check(CLI::Range(0.0, 1.0, "SHARE"));
  sub->add_option("--min-task-accuracy", command->min_task_accuracy, "Fail when a task is below this share, 0 to 1")
      ->check(CLI::Range(0.0, 1.0, "SHARE"));
  sub->add_flag("--show-errors", command->show_errors, "Print each wrong answer as a line of JSON");
  sub->add_flag("--json", command->json, "Print a line of JSON");
  sub->callback([command] { command->run(); });
}

}  // namespace rwkv::cli
