// rwkv eval: exact-match accuracy on conversations with known answers.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "options.h"
#include "terminal.h"

namespace rwkv::cli {
namespace {

struct Question {
  std::string task;
  std::vector<std::string> messages;
  std::string answer;
  bool reasoning = false;
};

struct Score {
  int right = 0;
  int total = 0;
  double share() const { return total > 0 ? static_cast<double>(right) / total : 0; }
};

Question parse_question(const std::string& line, const std::string& where) {
  try {
    const Json json = Json::parse(line);
    Question question;
    question.task = json.at("task").get<std::string>();
    question.messages = json.at("messages").get<std::vector<std::string>>();
    question.answer = json.at("answer").get<std::string>();
    question.reasoning = json.value("reasoning", false);
    return question;
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::kBadFile, where + ": " + error.what());
  }
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
  std::string data;
  double min_accuracy = 0;
  double min_task_accuracy = 0;
  bool show_errors = false;
  bool json = false;

  bool answer_is_right(LanguageModel& model, const Question& question) const {
    GenerationOptions options;
    options.sampler.top_k = 1;
    options.penalties = {0, 0, 0};
    options.max_tokens = 200;
    options.reasoning = question.reasoning;
    options.use_cache = false;
    const Prompt prompt = model.chat_prompt({}, alternate_roles(question.messages), true, question.reasoning);
    const GenerationResult result = model.generate(prompt, options, {}, interrupt());
    if (result.error) throw *result.error;
    if (result.reason == EndReason::kCancelled) throw Error(ErrorCode::kCancelled, "interrupted");
    const std::string given = final_answer(result.text);
    if (given == question.answer) return true;
    if (show_errors) {
      print_json({{"task", question.task}, {"messages", question.messages}, {"answer", question.answer}, {"given", given}});
    }
    return false;
  }

  void run() const {
    std::ifstream file(std::filesystem::path(std::u8string(data.begin(), data.end())));
    if (!file) throw Error(ErrorCode::kNotFound, "cannot open '" + data + "'");
    const std::unique_ptr<LanguageModel> model = model_options.load();
    std::map<std::string, Score> tasks;
    Score all;
    ProgressLine progress;
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
      if (line.empty()) continue;
      const Question question = parse_question(line, data + ":" + std::to_string(number));
      const bool right = answer_is_right(*model, question);
      for (Score* score : {&tasks[question.task], &all}) {
        ++score->total;
        score->right += right ? 1 : 0;
      }
      progress.show(std::to_string(all.total) + " questions, " + std::to_string(all.right) + " right");
    }
    progress.clear();
    if (all.total == 0) throw Error(ErrorCode::kBadFile, "'" + data + "' holds no questions");
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
      std::printf("%-20s %5d of %5d  %6.2f %%\n", task.c_str(), score.right, score.total, score.share() * 100);
    }
    std::printf("%-20s %5d of %5d  %6.2f %%\n", "all", all.right, all.total, all.share() * 100);
  }
};

}  // namespace

void add_eval(CLI::App& app) {
  auto command = std::make_shared<EvalCommand>();
  CLI::App* sub = app.add_subcommand("eval", "Measure exact-match accuracy, greedy, on conversations with known answers");
  command->model_options.add_to(*sub);
  sub->add_option("data", command->data,
                  "Lines of JSON: {\"task\", \"messages\" (ends with the user's), \"answer\", \"reasoning\"}")
      ->required();
  sub->add_option("--min-accuracy", command->min_accuracy, "Fail below this share of right answers, 0 to 1");
  sub->add_option("--min-task-accuracy", command->min_task_accuracy, "Fail when a task is below this share, 0 to 1");
  sub->add_flag("--show-errors", command->show_errors, "Print each wrong answer as a line of JSON");
  sub->add_flag("--json", command->json, "Print a line of JSON");
  sub->callback([command] { command->run(); });
}

}  // namespace rwkv::cli
