// A conversation saved by one process goes on in another with the same tokens, and only with the same model.
#ifndef _WIN32
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "formats/state_file.h"
#include "runtime/language_model.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

using test::ScratchFolder;

std::unique_ptr<LanguageModel> load(const std::string& path) {
  ModelRequest request;
  request.model_path = path;
  request.options.threads = 1;
  request.options.max_sequences = 1;
  return LanguageModel::load(request);
}

GenerationResult ask(LanguageModel& model, const std::vector<std::string>& messages) {
  GenerationOptions options;
  options.sampler.top_p = 0.95f;
  options.seed = 11;
  options.max_tokens = 40;
  return model.generate(model.chat_prompt({}, alternate_roles(messages), true, false), options, {}, CancelToken());
}

const std::vector<std::string> kTalk{"My name is Mira.", "Nice to meet you, Mira.", "What is my name?"};

// What the next question will find: everything up to the user's role.
Tokens history(const LanguageModel& model) {
  return model.chat_prompt({}, alternate_roles(std::vector<std::string>(kTalk.begin(), kTalk.end() - 1)), true, false)
      .tokens;
}

TEST(StateAcrossProcesses, AConversationGoesOnWithTheSameTokens) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "state";
  const std::string answer = scratch.path() / "answer";
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      const auto model = load(test::kModel);
      const Tokens tokens = history(*model);
      write_state_file(path, tokens, model->state_after(tokens, CancelToken()).bytes());
      const Tokens said = ask(*model, kTalk).tokens;
      test::write_file(answer, std::string(reinterpret_cast<const char*>(said.data()), said.size() * sizeof(TokenId)));
      _exit(0);
    } catch (const std::exception&) {
      _exit(1);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);

  const auto model = load(test::kModel);
  const StateFile file = read_state_file(path);
  model->remember(file.tokens, State(file.state, static_cast<std::int64_t>(file.tokens.size())));
  const GenerationResult result = ask(*model, kTalk);
  EXPECT_EQ(result.cached_tokens, static_cast<int>(file.tokens.size()));
  const std::string said = test::read_file(answer);
  Tokens expected(said.size() / sizeof(TokenId));
  std::memcpy(expected.data(), said.data(), said.size());
  EXPECT_FALSE(expected.empty());
  EXPECT_EQ(result.tokens, expected);
}

TEST(StateAcrossProcesses, AnotherModelRefusesTheState) {
  const auto model = load(test::kModel);
  const Tokens tokens = history(*model);
  const State state = model->state_after(tokens, CancelToken());
  const auto other = load(std::string(RWKV_SOURCE_DIR) + "/tests/data/rwkv6/model.gguf");
  try {
    other->remember(tokens, state);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("another model"), std::string::npos) << error.what();
  }
  EXPECT_EQ(other->cache().stats().entries, 0u);
}

}  // namespace
}  // namespace rwkv
#endif
