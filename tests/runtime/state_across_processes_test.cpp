// A conversation saved by one process goes on in another with the same tokens, and only with the same model.
#ifndef _WIN32
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "formats/state_file.h"
#include "support/language_models.h"
#include "support/old_state_file.h"

namespace rwkv {
namespace {

using test::ScratchFolder;

std::unique_ptr<LanguageModel> load(const std::string& path) { return test::load_language_model(path, 1); }

GenerationResult ask(LanguageModel& model, const std::vector<std::string>& messages) {
  GenerationOptions options;
  options.sampler.top_p = 0.95f;
  options.seed = 11;
  options.max_tokens = 40;
  return model.generate(model.chat_prompt({}, alternate_roles(messages), true, false), options, {}, CancelToken());
}

const std::vector<std::string> kTalk{"My name is Mira.", "Nice to meet you, Mira.", "What is my name?"};

// What the next question will find: everything up to the user's role.
Prompt history(const LanguageModel& model) {
  return model.chat_prompt({}, alternate_roles(std::vector<std::string>(kTalk.begin(), kTalk.end() - 1)), true, false);
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
      model->save_state(path, history(*model), StateType::kF32, CancelToken());
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
  model->load_state(path);
  const GenerationResult result = ask(*model, kTalk);
  EXPECT_EQ(result.cached_tokens, static_cast<int>(history(*model).tokens.size()));
  const std::string said = test::read_file(answer);
  Tokens expected(said.size() / sizeof(TokenId));
  std::memcpy(expected.data(), said.data(), said.size());
  EXPECT_FALSE(expected.empty());
  EXPECT_EQ(result.tokens, expected);
}

TEST(StateAcrossProcesses, AStateInHalvesGoesOnWithNearlyTheSameNumbers) {
  const ScratchFolder scratch;
  const std::string exact = scratch.path() / "exact";
  const std::string rounded = scratch.path() / "rounded";
  const auto model = load(test::kModel);
  const Prompt prompt = history(*model);
  model->save_state(exact, prompt, StateType::kF32, CancelToken());
  model->save_state(rounded, prompt, StateType::kF16, CancelToken());
  const StateFile halves = read_state_file(rounded);
  const StateFile floats = read_state_file(exact);
  ASSERT_EQ(halves.tensors.values.size(), floats.tensors.values.size());
  for (std::size_t i = 0; i < floats.tensors.values.size(); ++i) {
    const float value = floats.tensors.values[i];
    ASSERT_NEAR(halves.tensors.values[i], value, std::max(std::fabs(value) * 0x1p-11f, 0x1p-25f));
  }
  model->cache().clear();
  model->load_state(rounded);
  const GenerationResult result = ask(*model, kTalk);
  EXPECT_EQ(result.cached_tokens, static_cast<int>(prompt.tokens.size()));
  EXPECT_NE(result.text.find("Mira"), std::string::npos) << result.text;
}

TEST(StateAcrossProcesses, AStateReplacesAStateAndNothingElse) {
  const ScratchFolder scratch;
  const auto model = load(test::kModel);
  const Prompt prompt = history(*model);
  const std::string model_copy = scratch.path() / "model.gguf";
  std::filesystem::copy_file(test::kModel, model_copy);
  const std::string link = scratch.path() / "link.state";
  std::filesystem::create_symlink(model_copy, link);
  const std::string vocabulary = scratch.path() / "vocab.txt";
  test::write_file(vocabulary, "1 'a' 1\n2 'b' 1\n");
  for (const std::string& path : {model_copy, link, vocabulary}) {
    const auto size = std::filesystem::file_size(path);
    try {
      model->save_state(path, prompt, StateType::kF32, CancelToken());
      ADD_FAILURE() << path << " was replaced";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
    }
    EXPECT_EQ(std::filesystem::file_size(path), size);
  }
  const std::string state = scratch.path() / "state";
  test::write_file(state, "");
  for (int i = 0; i < 2; ++i) model->save_state(state, prompt, StateType::kF32, CancelToken());
}

TEST(StateAcrossProcesses, AnotherModelRefusesTheStateAndTheFile) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "state";
  const auto model = load(test::kModel);
  const Prompt prompt = history(*model);
  model->save_state(path, prompt, StateType::kF32, CancelToken());
  const State state = model->state_after(prompt, CancelToken());
  const auto other = load(std::string(RWKV_SOURCE_DIR) + "/tests/data/rwkv6/model.gguf");
  const auto refused = [](const auto& call) {
    try {
      call();
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find("another model"), std::string::npos) << error.what();
    }
  };
  refused([&] { other->remember(prompt.tokens, state); });
  refused([&] { other->load_state(path); });
  EXPECT_EQ(other->cache().stats().entries, 0u);
}

// llama.cpp's description of a sequence, written from its layout: a version without magic and one with, any position.
std::string sequence_bytes(const StateTensors& tensors, bool with_magic, std::int32_t position) {
  std::string out;
  const auto add = [&out](auto value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
  if (with_magic) {
    add(std::uint32_t{0x67677371});
    add(std::uint32_t{0});
  }
  add(std::uint32_t{1});  // cells
  add(position);          // of the last token
  add(std::uint32_t{0});  // sequence ids
  add(std::uint32_t{0});  // not transposed
  add(tensors.layers);
  const std::size_t shifts = 2 * std::size_t{tensors.width};
  const auto matrices = static_cast<std::size_t>(tensors.matrix_values());
  for (const bool is_matrix : {false, true}) {
    for (std::size_t layer = 0; layer < tensors.layers; ++layer) {
      const std::size_t count = is_matrix ? matrices : shifts;
      add(std::int32_t{0});  // F32
      add(std::uint64_t{count * sizeof(float)});
      const float* from = tensors.values.data() + layer * (shifts + matrices) + (is_matrix ? shifts : 0);
      out.append(reinterpret_cast<const char*>(from), count * sizeof(float));
    }
  }
  return out;
}

TEST(OldStateFiles, AConversationOfTheExistingEngineGoesOnWithTheSameTokens) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "state";
  const auto model = load(test::kModel);
  const Tokens expected = ask(*model, kTalk).tokens;
  const Tokens all = history(*model).tokens;
  const auto numbers_after = [&](std::size_t count) {
    Prompt prompt;
    prompt.tokens.assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count));
    model->save_state(path, prompt, StateType::kF32, CancelToken());
    return read_state_file(path).tensors;
  };
  const StateTensors before = numbers_after(all.size() - 1);
  const StateTensors after = numbers_after(all.size());
  const auto packed = [&](const std::string& first, const std::string& second) {
    std::string out;
    const auto add = [&out](auto value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
    add(std::uint32_t{0x5350524C});
    add(std::uint32_t{1});
    add(std::uint8_t{1});
    add(all.back());
    add(std::uint64_t{first.size()});
    add(std::uint64_t{second.size()});
    return out + first + second;
  };
  const auto position = static_cast<std::int32_t>(all.size() - 1);  // that of the last token, counted from 0
  for (const bool with_magic : {false, true}) {
    const std::string bare = sequence_bytes(after, with_magic, position);
    const std::string both = packed(sequence_bytes(before, with_magic, position - 1), bare);
    for (const std::string& bytes : {bare, both}) {
      test::write_file(path, test::old_state_file(bytes, all, 0));
      model->cache().clear();
      model->load_state(path);
      const GenerationResult result = ask(*model, kTalk);
      EXPECT_EQ(result.cached_tokens, static_cast<int>(all.size() - (bytes == both ? 1 : 0)));
      EXPECT_EQ(result.tokens, expected);
    }
    // Cut off anywhere, or of another geometry: refused, and nothing is remembered.
    model->cache().clear();
    for (std::size_t size = 0; size < both.size(); size += 1 + size / 20) {
      test::write_file(path, test::old_state_file(both.substr(0, size), all, 0));
      EXPECT_THROW(model->load_state(path), Error) << size;
    }
    StateTensors narrow = after;
    narrow.width /= 2;
    test::write_file(path, test::old_state_file(sequence_bytes(narrow, with_magic, position), all, 0));
    EXPECT_THROW(model->load_state(path), Error);
    EXPECT_EQ(model->cache().stats().entries, 0u);
  }
}

}  // namespace
}  // namespace rwkv
#endif
