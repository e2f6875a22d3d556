// `rwkv chat` and `rwkv generate` with input from a file or pipe.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "command.h"

namespace rwkv::test {
namespace {

using nlohmann::json;

/// A model that says what it is told to.
class Scripted {
 public:
  explicit Scripted(const std::string& fields) : path_(scratch_.path() / "model.json") {
    write_file(path_, "{\"rwkv_script\": 1, " + fields + "}");
  }
  CommandResult chat(const std::string& input, std::vector<std::string> more = {},
                     int interrupt_after_bytes = -1) const {
    more.insert(more.begin(), {"chat", "-q", "-m", path_.string()});
    return rwkv(more, input, interrupt_after_bytes);
  }

 private:
  const ScratchFolder scratch_;
  const std::filesystem::path path_;
};

/// One parsed object a line; fails where a line is none.
std::vector<json> lines_of(const std::string& text) {
  std::vector<json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(json::parse(line, nullptr, false));
    EXPECT_TRUE(lines.back().is_object()) << line;
  }
  return lines;
}

TEST(PipedChat, CtrlCEndsTheProgramAndNotOnlyTheAnswer) {
  const Scripted model(R"("decode_us": 20000, "replies": [{"when": "long", "say": ")" + std::string(2000, 'y') +
                       R"("}, {"say": "Short."}])");
  const CommandResult result = model.chat("a long one\nand now\n", {}, 5);
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_EQ(result.out.find("Short."), std::string::npos) << result.out;
}

TEST(PipedChat, WithJsonStandardOutputHasOnlyAnswersAndEachOfThem) {
  const Scripted model(R"("replies": [{"when": "first", "say": "One."}, {"say": "Two."}])");
  const CommandResult result =
      model.chat("/help\n/again\nthe first\n/again\n/think on\n/reset\nthe second\n", {"--json", "--echo"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::vector<json> answers = lines_of(result.out);
  ASSERT_EQ(answers.size(), 3u) << result.out;
  EXPECT_EQ(answers[0]["text"], "One.");
  EXPECT_EQ(answers[1]["text"], "One.");
  // With thinking on and nothing before it.
  EXPECT_EQ(answers[2]["promptTokens"],
            lines_of(model.chat("the second\n", {"--json", "--think"}).out)[0]["promptTokens"]);
  EXPECT_NE(result.err.find("> the first"), std::string::npos) << result.err;
}

TEST(PipedChat, ALineThatOnlyBeginsLikeACommandIsAQuestion) {
  const Scripted model(R"("replies": [{"when": "/usr/bin", "say": "Programs."}, {"say": "What?"}])");
  const CommandResult result = model.chat("/usr/bin is what?\n/nothing\n/quit\nnever asked\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "Programs.\nWhat?\n");
}

TEST(PipedChat, AnEmptyQuestionIsAskedAndNotReadFromStandardInput) {
  const Scripted model(R"("replies": [{"when": "piped", "say": "Piped."}, {"say": "Given."}])");
  EXPECT_EQ(model.chat("piped\n", {"-p", ""}).out, "Given.\n");
}

TEST(PipedChat, ThinkAloneChangesIt) {
  const Scripted model(R"("replies": [{"say": "Yes."}])");
  EXPECT_EQ(model.chat("/think\n/think\n").out, "Thinking is on.\nThinking is off.\n");
}

TEST(PipedGenerate, ReadsItsTextFromStandardInputByteForByte) {
  const std::string text = "User: What\nis it?\n";
  const auto arguments = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"generate", "-m", kModel, "-n", "8", "--greedy", "--json"});
    return more;
  };
  const json piped = json::parse(rwkv(arguments({}), text).out);
  const json given = json::parse(rwkv(arguments({"-p", text}), "something else").out);
  EXPECT_EQ(piped["promptTokens"], given["promptTokens"]);
  EXPECT_EQ(piped["tokens"], given["tokens"]);
}

}  // namespace
}  // namespace rwkv::test
