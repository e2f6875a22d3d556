// Tuned initial states: numbers against the references, where they apply, and files that are not what they should be.
#include "runtime/initial_state.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "formats/state_file.h"
#include "support/hostile.h"
#include "support/language_models.h"

namespace rwkv {
namespace {

using test::load_language_model;
using test::ScratchFolder;

const std::string kData = std::string(RWKV_SOURCE_DIR) + "/tests/data/";

GenerationOptions greedy(int tokens) {
  GenerationOptions options;
  options.sampler.top_k = 1;
  options.penalties = {0, 0, 1};
  options.max_tokens = tokens;
  return options;
}

struct Case {
  const char* folder;
  const char* model;
};

class InitialStates : public testing::TestWithParam<Case> {
 protected:
  std::string folder() const { return kData + GetParam().folder; }
  std::unique_ptr<LanguageModel> load_model() const {
    return load_language_model(RWKV_SOURCE_DIR + std::string(GetParam().model));
  }
};

// The reference keeps its matrices as the training code does, so a transposed one would show.
TEST_P(InitialStates, LogitsAfterThemEqualTheReference) {
  const auto model = load_model();
  const auto fixtures = nlohmann::json::parse(test::read_file(folder() + "/initial_state.json"));
  ASSERT_EQ(fixtures.size(), 3u);
  for (const char* name : {"/initial_state.pth", "/initial_state.rmpack"}) {
    model->load_initial_state(folder() + name);
    Prompt prompt = model->completion_prompt(initial_state_tag(folder() + name));
    ASSERT_GT(prompt.start.position(), 0);
    prompt.tokens.resize(static_cast<std::size_t>(prompt.start.position()));
    for (const auto& fixture : fixtures) {
      Tokens tokens = prompt.tokens;
      const Tokens rest = fixture.at("tokens").get<Tokens>();
      tokens.insert(tokens.end(), rest.begin(), rest.end());
      State state = prompt.start;
      const std::vector<float> logits = model->logits(tokens, state, CancelToken());
      const auto expected = fixture.at("logits").get<std::vector<float>>();
      ASSERT_EQ(logits.size(), expected.size());
      for (std::size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(logits[i], expected[i], 1e-3f) << fixture.at("name");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, InitialStates,
                         testing::Values(Case{"tiny", "/models/tiny/rwkv7-tiny.gguf"},
                                         Case{"rwkv6", "/tests/data/rwkv6/model.gguf"}),
                         [](const auto& test) { return std::string(test.param.folder); });

class ShippedInitialState : public testing::Test {
 protected:
  std::string path_ = kData + "tiny/initial_state.pth";
  std::string tag_ = initial_state_tag(path_);
  std::unique_ptr<LanguageModel> model_ = load_language_model();

  std::string text(const std::string& prompt, bool use_cache = true) {
    GenerationOptions options = greedy(20);
    options.use_cache = use_cache;
    return model_->generate(model_->completion_prompt(prompt), options, {}, CancelToken()).text;
  }
};

TEST_F(ShippedInitialState, IsUsedByPromptsThatBeginWithTheTagAndNoOthers) {
  const std::string plain = text("User: Hi");
  const std::string with_tag_as_text = text(tag_ + "User: Hi");
  model_->load_initial_state(path_);
  const std::string tuned = text(tag_ + "User: Hi");
  EXPECT_NE(tuned, plain);
  EXPECT_NE(tuned, with_tag_as_text);
  EXPECT_EQ(text("User: Hi"), plain);
  EXPECT_EQ(text(tag_ + "User: Hi", false), tuned) << "the cache changes nothing";
  // What a user writes is text, wherever it stands.
  const Prompt said = model_->chat_prompt({}, alternate_roles(std::vector<std::string>{tag_}), true, false);
  EXPECT_EQ(said.start.position(), 0);
  model_->unload_initial_state(path_);
  EXPECT_EQ(text(tag_ + "User: Hi"), with_tag_as_text);
  EXPECT_EQ(model_->cache().stats().pinned_bytes, 0u);
}

TEST_F(ShippedInitialState, AChatOfSeveralTurnsIsTheSameWithTheCacheAndWithout) {
  model_->load_initial_state(path_);
  ChatFormat format;
  format.prompt = tag_ + "\n";
  std::vector<std::string> with{"Hi"};
  std::vector<std::string> without{"Hi"};
  const auto ask = [&](const std::vector<std::string>& messages, bool use_cache) {
    GenerationOptions options = greedy(12);
    options.use_cache = use_cache;
    return model_->generate(model_->chat_prompt(format, alternate_roles(messages), true, false), options, {},
                            CancelToken());
  };
  for (int turn = 0; turn < 4; ++turn) {
    const GenerationResult cached = ask(with, true);
    const GenerationResult read = ask(without, false);
    ASSERT_EQ(cached.tokens, read.tokens) << turn;
    with.insert(with.end(), {cached.text, "And what is 3 + 4?"});
    without.insert(without.end(), {read.text, "And what is 3 + 4?"});
    model_->wait_until_settled();
  }
}

TEST_F(ShippedInitialState, OneTokenAfterTheTagIsEnough) {
  model_->load_initial_state(path_);
  const std::string some = text(tag_ + "U", false);
  EXPECT_EQ(text(tag_ + "U"), some);
  EXPECT_EQ(text(tag_ + "U"), some);
  EXPECT_EQ(text(tag_), text(tag_, false));
}

TEST_F(ShippedInitialState, LoadingTwiceIsOnceAndClearingTheCacheKeepsIt) {
  model_->load_initial_state(path_);
  const StateCache::Stats first = model_->cache().stats();
  model_->load_initial_state(path_);
  EXPECT_EQ(model_->cache().stats().bytes, first.bytes);
  const std::string tuned = text(tag_ + "User: Hi");
  model_->cache().clear();
  EXPECT_EQ(model_->cache().stats().entries, 1u);
  EXPECT_EQ(text(tag_ + "User: Hi"), tuned);
  model_->unload_initial_state("/no/such/state.pth");
}

TEST_F(ShippedInitialState, ANewFileAtThePathCountsAfterUnloading) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "状态.rmpack";
  std::string bytes = test::read_file(kData + "tiny/initial_state.rmpack");
  test::write_file(path, bytes);
  const std::string prompt = initial_state_tag(path) + "User: Hi";
  model_->load_initial_state(path);
  const std::string before = text(prompt);
  model_->unload_initial_state(path);
  for (std::size_t i = 4097; i < bytes.size(); i += 2) bytes[i] = static_cast<char>(bytes[i] ^ 0x80);  // other signs
  test::write_file(path, bytes);
  model_->load_initial_state(path);
  const std::string after = text(prompt);
  EXPECT_NE(after, before);
  EXPECT_EQ(text(prompt, false), after);
}

TEST_F(ShippedInitialState, AStateMadeOfItAheadOfTimeIsTheRightOne) {
  model_->load_initial_state(path_);
  for (const std::string rest : {"\n", "\nU", "\nUser: ", "\nUser: Hi\n\nAssistant:"}) {
    const std::string whole = tag_ + "\nUser: Hi\n\nAssistant:";
    model_->cache().clear();
    const std::string expected = text(whole, false);
    model_->state_after(model_->completion_prompt(tag_ + rest), CancelToken());
    EXPECT_EQ(text(whole), expected) << rest;
  }
}

// The tiny model's state with more in its configuration; the table that moves has zeros after it.
std::string state_with(const std::string& setting) {
  const std::string bytes = test::read_file(kData + "tiny/initial_state.rmpack");
  constexpr std::size_t kConfig = 12;  // after the magic and the length
  const std::size_t length = static_cast<unsigned char>(bytes[8]) + setting.size();
  const std::size_t end = bytes.find('}', kConfig);
  std::string head = bytes.substr(0, end) + setting + bytes.substr(end, 4096 - end - setting.size());
  head[8] = static_cast<char>(length);
  return head + bytes.substr(4096);
}

TEST_F(ShippedInitialState, ChatsThatNameOneOfTheFlowerFormHaveThatForm) {
  const ScratchFolder scratch;
  const std::vector<std::pair<std::string, bool>> settings{{R"(, "flower_template": true)", true},
                                                           {R"(, "flower_template": "on")", true},
                                                           {R"(, "flower_template": 0)", false},
                                                           {"", false}};
  for (std::size_t i = 0; i < settings.size(); ++i) {
    const auto& [setting, flower] = settings[i];
    const std::string path = scratch.path() / (std::to_string(i) + ".rmpack");
    test::write_file(path, state_with(setting));
    model_->load_initial_state(path);
    ChatFormat format;
    format.response_role = "Bot";
    format.eos = "✿";
    const auto text_of = [&](const std::string& prompt) {
      format.prompt = prompt;
      const Prompt chat = model_->chat_prompt(format, alternate_roles(std::vector<std::string>{"Hi"}), true, false);
      const std::span tokens(chat.tokens);
      return model_->tokenizer().decode(tokens.subspan(static_cast<std::size_t>(chat.start.position())));
    };
    EXPECT_EQ(text_of(initial_state_tag(path)), flower ? "User✿Hi✿\nBot✿" : "User: Hi✿Bot:") << setting;
    EXPECT_EQ(text_of(""), "User: Hi✿Bot:") << "names no state";
    model_->unload_initial_state(path);
    EXPECT_TRUE(text_of(initial_state_tag(path)).ends_with("User: Hi✿Bot:")) << "forgotten";
  }
}

TEST_F(ShippedInitialState, FilesThatAreNotForThisModelAreRefusedWithTheReason) {
  const auto refused = [&](const std::string& path, ErrorCode code, const std::string& part) {
    try {
      model_->load_initial_state(path);
      ADD_FAILURE() << path << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  refused("/no/such/state.pth", ErrorCode::kNotFound, "/no/such/state.pth");
  refused(kData + "rwkv6/initial_state.pth", ErrorCode::kBadFile, "time_state");
  refused(kData + "rwkv6/initial_state.rmpack", ErrorCode::kBadFile, "hidden_size");
  refused(kData + "formats/state.rmpack", ErrorCode::kBadFile, "hidden_size");
  refused(kData + "formats/mixed.pth", ErrorCode::kBadFile, "missing");
  refused(kData + "convert/rwkv7.pth", ErrorCode::kBadFile, "missing");
  refused(test::kModel, ErrorCode::kBadFile, "is a model (GGUF), not a tuned initial state");
  EXPECT_EQ(model_->cache().stats().entries, 0u);
  EXPECT_EQ(text("User: Hi"), text("User: Hi"));
}

TEST_F(ShippedInitialState, CutOffFilesAreRefused) {
  const ScratchFolder scratch;
  for (const char* name : {"pth", "rmpack"}) {
    const std::string whole = test::read_file(kData + "tiny/initial_state." + name);
    const std::string path = scratch.path() / "cut";
    for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 97) {
      test::write_file(path, whole.substr(0, size));
      EXPECT_THROW(read_initial_state(path, model_->info()), Error) << name << " of " << size;
    }
  }
}

TEST_F(ShippedInitialState, AFlippedBitInACheckpointIsNoticed) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "flipped.pth";
  std::string bytes = test::read_file(path_);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  test::write_file(path, bytes);
  try {
    read_initial_state(path, model_->info());
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("checksum"), std::string::npos) << error.what();
  }
}

TEST(ScriptedInitialState, IsUnsupported) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "model.json";
  test::write_file(path, R"({"rwkv_script": 1, "replies": [{"say": "Hi."}]})");
  const auto model = load_language_model(path);
  try {
    model->load_initial_state(kData + "tiny/initial_state.pth");
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  }
}

}  // namespace
}  // namespace rwkv
