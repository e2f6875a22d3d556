// A vocabulary file is taken for a model only if it is that model's, and what it lacks is told.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "runtime/language_model.h"
#include "support/scratch.h"
#include "support/tiny_rwkv.h"

namespace rwkv {
namespace {

using test::ScratchFolder;

template <class Call>
void expect_error(ErrorCode code, const std::vector<std::string>& parts, Call&& call) {
  try {
    call();
    ADD_FAILURE() << "nothing thrown, expected " << parts.back();
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
}

class GivenVocabulary : public testing::Test {
 protected:
  std::unique_ptr<LanguageModel> load_with(const std::string& vocabulary) {
    test::write_file(vocabulary_, vocabulary);
    ModelRequest request;
    request.model_path = model_;
    request.tokenizer_path = vocabulary_;
    return LanguageModel::load(request);
  }

  ScratchFolder scratch_;
  std::string model_ = test::kModel;
  const std::string vocabulary_ = scratch_.path() / "given.txt";
};

TEST_F(GivenVocabulary, OfAnotherModelIsRefused) {
  std::string text = test::read_file(test::kVocabulary);
  text.replace(text.find("'A' 1"), 5, "'\xC3\x84' 2");
  expect_error(ErrorCode::kBadFile, {vocabulary_, model_, "disagree about token 66"}, [&] { load_with(text); });
}

TEST_F(GivenVocabulary, WithoutTokensThatTheModelReadsIsRefused) {
  const std::string whole = test::read_file(test::kVocabulary);
  EXPECT_NO_THROW(load_with(whole));  // the model has more rows than that
  expect_error(ErrorCode::kBadFile, {vocabulary_, "has no token 201", model_},
               [&] { load_with(whole.substr(0, whole.find("201 "))); });
  const std::size_t last = whole.rfind('\n', whole.size() - 2) + 1;
  expect_error(ErrorCode::kBadFile, {"has no token 458"}, [&] { load_with(whole.substr(0, last)); });
  std::string hole = whole;
  const std::size_t line = hole.find("\n300 ");
  hole.erase(line, hole.find('\n', line + 1) - line);
  expect_error(ErrorCode::kBadFile, {"has no token 300"}, [&] { load_with(hole); });
}

// 48 tokens, the bytes from 0 on, in a model of 64 rows.
class PaddedModel : public GivenVocabulary {
 protected:
  static constexpr std::uint32_t kTokens = 48;

  void write_model(std::int32_t padding_type, bool with_types) {
    test::TinyShape shape;
    shape.layers = 1;
    shape.width = 64;
    const test::TinyRwkv tiny(shape);
    std::vector<std::string> texts = tiny.token_texts();
    std::vector<std::int32_t> types(shape.vocabulary, 1);
    for (std::uint32_t id = kTokens; id < shape.vocabulary; ++id) {
      texts[id] = "[PAD" + std::to_string(id) + "]";
      types[id] = padding_type;
    }
    test::GgufWriter file = tiny.gguf();
    file.texts("tokenizer.ggml.tokens", texts);
    if (with_types) file.list("tokenizer.ggml.token_type", test::GgufWriter::kI32, types);
    model_ = scratch_.path() / "padded.gguf";
    test::write_file(model_, file.bytes());
  }

  static std::string bytes_as_vocabulary(std::uint32_t tokens) {
    std::string text;
    for (std::uint32_t id = 1; id < tokens; ++id) {
      char line[32];
      std::snprintf(line, sizeof line, "%u b'\\x%02x' 1\n", id, id - 1);
      text += line;
    }
    return text;
  }
};

TEST_F(PaddedModel, TakesItsVocabularyHoweverThePaddingIsMarked) {
  constexpr std::int32_t kNormal = 1;
  constexpr std::int32_t kUnused = 5;
  const std::vector<std::pair<std::int32_t, bool>> markings{{kUnused, true}, {kNormal, true}, {kNormal, false}};
  for (const auto& [type, with_types] : markings) {
    write_model(type, with_types);
    EXPECT_NO_THROW(load_with(bytes_as_vocabulary(kTokens))) << type << with_types;
    EXPECT_NO_THROW(load_with(bytes_as_vocabulary(64))) << "names for rows that the model's file leaves out";
    expect_error(ErrorCode::kBadFile, {"has no token 47"}, [&] { load_with(bytes_as_vocabulary(kTokens - 1)); });
  }
}

TEST_F(PaddedModel, AByteWithoutATokenIsToldWithItsPlaceAndTheVocabularysSource) {
  write_model(5, true);
  ModelRequest request;
  request.model_path = model_;
  const auto own = LanguageModel::load(request);
  const std::vector<ChatMessage> messages{{"user", "12"}};
  expect_error(ErrorCode::kInvalidArgument, {"byte 0x55 at offset 0 of", "token list in '" + model_ + "'"},
               [&] { own->chat_prompt({}, messages, true, false); });
  expect_error(ErrorCode::kInvalidArgument, {"byte 0x7A at offset 7 of"},
               [&] { own->completion_prompt("<EOD>\n\nz"); });
  const auto given = load_with(bytes_as_vocabulary(kTokens));
  expect_error(ErrorCode::kInvalidArgument, {"byte 0x55 at offset 0 of", "'" + vocabulary_ + "'"},
               [&] { given->chat_prompt({}, messages, true, false); });
}

}  // namespace
}  // namespace rwkv
