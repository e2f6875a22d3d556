// Defects that other runtimes of this protocol have had, by their number in the list of known ones. Those that a
// numbered statement covers are in the contract's files.
#include <set>

#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

TEST(Defect, D05_EachRequestIsAboutTheModelItNames) {
  Client client;
  const std::string path = client.script(R"("replies": [{"say": "from a"}])");
  const std::string other = client.script(R"("replies": [{"say": "from b"}])");
  const auto a = client.load(path, "scripted");
  const auto b = client.load(other, "scripted");
  EXPECT_EQ(client.ask<p::LoadedModelPathByID>(p::GetLoadedModelPathByID{a}), (p::LoadedModelPathByID{path, a}));
  EXPECT_EQ(client.ask<p::LoadedModelPathByID>(p::GetLoadedModelPathByID{b}), (p::LoadedModelPathByID{other, b}));
  EXPECT_EQ(client.reply(a, {"Hi"}), "from a");
  EXPECT_EQ(client.reply(b, {"Hi"}), "from b");
  EXPECT_EQ(client.text(a), "from a");
}

TEST(Defect, D06_APuzzlesLimitIsNotTheNextChatsOfAnotherModel) {
  Client client;
  const auto puzzle = client.load_script("");
  const auto chatting = client.load_reply("0123456789");
  client.send(p::SetMaxLength{5, chatting});
  client.send(p::SetMaxLength{6'000'000, puzzle});
  client.send(p::SudokuOthelloGenerate{"x", puzzle, false});
  EXPECT_EQ(client.reply(chatting, {"Hi"}), "0123");
  client.send(p::Stop{puzzle});
}

TEST(Defect, D13_D14_ThereAreNoFixedSizesToOverrun) {
  Client client;
  for (int i = 0; i < 40; ++i) EXPECT_EQ(client.load_script(""), i);
  EXPECT_EQ(client.ask<p::LoadedModelIDs>(p::GetLoadedModelIDs{}).loaded_model_ids.size(), 40u);
  const auto model = client.load_reply("ok");
  EXPECT_EQ(client.reply(model, std::vector<std::string>(2001, "m")), "ok");
  std::vector<std::int32_t> banned;
  for (int i = -1000; i < 100'000; ++i) banned.push_back(i < 300 && i >= 0 ? 1 : i);
  client.send(p::SetTokenBanned{banned, model});
  EXPECT_EQ(client.reply(model, {"Hi"}), "ok");
}

TEST(Defect, D16_GetPromptGivesAPromptOfAnyLength) {
  Client client;
  const auto model = client.load_script("");
  client.send(p::SetMaxLength{100, model});
  const std::string prompt = repeated("a long prompt \u6f22 ", 10'000);
  client.send(p::SetPrompt{prompt, model});
  EXPECT_EQ(client.ask<p::CurrentPrompt>(p::GetPrompt{model}).prompt, prompt);
}

TEST(Defect, D19_D36_AFailureAfterGenerateStartIsToldOnce) {
  Client client;
  const auto model = client.load_script(R"("fail_after": 5, "replies": [{"say": "x"}])");
  std::vector<p::Request> requests{chat(model, {"a question"}), batch_chat(model, {{"one"}, {"two"}}),
                                   completion(model, "some text"), chat(model, {"a question"}, 0)};
  for (const p::Request& request : requests) {
    const auto id = client.send(request);
    EXPECT_TRUE(client.answer<p::GenerateStop>(id).error);
    EXPECT_FALSE(client.generating(model));
    client.settle();
    EXPECT_EQ(client.types(id), (std::vector<std::string>{"GenerateStart", "GenerateStop"}));
  }
}

TEST(Defect, D20_D21_AStopDoesNotHoldUpRequestsForOtherModels) {
  Client client;
  const auto slow = client.load_reply("x", 0, 100'000);  // 0.1 s a token, looked at every few milliseconds
  const auto other = client.load_reply("quick");
  client.answer<p::GenerateStart>(client.send(chat(slow, {"Hi"})));
  client.send(p::Stop{slow});
  const auto before = Clock::now();
  EXPECT_EQ(client.text(other), "");
  EXPECT_LT(Clock::now() - before, milliseconds(500));
  client.wait_idle(slow);
}

TEST(Defect, D26_AStopRightAfterTheStartIsNotLost) {
  Client client;
  const auto model = client.load_reply(repeated("long ", 2000), 1000);
  for (int round = 0; round < 100; ++round) {
    client.send(chat(model, {"Hi"}));
    const auto stop = client.send(p::Stop{model});
    const auto before = Clock::now();
    client.answer<p::GenerateStop>(stop);
    ASSERT_LT(Clock::now() - before, milliseconds(1000));
    ASSERT_FALSE(client.generating(model));
  }
}

TEST(Defect, D35_ALimitOfZeroEvaluatesAndTheNextRunFindsIt) {
  Client client;
  const auto model = client.load_reply("yes");
  const std::string question = repeated("a long question ", 50);
  client.send(chat(model, {question}, 0));
  client.wait_idle(model);
  const auto before = client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model});
  EXPECT_EQ(client.reply(model, {question}), "yes");
  const auto after = client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model});
  EXPECT_GE(after.saved_tokens - before.saved_tokens, static_cast<std::int64_t>(question.size()));
  EXPECT_TRUE(client.all<p::Error>().empty());
}

TEST(Defect, D38_NulCharactersDoNotCutTexts) {
  Client client;
  const auto model = client.load_reply("before\\u0000after");
  EXPECT_EQ(client.reply(model, {std::string("a\0b", 3)}), std::string("before\0after", 12));
  EXPECT_EQ(client.ask<p::TokensCount>(p::CalculateTokensCountRaw{std::string("a\0b", 3), model}).tokens_count, 3);
}

TEST(Defect, D41_TrailingNewlinesGoHoweverOftenTheTextIsRead) {
  Client client;
  const auto model = client.load_reply("a line\\nanother\\n", 300);
  for (int round = 0; round < 10; ++round) {
    client.send(chat(model, {"Hi"}));
    for (bool running = true; running; running = client.generating(model)) {
      for (int i = 0; i < round; ++i) client.text(model);
    }
    EXPECT_EQ(client.text(model), "a line\nanother");
  }
}

TEST(Defect, D44_D59_SlotsBeyond31AreSlotsLikeOthers) {
  Client client;
  const auto model = client.load_script(R"("replies": [{"when": "last", "say": "the last"}, {"say": "x"}])");
  std::vector<std::vector<std::string>> conversations(50, {"m"});
  conversations.back() = {"last"};
  client.send(batch_chat(model, conversations));
  client.wait_idle(model);
  const auto counts = client.ask<p::TokensCountBatch>(p::GetResponseBufferTokensCountBatch{model});
  EXPECT_EQ(counts.batch_size, 50);
  ASSERT_EQ(counts.tokens_counts.size(), 50u);
  EXPECT_LT(counts.tokens_counts[40], counts.tokens_counts[49]);
  EXPECT_EQ(client.batch(model).response_buffer_content.back(), "the last");
}

TEST(Defect, D49_ASavedStateHoldsTheWholeConversationAndIsRefusedElsewhere) {
  Client client;
  const auto model = client.load_tiny();
  client.send(greedy(model));
  const std::string question = "What is the sum of 63 and 81?";
  const std::string answer = client.reply(model, {question});
  const std::string path = (client.folder() / "state").string();
  // Nothing of it is in the cache when it is saved.
  client.send(p::ClearStates{model});
  const auto save = client.send(p::SaveRuntimeStateByHistory{{question, answer}, path, model});
  client.settle();
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(path); }));
  client.send(p::RunEvaluation{"a", "b", model});  // comes after the save
  client.wait([](const Message& m) { return m.as<p::EvaluationResults>() != nullptr; });
  EXPECT_TRUE(client.types(save).empty());

  client.send(p::ClearStates{model});
  client.send(p::LoadRuntimeStateToMemory{path, model});
  const auto tokens =
      client.ask<p::TokensCount>(p::CalculateTokensCountFromMessages{{question, answer}, model}).tokens_count;
  const auto before = client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model});
  const std::string with_state = client.reply(model, {question, answer, "20+8="});
  const auto after = client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model});
  EXPECT_GE(after.saved_tokens - before.saved_tokens, tokens);
  client.send(p::ClearStates{model});
  EXPECT_EQ(client.reply(model, {question, answer, "20+8="}), with_state);

  const auto refused = [&](const std::string& bytes, std::int32_t to) {
    const std::string other = (client.folder() / "other").string();
    rwkv::test::write_file(other, bytes);
    client.send(p::ClearStates{to});
    const auto id = client.send(p::LoadRuntimeStateToMemory{other, to});
    client.answer<p::Error>(id);
    EXPECT_TRUE(client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{to}).nodes.empty());
  };
  const std::string bytes = rwkv::test::read_file(path);
  for (const std::size_t at : {std::size_t{0}, std::size_t{9}, bytes.size() / 2, bytes.size() - 1}) {
    std::string altered = bytes;
    altered[at] = static_cast<char>(altered[at] ^ 1);
    refused(altered, model);
  }
  refused(bytes.substr(0, bytes.size() - 1), model);
  refused(bytes + "x", model);
  refused("", model);
  refused(std::string(100, '\xff'), model);
  refused(bytes, client.load_reply("another model"));

  // A file that is not there alarms nobody.
  const auto missing = client.send(p::LoadRuntimeStateToMemory{(client.folder() / "none").string(), model});
  client.send(p::RunEvaluation{"a", "b", model});
  std::this_thread::sleep_for(milliseconds(100));
  client.settle();
  EXPECT_TRUE(client.types(missing).empty());
}

TEST(Defect, D52_WithoutTheCacheACompletionBeginsFromTheEmptyState) {
  Client client;
  const auto model = client.load_tiny();
  client.send(greedy(model));
  auto request = completion(model, "User: 20+8=\n\nAssistant:", 10);
  request.disable_cache = true;
  const auto run = [&] {
    client.send(request);
    client.wait_idle(model);
    return client.text(model);
  };
  const std::string fresh = run();
  EXPECT_TRUE(client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model}).nodes.empty());
  client.reply(model, {"What is the sum of 63 and 81?"});
  EXPECT_EQ(run(), fresh);
  for (const auto& node : client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model}).nodes) {
    EXPECT_EQ(node.text.find("20+8"), std::string::npos) << node.text;
  }
}

TEST(Defect, D54_ALongPromptOfARealModelCanBeStopped) {
  Client client;
  const auto model = client.load_tiny();
  client.answer<p::GenerateStart>(client.send(chat(model, {repeated("What is the sum of 63 and 81? ", 5000)})));
  std::this_thread::sleep_for(milliseconds(20));
  const auto before = Clock::now();
  client.answer<p::GenerateStop>(client.send(p::Stop{model}));
  EXPECT_LT(Clock::now() - before, milliseconds(2000));
  EXPECT_EQ(client.text(model), "");
  EXPECT_LT(client.ask<p::Speed>(p::GetPrefillAndDecodeSpeed{model}).prefill_progress, 1);
}

TEST(Defect, D55_ProgressIsThatOfTheWork) {
  Client client;
  const auto model = client.load_reply("x", 0, 200);
  const std::string question = repeated("0123456789", 512);  // 1 s
  client.answer<p::GenerateStart>(client.send(chat(model, {question})));
  const auto begin = Clock::now();
  client.wait_idle(model);
  EXPECT_GE(Clock::now() - begin, milliseconds(900));
  // With everything in the cache it is all but done at once.
  client.answer<p::GenerateStart>(client.send(chat(model, {question})));
  const auto again = Clock::now();
  client.wait_idle(model);
  EXPECT_LT(Clock::now() - again, milliseconds(500));
  EXPECT_EQ(client.ask<p::Speed>(p::GetPrefillAndDecodeSpeed{model}).prefill_progress, 1);
}

TEST(Defect, D56_TheEndTokenSetsEosFoundForOneAsForMany) {
  Client client;
  const auto model = client.load_tiny();
  client.send(greedy(model));
  client.reply(model, {"20+8="});
  EXPECT_TRUE(client.ask<p::ResponseBufferContent>(p::GetResponseBufferContent{model}).eos_found);
  client.send(batch_chat(model, {{"20+8="}, {"4+99="}}));
  client.wait_idle(model);
  EXPECT_EQ(client.batch(model).eos_found, (std::vector<bool>{true, true}));
}

TEST(Defect, D57_BansHoldWhateverThePenaltiesAre) {
  Client client;
  const auto model = client.load_reply("aXb");
  client.send(p::SetTokenBanned{{'X' + 1}, model});
  for (const double penalty : {0.0, 0.5}) {
    client.send(p::SetSamplerParams{1, 1, 1, penalty, penalty, penalty, model});
    EXPECT_EQ(client.reply(model, {"Hi"}).find('X'), std::string::npos);
  }
}

TEST(Defect, D58_PenaltiesOfASlotAreItsOwn) {
  Client client;
  const auto model = client.load_tiny();
  const std::string text = "1 1 1 1 1 1 1 1";
  // Slot by slot what the same parameters give alone.
  std::vector<std::string> alone;
  for (const double penalty : {0.0, 50.0, 0.0, 50.0}) {
    client.send(p::SetSamplerParams{1, 1, 1, penalty, penalty, 1, model});
    client.send(completion(model, text, 20));
    client.wait_idle(model);
    alone.push_back(client.text(model));
  }
  EXPECT_NE(alone[0], alone[1]);
  p::SetSamplerAndPenaltyParams set{{1, 1, 1, 1},   {1, 1, 1, 1}, {1, 1, 1, 1}, {0, 50, 0, 50},
                                    {0, 50, 0, 50}, {1, 1, 1, 1}, model};
  client.send(set);
  auto request = completion(model, text, 20);
  request.batch = 4;
  client.send(request);
  client.wait_idle(model);
  EXPECT_EQ(client.batch(model).response_buffer_content, alone);
}

TEST(Defect, D61_SeededBatchesAreReproducibleAndTheirSlotsDiffer) {
  Client client;
  const auto model = client.load_tiny();
  client.send(sampler(model, 3, 0, 1));
  const auto run = [&](std::int64_t seed) {
    client.send(p::SetSeed{seed, model});
    EXPECT_EQ(client.ask<p::CurrentSeed>(p::GetSeed{model}), (p::CurrentSeed{seed, model}));
    auto request = completion(model, "What is ", 15);
    request.batch = 6;
    client.send(request);
    client.wait_idle(model);
    return client.batch(model).response_buffer_content;
  };
  const auto first = run(1234567890123);
  EXPECT_EQ(run(1234567890123), first);
  EXPECT_NE(run(1234567890124), first);
  EXPECT_EQ(std::set<std::string>(first.begin(), first.end()).size(), 6u);
}

TEST(Defect, D62_ATokenCostsTheSameHoweverManyCameBefore) {
  Client client;
  const auto model = client.load_script("");
  const auto timed = [&](int tokens) {
    const auto begin = Clock::now();
    client.answer<p::GenerateStart>(client.send(completion(model, "x", tokens)));
    while (client.generating(model)) std::this_thread::sleep_for(milliseconds(5));
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  timed(500);
  const double some = timed(4000);
  const double many = timed(16000);
  EXPECT_LT(many, some * 4 * 3 + 0.5);  // quadratic work would be 16 times
}

TEST(Defect, D66_ClearingEmptiesTheCacheOfThatModelAtAnyTime) {
  Client client;
  const auto a = client.load_reply("x");
  const auto b = client.load_reply("x");
  client.send(p::ClearStates{a});
  client.reply(a, {"Hi"});
  client.reply(b, {"Hi"});
  client.send(p::ClearStates{a});
  const auto cleared = client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{a});
  EXPECT_TRUE(cleared.nodes.empty());
  EXPECT_EQ(cleared.bytes, 0);
  const auto kept = client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{b});
  EXPECT_FALSE(kept.nodes.empty());
  EXPECT_GT(kept.bytes, 0);
  EXPECT_LE(kept.bytes, kept.limit_bytes);
}

TEST(Defect, D71_TheLogKeepsItsNewestLinesAndIsValidUtf8) {
  Client client;
  const auto model = client.load_reply("x");
  for (int i = 0; i < 1500; ++i) {
    client.send(p::LoadRuntimeStateToMemory{"/none/" + repeated("\u6f22", 30) + std::to_string(i), model});
  }
  client.ask<p::EvaluationResults>(p::RunEvaluation{"a", "b", model});
  const std::string log = client.ask<p::RuntimeLog>(p::DumpLog{}).runtime_log;
  EXPECT_NE(log.find("1499"), std::string::npos);
  EXPECT_NE(log.find("1400"), std::string::npos);
  EXPECT_EQ(log.find("\uFFFD"), std::string::npos);
}

TEST(Defect, D72_AnEmptyFirstMessageIsCounted) {
  Client client;
  const auto model = client.load_reply("x");
  EXPECT_EQ(client.ask<p::TokensCount>(p::CalculateTokensCountFromMessages{{""}, model}).tokens_count, 6);
  const std::string rendered = "User: \n\nAssistant: a\n\nUser: b";
  const auto count =
      client.ask<p::TokensCount>(p::CalculateTokensCountFromMessages{{"", "a", "b"}, model}).tokens_count;
  EXPECT_EQ(count, client.ask<p::TokensCount>(p::CalculateTokensCountRaw{rendered, model}).tokens_count);
}

TEST(Defect, D73_ABadTokenizerFailsTheLoadWithItsReason) {
  Client client;
  const std::string bad = client.script("");
  for (const std::string& tokenizer : {bad, (client.folder() / "none").string()}) {
    const auto id = client.send(p::LoadRWKVModel{rwkv::test::kModel.string(), {"llama.cpp"}, tokenizer, std::nullopt});
    client.wait([&](const Message& m) {
      const auto* steps = m.as<p::LoadModelSteps>();
      return m.request_id == id && steps->status == p::LoadingStatus::kFailedInLoading;
    });
    const auto failed = client.all<p::LoadModelSteps>(id).back();
    EXPECT_NE(failed.info->find(tokenizer), std::string::npos);
    EXPECT_FALSE(failed.model_id);
  }
  EXPECT_EQ(client.load_tiny(), 0);
}

TEST(Defect, D74_SpeedsAreThoseOfTheModelAndItsOwnRun) {
  Client client;
  const auto a = client.load_reply("yes");
  const auto b = client.load_reply("yes", 20'000, 20'000);
  client.reply(a, {"Hi"});
  EXPECT_GT(client.ask<p::Speed>(p::GetPrefillAndDecodeSpeed{a}).prefill_speed, 0);
  EXPECT_EQ(client.ask<p::Speed>(p::GetPrefillAndDecodeSpeed{b}), p::Speed{});
  client.answer<p::GenerateStart>(client.send(chat(b, {"Hi"})));
  EXPECT_EQ(client.ask<p::Speed>(p::GetPrefillAndDecodeSpeed{b}).decode_speed, 0);
  client.wait_idle(b);
  EXPECT_LE(client.ask<p::Speed>(p::GetPrefillAndDecodeSpeed{b}).decode_speed, 50);
}

}  // namespace
}  // namespace rwkv::bridge::test
