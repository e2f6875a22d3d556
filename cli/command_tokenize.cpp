// rwkv tokenize: text to token ids and back.
#include <cstdio>
#include <memory>

#include "options.h"
#include "runtime/model_description.h"
#include "terminal.h"
#include "text/utf8.h"

namespace rwkv::cli {
namespace {

struct TokenizeCommand {
  std::string model;
  std::string vocabulary;
  std::vector<std::string> texts;
  std::string ids;
  CLI::Option* ids_option = nullptr;
  bool json = false;

  Tokenizer tokenizer() const {
    if (!vocabulary.empty()) return Tokenizer(Vocabulary::from_file(vocabulary));
    if (model.empty()) throw Error(ErrorCode::kInvalidArgument, "give a model (-m) or a vocabulary file (--vocab)");
    ModelRequest request;
    request.model_path = model;
    return Tokenizer(describe_model(request).vocabulary);
  }

  static std::string decode(const Tokenizer& t, const Tokens& tokens) {
    for (const TokenId id : tokens) {
      if (id == kEndOfText || !t.bytes(id).empty()) continue;
      throw Error(ErrorCode::kInvalidArgument, "the vocabulary has no token " + std::to_string(id));
    }
    return t.decode(tokens);
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
    Tokens tokens;
    if (ids_option->count() > 0) tokens = parse_tokens(ids);
    const Tokenizer t = tokenizer();
    if (ids_option->count() > 0) return print_text(decode(t, tokens));
    if (texts.empty()) texts.push_back(read_all());
    for (const std::string& text : texts) print_tokens(t, text);
  }
};

}  // namespace

void add_tokenize(CLI::App& app) {
  auto command = std::make_shared<TokenizeCommand>();
  CLI::App* sub = app.add_subcommand("tokenize", "Show the tokens of texts, or the text of tokens");
  sub->add_option("-m,--model", command->model, "Model file whose token list is used")->envname("RWKV_MODEL");
  sub->add_option("--vocab", command->vocabulary, "World vocabulary file to use instead");
  auto* texts = sub->add_option("text", command->texts, "Texts; without any, standard input is one text");
  command->ids_option =
      sub->add_option("--decode", command->ids, "Token ids to turn into text, separated by commas or blanks")
          ->excludes(texts);
  sub->add_flag("--json", command->json, "Print a line of JSON a text");
  sub->callback([command] { command->run(); });
}

}  // namespace rwkv::cli
