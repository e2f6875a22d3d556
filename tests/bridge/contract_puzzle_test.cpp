// Puzzles: every token is told.
#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

constexpr std::int32_t kBlankLine = 257;  // of scripted models

// Runs a puzzle that ends with the script's blank line and checks everything that is told.
void expect_puzzle(Client& client, std::int32_t model, std::int32_t asked, const std::string& reply, bool whole) {
  const auto run = client.send(p::SudokuOthelloGenerate{"Q:", asked, whole});
  client.answer<p::GenerateStop>(run);
  client.settle();
  const auto types = client.types(run);
  ASSERT_GE(types.size(), 4u);
  EXPECT_EQ(types.front(), "GenerateStart");
  EXPECT_EQ(types[types.size() - 2], "SudokuOthelloResponse");
  EXPECT_EQ(types.back(), "GenerateStop");
  EXPECT_FALSE(client.all<p::GenerateStop>(run).front().error);
  const auto tokens = client.all<p::StreamResponse>(run);
  EXPECT_EQ(tokens.size(), types.size() - 3);
  const std::string said = " " + reply;
  ASSERT_EQ(tokens.size(), said.size() + 1);  // a token a byte, and the stop
  std::string text = "Q:";
  for (std::size_t i = 0; i < said.size(); ++i) {
    EXPECT_EQ(tokens[i].stream_response_token, static_cast<unsigned char>(said[i]) + 1) << i;
  }
  EXPECT_EQ(tokens.back().stream_response_token, kBlankLine);
  for (const p::StreamResponse& token : tokens) {
    text += token.stream_response_new_text;
    if (whole) {
      EXPECT_EQ(token.stream_response, text);
    } else {
      EXPECT_EQ(token.stream_response, "");
    }
  }
  const std::string end = client.all<p::SudokuOthelloResponse>(run).front().sudoku_othello_response;
  if (whole) {
    EXPECT_TRUE(end.starts_with("Q:" + said)) << end;
  } else {
    EXPECT_EQ(end, "Q:");
  }
  EXPECT_TRUE(client.text(model).starts_with("Q:" + said));
}

TEST(Contract, S70_S71_APuzzleTellsEveryTokenTheStopIncludedThenItsEnd) {
  Client client;
  const std::string reply = repeated("0 5 3 | ", 40) + "done";
  const auto model = client.load_reply(reply);
  client.send(p::SetGenerationStopToken{kBlankLine, model});
  for (const bool whole : {true, false}) expect_puzzle(client, model, model, reply, whole);
}

TEST(Contract, S70_ModelMinusOneIsTheOneLoadedLast) {
  Client client;
  const auto none = client.send(p::SudokuOthelloGenerate{"x", -1, true});
  EXPECT_EQ(client.answer<p::GenerateStop>(none).code, "not_found");
  client.settle();
  EXPECT_EQ(client.types(none), (std::vector<std::string>{"GenerateStop", "SudokuOthelloResponse"}));
  client.load_reply("first");
  const auto second = client.load_reply("second");
  const auto third = client.load_reply("third");
  client.send(p::SetGenerationStopToken{kBlankLine, second});
  client.send(p::SetGenerationStopToken{kBlankLine, third});
  expect_puzzle(client, third, -1, "third", true);
  client.release(third);
  expect_puzzle(client, second, -1, "second", true);
}

TEST(Contract, S70_AFailingPuzzleIsToldWithItsError) {
  Client client;
  const auto model = client.load_script(R"("fail_after": 10, "replies": [{"say": "0123456789abcdef"}])");
  const auto run = client.send(p::SudokuOthelloGenerate{"Q:", model, true});
  EXPECT_TRUE(client.answer<p::GenerateStop>(run).error);
  client.settle();
  const auto types = client.types(run);
  EXPECT_EQ(types.front(), "GenerateStart");
  EXPECT_EQ(types[types.size() - 2], "GenerateStop");
  EXPECT_EQ(types.back(), "SudokuOthelloResponse");
  EXPECT_FALSE(client.generating(model));
}

TEST(Defect, D22_PollsAndStopsAreServedDuringAPuzzleOfAnyLength) {
  Client client;
  // Faster than any model writes, and not so fast that the messages of a busy machine take all its memory.
  const auto model = client.load_script(R"("decode_us": 50)");
  client.send(p::SetMaxLength{6'000'000, model});
  const auto run = client.send(p::SudokuOthelloGenerate{"x", model, false});
  for (int i = 0; i < 50; ++i) {
    const auto before = Clock::now();
    EXPECT_TRUE(client.generating(model));
    const auto ids = client.ask<p::ResponseBufferIds>(p::GetResponseBufferIds{model}).response_buffer_ids;
    EXPECT_TRUE(ids.empty() || ids.front() == 'x' + 1);
    EXPECT_LT(Clock::now() - before, milliseconds(1000));
  }
  // A run that is stopped before the worker begins it has no tokens at all.
  client.wait([](const Message& m) { return m.as<p::StreamResponse>() != nullptr; });
  client.answer<p::GenerateStop>(client.send(p::Stop{model}));
  client.settle();
  const auto tokens = client.all<p::StreamResponse>(run).size();
  const auto ids = client.ask<p::ResponseBufferIds>(p::GetResponseBufferIds{model}).response_buffer_ids;
  EXPECT_EQ(ids.size(), tokens + 1);  // the prompt's
}

TEST(Release, APuzzleForTheLatestModelWaitsForIt) {
  Client client;
  const auto model = client.load_script(R"("prefill_us": 2000, "replies": [{"say": "yes"}])");
  for (int round = 0; round < 5; ++round) {
    const auto of = round == 0 ? model : client.load_script(R"("prefill_us": 2000, "replies": [{"say": "yes"}])");
    // Only an evaluation is running, which would make way for the puzzle; but the release came first.
    client.send(chat(of, {std::string(300, 'x')}, 0));
    std::this_thread::sleep_for(milliseconds(20 * round));
    const auto release = client.send(p::ReleaseRWKVModel{of});
    const auto puzzle = client.send(p::SudokuOthelloGenerate{"a puzzle", -1, true});
    EXPECT_TRUE(client.answer<p::GenerateStop>(puzzle).error);
    client.wait([&](const Message& m) {
      const auto* steps = m.as<p::LoadModelSteps>();
      return m.request_id == release && steps && steps->status == p::LoadingStatus::kReleased;
    });
  }
}

}  // namespace
}  // namespace rwkv::bridge::test
