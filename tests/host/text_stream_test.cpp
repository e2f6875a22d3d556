// What a generation has written, for readers that read at their own pace.
#include "host/text_stream.h"

#include <gtest/gtest.h>

#include <string>

#include "host/generate.h"
#include "support/language_models.h"

namespace rwkv::host {
namespace {

class TextStreams : public ::testing::Test {
 protected:
  std::unique_ptr<LanguageModel> load(const std::string& answer) {
    const auto path = scratch_.path() / "model.json";
    test::write_file(path, R"({"rwkv_script": 1, "replies": [{"say": ")" + answer + R"("}]})");
    return test::load_language_model(path.string());
  }
  // A run of `slots` answers that has been written.
  static std::shared_ptr<host::Run> written(LanguageModel& model, std::size_t slots, bool keep_steps) {
    const auto run = std::make_shared<host::Run>(slots, keep_steps);
    const auto make_tasks = [&] {
      std::vector<GenerationTask> tasks(slots);
      for (GenerationTask& task : tasks) {
        task.prompt = model.chat_prompt({}, alternate_roles(std::vector<std::string>{"Hi"}), true, false);
        task.options.max_tokens = 20000;
      }
      return tasks;
    };
    submit_into(run, model, make_tasks, nullptr).wait();
    return run;
  }

  test::ScratchFolder scratch_;
};

// A reader of a puzzle's tokens that takes none must not hold up the thread that all of the model's clients share.
TEST_F(TextStreams, StepsThatNobodyTakesHoldNobodyUpAndAreAllThere) {
  const std::string answer(10000, 'y');  // more than any bound that steps had
  const auto model = load(answer);
  const auto run = written(*model, 1, true);
  ASSERT_TRUE(run->stream.ended());
  std::string text;
  Tokens tokens;
  for (const TextStream::Step& step : run->stream.take_steps()) {
    text += step.text;
    EXPECT_EQ(step.text_end, text.size());
    if (step.token) tokens.push_back(*step.token);
  }
  EXPECT_EQ(text, answer);
  EXPECT_EQ(tokens, run->stream.tokens_from(0, 0).what);
  EXPECT_TRUE(run->stream.take_steps().empty());
}

TEST_F(TextStreams, EachReaderGetsAllOfIt) {
  const auto model = load("one two three");
  const auto run = written(*model, 2, false);
  for (std::size_t slot = 0; slot < 2; ++slot) {
    EXPECT_EQ(run->stream.text_from(slot, 0).what, "one two three");
    EXPECT_EQ(run->stream.text_after(slot, 4), "two three");
    EXPECT_EQ(run->stream.text_after(slot, 13), "");
    const auto delta = run->stream.take_delta(slot);
    ASSERT_TRUE(delta);
    EXPECT_EQ(delta->text, "one two three");
    EXPECT_EQ(run->stream.end(slot)->reason, run->results[slot].reason);
  }
  EXPECT_TRUE(run->stream.take_steps().empty());  // which nobody asked for
}

TEST_F(TextStreams, AReaderThatWaitsHearsOfTheEnd) {
  const auto model = load("a b c d e f g h");
  const auto run = std::make_shared<host::Run>(1);
  const auto end = submit_into(
      run, *model,
      [&] {
        std::vector<GenerationTask> tasks;
        tasks.push_back({model->chat_prompt({}, alternate_roles(std::vector<std::string>{"Hi"}), true, false), {}});
        return tasks;
      },
      nullptr);
  std::string text;
  bool ended = false;
  for (std::uint64_t seen = 0; !ended;) {
    seen = run->stream.wait_for_news(seen);
    ended = run->stream.ended();
    text += run->stream.text_after(0, text.size());
  }
  EXPECT_EQ(text, "a b c d e f g h");
  end.wait();
}

TEST_F(TextStreams, ARunThatCannotBeginSaysWhy) {
  const auto model = load("x");
  const auto run = std::make_shared<host::Run>(1);
  const auto no_tasks = []() -> std::vector<GenerationTask> { return {}; };
  submit_into(run, *model, no_tasks, nullptr).wait();
  EXPECT_TRUE(run->stream.ended());
  ASSERT_TRUE(refusal(*run));
  EXPECT_EQ(refusal(*run)->code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run->stream.end(0)->reason, EndReason::kError);

  const auto cancelled = std::make_shared<host::Run>(1);
  cancelled->cancel.cancel();
  submit_into(cancelled, *model, no_tasks, nullptr).wait();
  EXPECT_EQ(refusal(*cancelled)->code(), ErrorCode::kCancelled);
  EXPECT_EQ(cancelled->stream.end(0)->reason, EndReason::kCancelled);
}

}  // namespace
}  // namespace rwkv::host
