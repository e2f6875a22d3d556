// The backend without weights: answers as written, and scripts that are none are refused.
#include "backends/scripted/scripted_backend.h"

#include <gtest/gtest.h>

#include <cstring>

#include "backends/scripted/script.h"
#include "support/tiny_model.h"

namespace rwkv::test {
namespace {

class Scripted : public testing::Test {
 protected:
  std::string write(const std::string& json) {
    const std::string path = (folder_.path() / "script.json").string();
    write_file(path, json);
    return path;
  }
  std::unique_ptr<Model> load(const std::string& fields, const LoadOptions& options = {}) {
    return make_scripted_backend()->load(ModelSource(write(R"({"rwkv_script": 1)" + fields + "}")), options);
  }
  void refused(const std::string& json, const std::string& reason) {
    const std::string path = write(json);
    expect_error(ErrorCode::kBadFile, reason, [&] { make_scripted_backend()->load(ModelSource(path), {}); });
    EXPECT_EQ(make_scripted_backend()->match(ModelSource(path)), 0);
  }

  ScratchFolder folder_;
};

Tokens bytes_of(const std::string& text) {
  Tokens tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c) + 1);
  return tokens;
}

// The bytes that greedy decoding writes until the blank line.
std::string answer(Model& model, const std::string& prompt) {
  const auto sequence = model.create_sequence();
  Tokens tokens = bytes_of(prompt);
  std::string text;
  while (text.size() < 1000) {
    const Logits logits = feed(model, *sequence, tokens);
    const auto best = static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    if (best == 257) return text;
    text += static_cast<char>(best - 1);
    tokens = {best};
  }
  return "no end: " + text;
}

TEST_F(Scripted, GivesTheFirstReplyThatFitsTheLastQuestion) {
  const auto model = load(R"(, "replies": [{"when": "weather", "say": "Sunny."}, {"when": "sky", "say": "Blue: yes."},
                             {"say": "I only know the weather."}])");
  EXPECT_EQ(answer(*model, "User: How is the weather?\n\nAssistant:"), " Sunny.");
  EXPECT_EQ(answer(*model, "User: weather\n\nAssistant: Sunny.\n\nUser: And the sky?\n\nAssistant:"), " Blue: yes.");
  EXPECT_EQ(answer(*model, "User: Hello\n\nAssistant:"), " I only know the weather.");
  EXPECT_EQ(answer(*model, "User: weather\n\nAssistant: Sun"), "ny.");
}

TEST_F(Scripted, AnswerWithoutAFittingReplyIsEmpty) {
  EXPECT_EQ(answer(*load(R"(, "replies": [{"when": "x", "say": "y"}])"), "User: Hello\n\nAssistant: "), "");
  EXPECT_EQ(answer(*load(""), "anything"), "");
}

TEST_F(Scripted, FilesThatAreNoScriptAreRefused) {
  refused("", "not a script");
  refused("{", "not a script");
  refused("[]", "'rwkv_script' must be 1");
  refused("{}", "'rwkv_script' must be 1");
  refused(R"({"rwkv_script": 2})", "'rwkv_script'");
  refused(R"({"rwkv_script": 1.5})", "'rwkv_script'");
  refused(R"({"rwkv_script": true})", "'rwkv_script'");
  refused(R"({"rwkv_script": "1"})", "'rwkv_script'");
  refused(R"({"rwkv_script": [1]})", "'rwkv_script'");
  refused(R"({"rwkv_script": 1, "rwkv_script": 2})", "'rwkv_script'");  // the last of a key counts
  refused(R"({"rwkv_script": 1, "name": 5})", "'name' must be a string");
  refused(R"({"rwkv_script": 1, "name": null})", "'name' must be a string");
  refused(R"({"rwkv_script": 1, "load_ms": "5"})", "'load_ms'");
  refused(R"({"rwkv_script": 1, "load_ms": -1})", "'load_ms'");
  refused(R"({"rwkv_script": 1, "load_ms": 1e3})", "'load_ms'");
  refused(R"({"rwkv_script": 1, "prefill_us": 18446744073709551615})", "'prefill_us'");
  refused(R"({"rwkv_script": 1, "decode_us": 9223372036854775808})", "'decode_us'");
  refused(R"({"rwkv_script": 1, "decode_us": 99999999999999999999999})", "'decode_us'");
  refused(R"({"rwkv_script": 1, "fail_after": []})", "'fail_after'");
  refused(R"({"rwkv_script": 1, "replies": {}})", "'replies' must be a list");
  refused(R"({"rwkv_script": 1, "replies": ["x"]})", "an object");
  refused(R"({"rwkv_script": 1, "replies": [{"say": 1}]})", "'say' must be a string");
  refused("{\"rwkv_script\": 1, \"name\": \"\xFF\"}", "not a script");
  refused(std::string(500'000, '['), "not a script");
  refused(R"({"rwkv_script": 1, "replies": )" + std::string(400'000, '[') + std::string(400'000, ']') + "}",
          "an object");
  refused(R"({"rwkv_script": 1, "name": ")" + std::string(1 << 20, 'x') + "\"}", "too large");
  expect_error(ErrorCode::kNotFound, "nowhere", [] { make_scripted_backend()->load(ModelSource("/nowhere"), {}); });
  expect_error(ErrorCode::kIo, "folder",
               [&] { make_scripted_backend()->load(ModelSource(folder_.path().string()), {}); });
}

TEST_F(Scripted, FlippedBitsAreRefusedOrHarmless) {
  const std::string good = R"({"rwkv_script":1,"name":"n","fail_after":9,"replies":[{"when":"a","say":"b"}]})";
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    const std::string path = write(bytes);
    try {
      const auto model = make_scripted_backend()->load(ModelSource(path), {});
      const auto sequence = model->create_sequence();
      EXPECT_EQ(feed(*model, *sequence, bytes_of("User: a")).size(), 258u);
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::kBadFile || error.code() == ErrorCode::kEvaluation) << error.what();
    }
  }
}

TEST_F(Scripted, LoadFailsAsWrittenAndProgressGrowsTo1) {
  std::vector<float> parts;
  LoadOptions options;
  options.progress = [&](float part) { parts.push_back(part); };
  load(R"(, "load_ms": 20)", options);
  EXPECT_TRUE(std::is_sorted(parts.begin(), parts.end()));
  EXPECT_EQ(parts.back(), 1.0f);
  expect_error(ErrorCode::kBadFile, "no such luck", [&] { load(R"(, "load_error": "no such luck")"); });
  options.progress = nullptr;
  options.cancel.cancel();
  expect_error(ErrorCode::kCancelled, "cancelled", [&] { load(R"(, "load_ms": 10000)", options); });
  expect_error(ErrorCode::kInvalidArgument, "sequences", [&] { load("", one_thread(17)); });
}

TEST_F(Scripted, EvaluationFailsAsWrittenAndResets) {
  const auto model = load(R"(, "fail_after": 3)");
  const auto sequence = model->create_sequence();
  feed(*model, *sequence, {1, 2});
  expect_error(ErrorCode::kEvaluation, "fail_after", [&] { feed(*model, *sequence, {3}); });
  EXPECT_EQ(sequence->position(), 0);
}

TEST_F(Scripted, StatesAreCopiesAndThoseOfOthersAreRefused) {
  const auto model = load(R"(, "name": "one", "replies": [{"say": "answer"}])");
  const auto other = load(R"(, "name": "two")");
  const auto a = model->create_sequence();
  const auto b = model->create_sequence();
  const auto foreign = other->create_sequence();
  feed(*model, *a, bytes_of("User: x\n\nAssistant: a"));
  const State state = a->save();
  b->restore(state);
  EXPECT_EQ(b->position(), a->position());
  EXPECT_EQ(feed(*model, *b, bytes_of("n")), feed(*model, *a, bytes_of("n")));
  expect_error(ErrorCode::kInvalidArgument, "another model", [&] { foreign->restore(state); });
  expect_error(ErrorCode::kInvalidArgument, "another model", [&] { a->restore(State(StateBytes(9), 3)); });
  EXPECT_EQ(a->position(), 0);
  b->restore(State());
  EXPECT_EQ(b->position(), 0);
}

TEST_F(Scripted, InvalidEvaluationsAreRefusedAndChangeNothing) {
  const auto model = load("", one_thread(2));
  const auto other = load("");
  const auto a = model->create_sequence();
  const auto b = model->create_sequence();
  const auto stranger = other->create_sequence();
  expect_error(ErrorCode::kOutOfMemory, "all 2", [&] { model->create_sequence(); });
  feed(*model, *a, {1, 2});
  const Tokens fine{1};
  const Tokens wrong{258};
  const Tokens none;
  for (const auto& items : std::vector<std::vector<EvalItem>>{
           {{.sequence = a.get(), .tokens = none}},
           {{.sequence = a.get(), .tokens = wrong}},
           {{.sequence = a.get(), .tokens = fine}, {.sequence = a.get(), .tokens = fine}},
           {{.sequence = a.get(), .tokens = fine}, {.sequence = stranger.get(), .tokens = fine}},
           {{.sequence = nullptr, .tokens = fine}}}) {
    auto copy = items;
    expect_error(ErrorCode::kInvalidArgument, "", [&] { model->evaluate(copy, {}); });
  }
  model->evaluate({}, {});
  const CancelToken cancel;
  cancel.cancel();
  expect_error(ErrorCode::kCancelled, "", [&] { feed(*model, *a, {1}, cancel); });
  EXPECT_EQ(a->position(), 2);
}

}  // namespace
}  // namespace rwkv::test
