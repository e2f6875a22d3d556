// rwkv tokenize: text to token ids and back.
#include <cstdio>
#include <iterator>
#include <memory>

#include "engine/backend.h"
#include "options.h"
#include "terminal.h"
#include "text/utf8.h"

namespace rwkv::cli {
namespace {

struct TokenizeCommand {
  std::string model;
  std::string vocabulary;
  std::vector<std::string> texts;
  std::vector<TokenId> ids;
  bool json = false;

  Tokenizer tokenizer() const {
    if (!vocabulary.empty()) return Tokenizer(Vocabulary::from_file(vocabulary));
    if (model.empty()) throw Error(ErrorCode::kInvalidArgument, "give a model (-m) or a vocabulary file (--vocab)");
    ModelRequest request;
    request.model_path = model;
    request.options.max_sequences = 1;
    return LanguageModel::load(request)->tokenizer();
  }

  static std::string standard_input() {
    std::string text;
    char chunk[65536];
    for (std::size_t n = 0; (n = std::fread(chunk, 1, sizeof chunk, stdin)) > 0;) text.append(chunk, n);
    return text;
  }

  void print_text(const std::string& bytes) const {
    if (json) {
      print_json({{"text", bytes}, {"validUtf8", is_valid_utf8(bytes)}});
    } else {
      std::fwrite(bytes.data(), 1, bytes.size(), stdout);
      std::fputs("\n", stdout);
    }
  }

  void print_tokens(const Tokenizer& tokens_of, const std::string& text) const {
    const Tokens tokens = tokens_of.encode(text);
    if (json) {
      Json pieces = Json::array();
      for (const TokenId id : tokens) pieces.push_back(std::string(tokens_of.bytes(id)));
      print_json({{"tokens", tokens}, {"pieces", pieces}});
      return;
    }
    std::string line;
    for (const TokenId id : tokens) line.append(line.empty() ? "" : " ").append(std::to_string(id));
    std::puts(line.c_str());
  }

  void run() {
    const Tokenizer t = tokenizer();
    if (!ids.empty()) return print_text(t.decode(ids));
    if (texts.empty()) texts.push_back(standard_input());
    for (const std::string& text : texts) print_tokens(t, text);
  }
};

}  // namespace

void add_tokenize(CLI::App& app) {
  auto command = std::make_shared<TokenizeCommand>();
  CLI::App* sub = app.add_subcommand("tokenize", "Show the tokens of texts, or the text of tokens");
  sub->add_option("-m,--model", command->model, "Model file whose token list is used")->envname("RWKV_MODEL");
  sub->add_option("--vocab", command->vocabulary, "World vocabulary file to use instead");
  sub->add_option("text", command->texts, "Texts; without any, standard input is one text");
  sub->add_option("--decode", command->ids, "Token ids to turn into text, separated by commas")->delimiter(',');
  sub->add_flag("--json", command->json, "Print a line of JSON a text");
  sub->callback([command] { command->run(); });
}

}  // namespace rwkv::cli
