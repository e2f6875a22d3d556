// Long conversations on the shipped model and many on a scripted one: what a turn costs, and that nothing but the cost
// depends on the cache.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "runtime/language_model.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

using test::ScratchFolder;

std::unique_ptr<LanguageModel> shipped(const std::string& backend, int max_sequences = 4) {
  ModelRequest request;
  request.model_path = test::kModel;
  request.backend = backend;
  request.options.max_sequences = max_sequences;
  request.options.threads = 1;
  return LanguageModel::load(request);
}

GenerationOptions greedy(bool use_cache = true) {
  GenerationOptions options;
  options.sampler.top_k = 1;
  options.penalties = {0, 0, 0};
  options.max_tokens = 60;
  options.use_cache = use_cache;
  return options;
}

Prompt chat(const LanguageModel& model, const std::vector<std::string>& contents) {
  return model.chat_prompt({}, alternate_roles(contents), contents.size() % 2 == 1, false);
}

std::string question(int turn) {
  return "What is " + std::to_string(turn % 50) + "+" + std::to_string(turn * 7 % 40) + "?";
}

// What the last two messages and the beginning of the answer are as tokens: the new turn.
int tokens_of_turn(const LanguageModel& model, const std::string& text) {
  return static_cast<int>(model.tokenizer().encode("User: " + text + "\n\nAssistant:").size());
}

// The state of a text that is read at once, without a cache.
State read_at_once(LanguageModel& model, const Tokens& tokens) {
  model.cache().clear();
  const State state = model.state_after(tokens, CancelToken());
  model.cache().clear();
  return state;
}

bool equal(const State& a, const State& b) { return a.to_host() == b.to_host(); }

// In both engines, of which only one reads its answers again.
class LongConversation : public ::testing::TestWithParam<const char*> {
 protected:
  // Ends with the last question open.
  void talk(int turns) {
    for (int turn = 0; turn < turns; ++turn) {
      messages_.push_back(question(turn));
      const GenerationResult result = model_->generate(chat(*model_, messages_), greedy(), {}, CancelToken());
      if (turn > 0) {
        ASSERT_EQ(result.prompt_tokens - result.cached_tokens, tokens_of_turn(*model_, messages_.back())) << turn;
      }
      messages_.push_back(result.text);
    }
  }

  const std::unique_ptr<LanguageModel> model_ = shipped(GetParam());
  std::vector<std::string> messages_;
};

INSTANTIATE_TEST_SUITE_P(Engines, LongConversation, ::testing::Values("llama.cpp", "native"), [](const auto& engine) {
  return std::string(engine.param) == "native" ? "Native" : "LlamaCpp";
});

TEST_P(LongConversation, EachOfAHundredTurnsReadsItsOwnTokensOnly) { talk(100); }

// What our own engine wrote counts as read. Between two turns nothing is evaluated: the longest text that is known then
// ends where the answer does. A turn costs its own tokens; the blank line that ends the answer goes with it.
TEST(WrittenIsRead, InAHundredTurnsNothingIsPrefilledButTheTurnsThemselves) {
  const auto model = shipped("native");
  std::vector<std::string> messages;
  int read = 0;
  int of_turns = 0;
  for (int turn = 0; turn < 100; ++turn) {
    messages.push_back(question(turn));
    of_turns += tokens_of_turn(*model, messages.back());
    const Prompt prompt = chat(*model, messages);
    const GenerationResult result = model->generate(prompt, greedy(), {}, CancelToken());
    read += result.prompt_tokens - result.cached_tokens;
    messages.push_back(result.text);
    model->wait_until_settled();

    Tokens written = prompt.tokens;
    model->tokenizer().encode(" " + result.text, written);
    messages.push_back("x");
    const Tokens next = chat(*model, messages).tokens;
    messages.pop_back();
    ASSERT_TRUE(std::equal(written.begin(), written.end(), next.begin())) << result.text;
    EXPECT_EQ(model->cache().longest_prefix(next).position(), static_cast<std::int64_t>(written.size())) << turn;
  }
  EXPECT_EQ(read, of_turns);
}

TEST_P(LongConversation, RegeneratingAnyTurnReadsOneToken) {
  talk(20);
  model_->wait_until_settled();
  for (const std::size_t turn : {1u, 7u, 19u}) {
    const std::vector<std::string> until(messages_.begin(),
                                         messages_.begin() + static_cast<std::ptrdiff_t>(2 * turn + 1));
    const GenerationResult again = model_->generate(chat(*model_, until), greedy(), {}, CancelToken());
    EXPECT_EQ(again.prompt_tokens - again.cached_tokens, 1) << turn;
    EXPECT_EQ(again.text, messages_[2 * turn + 1]);
  }
}

TEST_P(LongConversation, EditingAnEarlierTurnReadsWhatComesAfterTheChange) {
  talk(20);
  model_->wait_until_settled();
  std::vector<std::string> edited(messages_.begin(), messages_.begin() + 10);
  edited.push_back("How much is 31 plus 8?");
  const GenerationResult result = model_->generate(chat(*model_, edited), greedy(), {}, CancelToken());
  EXPECT_EQ(result.prompt_tokens - result.cached_tokens, tokens_of_turn(*model_, edited.back()));
  // The branch and the original go on side by side.
  edited.push_back(result.text);
  for (std::vector<std::string>* branch : {&edited, &messages_}) {
    branch->push_back("What is my name?");
    const GenerationResult next = model_->generate(chat(*model_, *branch), greedy(), {}, CancelToken());
    EXPECT_EQ(next.prompt_tokens - next.cached_tokens, tokens_of_turn(*model_, "What is my name?"));
  }
}

TEST_P(LongConversation, ARestoredHistoryCanBeEditedAnywhere) {
  talk(40);
  model_->cache().clear();
  std::vector<std::string> restored = messages_;
  restored.push_back("What is 2+2?");
  model_->generate(chat(*model_, restored), greedy(), {}, CancelToken());  // read as one prompt
  for (const std::ptrdiff_t keep : {10, 40, 70}) {
    std::vector<std::string> edited(messages_.begin(), messages_.begin() + keep);
    edited.push_back("How much is 5 plus 6?");
    const GenerationResult result = model_->generate(chat(*model_, edited), greedy(), {}, CancelToken());
    EXPECT_LE(result.prompt_tokens - result.cached_tokens, tokens_of_turn(*model_, edited.back()) + 64) << keep;
  }
}

TEST_P(LongConversation, StatesAreTheSameBitForBitAsWithoutACache) {
  talk(12);
  model_->wait_until_settled();
  const std::vector<StateCache::Node> nodes = model_->cache().nodes();
  std::vector<State> cached;
  for (const auto& node : nodes) cached.push_back(model_->cache().longest_prefix(node.tokens));
  ASSERT_GE(nodes.size(), 24u);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    EXPECT_TRUE(equal(cached[i], read_at_once(*model_, nodes[i].tokens))) << nodes[i].tokens.size() << " tokens";
  }
}

TEST_P(LongConversation, SampledAnswersAreTheSameWithTheCacheAndWithout) {
  GenerationOptions options;
  options.sampler.top_p = 0.95f;
  options.sampler.temperature = 1.5f;
  options.max_tokens = 40;
  for (int turn = 0; turn < 15; ++turn) {
    messages_.push_back(question(turn));
    options.seed = static_cast<std::uint64_t>(turn);
    options.use_cache = true;
    const GenerationResult with = model_->generate(chat(*model_, messages_), options, {}, CancelToken());
    options.use_cache = false;
    const GenerationResult without = model_->generate(chat(*model_, messages_), options, {}, CancelToken());
    ASSERT_EQ(with.tokens, without.tokens) << turn;
    ASSERT_EQ(without.cached_tokens, 0);
    messages_.push_back(with.text);
  }
}

TEST(Batch, EverySlotWritesWhatItWritesAlone) {
  const auto model = shipped("", 16);
  std::vector<GenerationTask> tasks;
  for (int i = 0; i < 24; ++i) {  // more than there are sequences: they come and go at different steps
    GenerationTask task{chat(*model, {question(i), "ok", "Spell planet backwards."}), greedy(false)};
    if (i % 2 == 1) {
      task.options.sampler.top_k = 50;
      task.options.sampler.top_p = 0.95f;
      task.options.penalties = {};
      task.options.seed = static_cast<std::uint64_t>(i);
    }
    task.options.max_tokens = 10 + i;
    tasks.push_back(std::move(task));
  }
  const std::vector<GenerationResult> together = model->generate(tasks, {}, CancelToken());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const GenerationResult alone = model->generate(tasks[i].prompt, tasks[i].options, {}, CancelToken());
    EXPECT_EQ(together[i].tokens, alone.tokens) << i;
    EXPECT_EQ(together[i].reason, alone.reason) << i;
  }
}

// 10,000 conversations a limit, with a scripted model whose states are as long as its texts: the limit holds after
// every answer and no answer depends on it. RWKV_CONVERSATIONS sets their number.
TEST(CacheBudget, IsNeverExceededAndChangesNoAnswer) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "model.json";
  test::write_file(path,
                   R"({"rwkv_script": 1, "replies": [{"when": "a", "say": "Alpha."}, {"when": "b", "say": "Beta."},
                             {"say": "Gamma."}]})");
  ModelRequest request;
  request.model_path = path;
  const char* wanted = std::getenv("RWKV_CONVERSATIONS");
  const int conversations = wanted ? std::atoi(wanted) : 30'000;
  for (const std::uint64_t megabytes : {1u, 10u, 100u}) {
    const auto model = LanguageModel::load(request);
    model->cache().set_limit(megabytes << 20);
    std::mt19937 random(static_cast<unsigned>(megabytes));
    std::vector<std::vector<std::string>> open;
    std::uint64_t most = 0;
    for (int i = 0; i < conversations / 3; ++i) {
      if (open.empty() || random() % 3 == 0) open.emplace_back();
      auto& messages = open[random() % open.size()];
      if (messages.size() > 6) messages.resize(random() % 3 * 2);  // edited, or begun anew
      const char* const word = random() % 2 ? "a" : "b";
      messages.push_back(std::string(1 + random() % 200, 'x') + word);
      const GenerationResult result = model->generate(chat(*model, messages), {}, {}, CancelToken());
      ASSERT_EQ(result.text, *word == 'a' ? "Alpha." : "Beta.");
      messages.push_back(result.text);
      const StateCache::Stats stats = model->cache().stats();
      ASSERT_LE(stats.bytes, stats.limit_bytes);
      most = std::max(most, stats.bytes);
    }
    EXPECT_GT(most, (megabytes << 20) / 100);
    if (megabytes == 1) {
      EXPECT_GT(most, (megabytes << 20) * 9 / 10) << "the limit was never reached";
    }
  }
}

}  // namespace
}  // namespace rwkv
