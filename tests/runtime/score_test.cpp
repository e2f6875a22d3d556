// How likely a text is: read in chunks with all logits, it is what the equations say, and what steps of one token say.
#include <gtest/gtest.h>

#include <cmath>
#include <future>

#include "runtime/language_model.h"
#include "support/scratch.h"
#include "support/tiny_rwkv.h"

namespace rwkv {
namespace {

std::unique_ptr<LanguageModel> load(int sequences = 1) {
  ModelRequest request;
  request.model_path = test::kModel;
  request.options.max_sequences = sequences;
  return LanguageModel::load(request);
}

const std::string kQuestion = "User: What is 20 plus 8?\n\nAssistant:";

// 845 tokens.
std::string long_target() {
  std::string text = " 84\n\n";
  for (int i = 10; i < 50; ++i) {
    text += "User: What is " + std::to_string(i) + " plus " + std::to_string(i + 3) +
            "?\n\nAssistant: " + std::to_string(2 * i + 3) + "\n\n";
  }
  return text;
}

// The expected numbers are of tools/reference (numpy, double precision).
TEST(Score, IsThatOfTheReference) {
  const auto model = load();
  const Score first = model->score("", " the sum of 63 and 81 is 144", CancelToken());
  EXPECT_NEAR(first.log_probability, -80.48158917870141, 1e-3);
  EXPECT_FALSE(first.greedy_matches);
  const Score answer = model->score(kQuestion, " 28", CancelToken());
  EXPECT_NEAR(answer.log_probability, -0.011315896056234079, 1e-5);
  EXPECT_TRUE(answer.greedy_matches);
  EXPECT_EQ(answer.greedy_text, " 28");
  const Score text = model->score("User: How much is 78 plus 6\n\nAssistant:", long_target(), CancelToken());
  EXPECT_NEAR(text.log_probability, -552.293155308718, 0.01);
}

// The same from the logits after each beginning of the text.
double stepped_score(LanguageModel& model, const std::string& source, const std::string& target) {
  Tokens text{kEndOfText};
  for (const TokenId token : model.tokenizer().encode(source)) text.push_back(token);
  double sum = 0;
  State state;
  for (const TokenId wanted : model.tokenizer().encode(target)) {
    const std::vector<float> logits = model.logits(text, state, CancelToken());
    double total = 0;
    for (const float logit : logits) total += std::exp(static_cast<double>(logit));
    sum += static_cast<double>(logits[static_cast<std::size_t>(wanted)]) - std::log(total);
    text.push_back(wanted);
  }
  return sum;
}

TEST(Score, IsThatOfStepsWhateverTheLengths) {
  const auto model = load();
  const std::string target = long_target();
  for (const std::string& source : {std::string(), std::string("U"), kQuestion, target.substr(0, 700)}) {
    for (const std::size_t bytes : {1u, 2u, 3u, 40u, 300u}) {
      const std::string some = target.substr(5, bytes);
      EXPECT_NEAR(model->score(source, some, CancelToken()).log_probability, stepped_score(*model, source, some), 2e-3)
          << source.size() << ' ' << bytes;
    }
  }
}

TEST(Score, OfManyAnswersToOneQuestionAtTheSameTimeIsThatOfEachAlone) {
  const auto model = load(4);
  const std::string source = long_target().substr(0, 600) + kQuestion;
  const std::vector<std::string> answers{" 28", " 27", " 28\n\nUser: What is", " 5", " 28\n\nUser: Why"};
  std::vector<Score> alone;
  for (const std::string& answer : answers) alone.push_back(model->score(source, answer, CancelToken()));
  std::vector<std::future<Score>> together;
  for (const std::string& answer : answers) {
    together.push_back(
        std::async(std::launch::async, [&, answer] { return model->score(source, answer, CancelToken()); }));
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const Score score = together[i].get();
    EXPECT_NEAR(score.log_probability, alone[i].log_probability, 1e-3) << answers[i];
    EXPECT_EQ(score.greedy_text, alone[i].greedy_text);
  }
}

TEST(Score, OfAScriptIsReadToo) {
  const test::ScratchFolder folder;
  const std::string path = folder.path() / "model";
  test::write_file(path, R"({"rwkv_script": 1, "replies": [{"say": ")" + std::string(300, 's') + "\"}]}");
  ModelRequest request;
  request.model_path = path;
  const auto model = LanguageModel::load(request);
  const std::string answer = " " + std::string(300, 's') + "\n\n";
  const Score score = model->score("User: go\n\nAssistant:", answer, CancelToken());
  EXPECT_TRUE(score.greedy_matches);
  EXPECT_EQ(score.greedy_text, answer);
}

TEST(Score, CanBeCancelled) {
  const auto model = load();
  CancelToken cancel;
  cancel.cancel();
  try {
    model->score(kQuestion, " 28", cancel);
    FAIL() << "was scored";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

}  // namespace
}  // namespace rwkv
