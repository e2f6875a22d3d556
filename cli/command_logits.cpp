// rwkv logits: the model's raw output after some tokens, for checks against references.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "options.h"
#include "runtime/largest_logits.h"
#include "terminal.h"

namespace rwkv::cli {
namespace {

struct LogitsCommand {
  ModelOptions model_options;
  std::string tokens;
  CLI::Option* tokens_option = nullptr;
  std::string text;
  int top = 0;
  bool json = false;

  void run() {
    Tokens ids;
    if (tokens_option->count() > 0) ids = parse_tokens(tokens);
    text = given_text(text);
    const std::unique_ptr<LanguageModel> model = model_options.load();
    if (!text.empty()) ids = model->tokenizer().encode(text);
    const std::vector<float> logits = model->logits(ids, interrupt());
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (std::isfinite(logits[i])) continue;
      throw Error(ErrorCode::kEvaluation, "the logit of token " + std::to_string(i) + " is " +
                                              std::to_string(logits[i]) + ": the model's weights are damaged");
    }
    const auto argmax = std::max_element(logits.begin(), logits.end()) - logits.begin();
    if (top == 0) return print_json({{"logits", logits}, {"argmax", argmax}});
    print_most_likely(*model, logits);
  }

  void print_most_likely(const LanguageModel& model, const std::vector<float>& logits) const {
    const std::vector<TokenId> best = largest_logits(logits, static_cast<std::size_t>(top));
    Json list = Json::array();
    for (const TokenId id : best) {
      const float logit = logits[static_cast<std::size_t>(id)];
      const Json piece = std::string(model.tokenizer().bytes(id));
      if (json) {
        list.push_back({{"token", id}, {"logit", logit}, {"text", piece}});
      } else {
        std::printf("%8d %10.4f %s\n", id, static_cast<double>(logit),
                    piece.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
      }
    }
    if (json) print_json(list);
  }
};

}  // namespace

void add_logits(CLI::App& app) {
  auto command = std::make_shared<LogitsCommand>();
  CLI::App* sub = app.add_subcommand("logits", "Print the logits after the last token, as JSON");
  command->model_options.add_to(*sub);
  command->tokens_option = sub->add_option("--tokens", command->tokens, "Token ids, separated by commas or blanks");
  sub->add_option("-p,--prompt", command->text, std::string("A text instead of token ids") + kTextRule)
      ->excludes(command->tokens_option);
  sub->add_option("--top", command->top, "Print only the n most likely tokens, as a table")->check(at_least(1));
  sub->add_flag("--json", command->json, "Print JSON (what it does anyway, without --top)");
  sub->callback([command] { command->run(); });
}

}  // namespace rwkv::cli
