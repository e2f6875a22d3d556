// Files as people have them: from Windows, in other forms, and handed over by mistake.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "command.h"

namespace rwkv::test {
namespace {

using nlohmann::json;

const std::string kTiny = kModel.string();

TEST(GivenFiles, BlankLinesBetweenQuestionsSayNothing) {
  const ScratchFolder folder;
  const auto total = [&](const std::string& text) {
    write_file(folder.path() / "q.jsonl", text);
    const CommandResult result = rwkv({"eval", "-m", kTiny, folder.path() / "q.jsonl", "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.exit_code == 0 ? json::parse(result.out)["total"].get<int>() : -1;
  };
  const std::string question = R"({"task": "a", "messages": ["What is 2+2?"], "answer": "4"})";
  for (const char* end : {"\r\n\r\n", "\n \t\n", "\r\n \r\n\t", "\n\n\n"}) {
    EXPECT_EQ(total(question + end), 1);
    EXPECT_EQ(total(question + end + question), 2);
  }
  EXPECT_EQ(total("\xEF\xBB\xBF" + question + "\r\n"), 1);
}

TEST(GivenFiles, InfoFromTheHeaderIsThatOfTheLoadedModel) {
  json header = json::parse(rwkv({"info", kTiny, "--json"}).out);
  json loaded = json::parse(rwkv({"info", kTiny, "--json", "--check"}).out);
  EXPECT_EQ(header["checked"], "header");
  EXPECT_EQ(loaded["checked"], "whole");
  header.erase("checked");
  loaded.erase("checked");
  EXPECT_EQ(header, loaded);
  EXPECT_NE(rwkv({"info", kTiny}).out.find("the header; --check"), std::string::npos);
}

TEST(GivenFiles, QuestionsOfStandardInputAndOfPowerShell) {
  const std::string question = R"({"task": "a\u001b[2J", "messages": ["What is 2+2?"], "answer": "4"})";
  const CommandResult piped = rwkv({"eval", "-m", kTiny, "-"}, question);
  EXPECT_EQ(piped.exit_code, 0) << piped.err;
  EXPECT_NE(piped.out.find("1 of     1"), std::string::npos) << piped.out;
  EXPECT_EQ(piped.out.find('\x1b'), std::string::npos) << "a name from a file must not reach the terminal as a command";
  std::string wide = "\xFF\xFE";
  for (const char c : question) wide.append(1, c).append(1, '\0');
  const CommandResult utf16 = rwkv({"eval", "-m", kTiny, "-"}, wide);
  EXPECT_EQ(utf16.exit_code, 3);
  EXPECT_NE(utf16.err.find("UTF-16"), std::string::npos) << utf16.err;
  const CommandResult list = rwkv({"eval", "-m", kTiny, "-"}, "[\n" + question + "\n]");
  EXPECT_NE(list.err.find("each line holds one question"), std::string::npos) << list.err;
}

TEST(GivenFiles, ADashIsStandardInput) {
  const std::string question = "What is the capital\nof Japan?";
  const CommandResult given = rwkv({"chat", "-m", kTiny, "--greedy", "-q", "-p", question});
  EXPECT_EQ(given.exit_code, 0) << given.err;
  EXPECT_EQ(rwkv({"chat", "-m", kTiny, "--greedy", "-q", "-p", "-"}, question).out, given.out);
  EXPECT_NE(rwkv({"chat", "-m", kTiny, "--greedy", "-q", "-p", "-"}, "What is 2+2?").out, given.out);
  const std::string begin = "User: What is 47+38?\n\nAssistant:";
  const auto generated = [&](const std::string& prompt, const std::string& input) {
    return rwkv({"generate", "-m", kTiny, "--greedy", "-q", "-n", "3", "-p", prompt}, input).out;
  };
  EXPECT_EQ(generated("-", begin), generated(begin, ""));
  EXPECT_EQ(rwkv({"logits", "-m", kTiny, "-p", "-"}, begin).out, rwkv({"logits", "-m", kTiny, "-p", begin}).out);
}

TEST(GivenFiles, VocabulariesOfAllFormsTokenizeAlike) {
  const ScratchFolder folder;
  const auto tokens = [&](const std::string& vocabulary) {
    write_file(folder.path() / "vocab", vocabulary);
    return rwkv({"tokenize", "--vocab", folder.path() / "vocab", "abb"}).out;
  };
  for (const char* text : {"1 'a' 1\n2 'b' 1\n", "1 'a' 1\r\n2 'b' 1\r\n\r\n",
                           "\xEF\xBB\xBF"
                           "1 'a' 1\n2 'b' 1",
                           R"({"1": "a", "2": [98]})"}) {
    EXPECT_EQ(tokens(text), "1 2 2\n") << text;
  }
}

TEST(GivenFiles, EveryCommandSaysWhatAFileIs) {
  const ScratchFolder folder;
  const std::string page = folder.path() / "page.gguf";
  write_file(page, "<html><head><title>Log in</title>");
  const std::string checkpoint = std::filesystem::path(RWKV_SOURCE_DIR) / "tests" / "data" / "convert" / "rwkv7.pth";
  for (const char* command : {"info", "chat", "tokenize", "serve"}) {
    const CommandResult on_page = rwkv({command, "-m", page});
    EXPECT_EQ(on_page.exit_code, 3) << command;
    EXPECT_NE(on_page.err.find("is a web page"), std::string::npos) << on_page.err;
    const CommandResult on_checkpoint = rwkv({command, "-m", checkpoint});
    EXPECT_EQ(on_checkpoint.exit_code, 3) << command;
    EXPECT_NE(on_checkpoint.err.find("rwkv convert"), std::string::npos) << on_checkpoint.err;
  }
}

TEST(GivenFiles, EndingsOfOutputsMayBeInCapitals) {
  const ScratchFolder folder;
  const std::string output = folder.path() / "OUT.SAFETENSORS";
  const std::string source = std::filesystem::path(RWKV_SOURCE_DIR) / "tests" / "data" / "convert" / "rwkv6.pth";
  ASSERT_EQ(rwkv({"convert", source, output}).exit_code, 0);
  EXPECT_NE(read_file(output).find("\"format\":\"pt\""), std::string::npos);
}

}  // namespace
}  // namespace rwkv::test
