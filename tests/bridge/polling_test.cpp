// Polls that name what the client has get what follows it; those that do not get everything.
#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

// What a client has of one slot, as its own answers told it.
struct Known {
  std::optional<std::int64_t> generation;
  std::int64_t length = 0;
  std::string text;

  // Appends or begins anew, as the protocol's documentation says.
  void take(std::optional<std::int64_t> id, std::int64_t after, std::int64_t whole, const std::string& piece) {
    ASSERT_TRUE(id);
    if (after == 0) {
      text = piece;
    } else {
      ASSERT_EQ(id, generation);
      ASSERT_EQ(after, length);
      text += piece;
    }
    generation = id;
    length = whole;
    ASSERT_EQ(length, static_cast<std::int64_t>(text.size()));
  }
};

p::ResponseBufferContent poll(Client& client, std::int32_t model, const Known& known) {
  return client.ask<p::ResponseBufferContent>(p::GetResponseBufferContent{model, known.length, known.generation});
}

TEST(Polling, WithoutAfterAnAnswerHasNoOtherFieldsThanTheContracts) {
  Client client;
  const auto model = client.load_reply("words");
  EXPECT_EQ(client.reply(model, {"Hi"}), "words");
  const auto one = client.ask<p::ResponseBufferContent>(p::GetResponseBufferContent{model});
  EXPECT_EQ(one, (p::ResponseBufferContent{"words", true}));
  const auto ids = client.ask<p::ResponseBufferIds>(p::GetResponseBufferIds{model});
  EXPECT_EQ(ids.response_buffer_ids.size(), 6u);  // the space before the text is one, too
  EXPECT_FALSE(ids.generation_id || ids.after || ids.length);
  EXPECT_EQ(client.batch(model), (p::ResponseBatchBufferContent{{"words"}, {true}, 1}));
}

TEST(Polling, PiecesMakeUpTheTextAndNoByteComesTwice) {
  Client client;
  const std::string reply = repeated("h\u00e9llo \U0001F600 ", 60) + "end";
  const auto model = client.load_reply(reply, 300);
  client.answer<p::GenerateStart>(client.send(chat(model, {"Hi"})));
  Known known;
  std::size_t bytes = 0;
  int pieces = 0;
  for (bool more = true; more;) {
    const bool generating = client.generating(model);
    const auto answer = poll(client, model, known);
    ASSERT_NO_FATAL_FAILURE(known.take(answer.generation_id, answer.after.value_or(-1), answer.length.value_or(-1),
                                       answer.response_buffer_content));
    bytes += answer.response_buffer_content.size();
    pieces += answer.response_buffer_content.empty() ? 0 : 1;
    more = generating;
  }
  EXPECT_EQ(known.text, reply);
  EXPECT_EQ(bytes, reply.size());
  EXPECT_GT(pieces, 5);
  const auto last = poll(client, model, known);
  EXPECT_EQ(last.response_buffer_content, "");
  EXPECT_TRUE(last.eos_found);
  EXPECT_EQ(client.text(model), reply);
}

TEST(Defect, D11_APollOfALongTextThatDidNotChangeMovesNothing) {
  Client client;
  const auto model = client.load_script("");
  const std::string text(100 << 10, 'x');
  client.send(completion(model, text, 0));
  client.wait_idle(model);
  const auto whole = client.ask<p::ResponseBufferContent>(p::GetResponseBufferContent{model, 0, {}});
  EXPECT_EQ(whole.response_buffer_content, text);
  const auto again =
      client.ask<p::ResponseBufferContent>(p::GetResponseBufferContent{model, whole.length, whole.generation_id});
  EXPECT_EQ(again, (p::ResponseBufferContent{"", false, whole.generation_id, whole.length, whole.length}));
}

TEST(Polling, AnotherGenerationBeginsAnew) {
  Client client;
  const auto model = client.load_script(
      R"("replies": [{"when": "first", "say": "the first answer"}, {"say": "the second, a longer answer"}])");
  Known known;
  const auto before = poll(client, model, known);
  EXPECT_EQ(before, (p::ResponseBufferContent{"", false}));
  for (const auto& [question, answer] :
       {std::pair{"first", "the first answer"}, {"x", "the second, a longer answer"}}) {
    client.reply(model, {question});
    const auto piece = poll(client, model, known);
    ASSERT_NO_FATAL_FAILURE(
        known.take(piece.generation_id, *piece.after, *piece.length, piece.response_buffer_content));
    EXPECT_EQ(piece.after, 0);
    EXPECT_EQ(known.text, answer);
  }
  const auto generation = known.generation;
  client.release(model);
  EXPECT_FALSE(poll(client, model, known).generation_id);
  client.load_reply("after a new load");
  EXPECT_FALSE(poll(client, model, known).generation_id);
  client.reply(model, {"Hi"});
  const auto other = poll(client, model, known);
  EXPECT_NE(other.generation_id, generation);
  EXPECT_EQ(other.after, 0);
  EXPECT_EQ(other.response_buffer_content, "after a new load");
}

TEST(Polling, NumbersThatWereNeverGivenGetTheWholeText) {
  Client client;
  const auto model = client.load_reply("\u00e9nd");
  client.reply(model, {"Hi"});
  const auto id = client.ask<p::ResponseBufferContent>(p::GetResponseBufferContent{model, 0, {}}).generation_id;
  ASSERT_TRUE(id);
  const auto expect_whole = [&](std::int64_t after, std::optional<std::int64_t> generation) {
    const auto answer = client.ask<p::ResponseBufferContent>(p::GetResponseBufferContent{model, after, generation});
    EXPECT_EQ(answer.response_buffer_content, "\u00e9nd") << after;
    EXPECT_EQ(answer.after, 0);
    EXPECT_EQ(answer.length, 4);
  };
  expect_whole(1, id);  // within the first character
  expect_whole(5, id);
  expect_whole(-1, id);
  expect_whole(INT64_MAX, id);
  expect_whole(INT64_MIN, id);
  expect_whole(2, *id + 1);
  expect_whole(2, std::nullopt);
  const auto rest = client.ask<p::ResponseBufferContent>(p::GetResponseBufferContent{model, 2, id});
  EXPECT_EQ(rest.response_buffer_content, "nd");
  EXPECT_EQ(rest.after, 2);
}

TEST(Polling, EachSlotOfABatchHasItsOwnNumber) {
  Client client;
  const auto model = client.load_script(R"("decode_us": 300, "replies": [{"when": "a", "say": "short"}, {"say": ")" +
                                        repeated("long ", 60) + "end\"}]");
  client.answer<p::GenerateStart>(client.send(batch_chat(model, {{"a"}, {"b"}, {"c"}})));
  std::vector<Known> known(3);
  std::vector<std::size_t> bytes(3);
  for (bool more = true; more;) {
    const bool generating = client.generating(model);
    p::GetBatchResponseBufferContent request{model, std::vector<std::int64_t>(), known[0].generation};
    for (const Known& slot : known) request.after->push_back(slot.length);
    const auto answer = client.ask<p::ResponseBatchBufferContent>(request);
    ASSERT_EQ(answer.batch_size, 3);
    ASSERT_TRUE(answer.after && answer.lengths);
    for (std::size_t slot = 0; slot < 3; ++slot) {
      ASSERT_NO_FATAL_FAILURE(known[slot].take(answer.generation_id, answer.after->at(slot), answer.lengths->at(slot),
                                               answer.response_buffer_content.at(slot)));
      bytes[slot] += answer.response_buffer_content[slot].size();
    }
    more = generating;
  }
  const auto whole = client.batch(model).response_buffer_content;
  for (std::size_t slot = 0; slot < 3; ++slot) {
    EXPECT_EQ(known[slot].text, whole[slot]);
    EXPECT_EQ(bytes[slot], whole[slot].size());
  }
  // A slot without a number is told from its start; numbers of slots that do not exist say nothing.
  const auto some = client.ask<p::ResponseBatchBufferContent>(
      p::GetBatchResponseBufferContent{model, std::vector<std::int64_t>{2}, known[0].generation});
  EXPECT_EQ(some.response_buffer_content, (std::vector<std::string>{"ort", whole[1], whole[2]}));
  EXPECT_EQ(some.after, (std::vector<std::int64_t>{2, 0, 0}));
  const auto many = client.ask<p::ResponseBatchBufferContent>(p::GetBatchResponseBufferContent{
      model, std::vector<std::int64_t>{5, known[1].length, known[2].length, 7, 8}, known[0].generation});
  EXPECT_EQ(many.response_buffer_content, (std::vector<std::string>(3)));
  EXPECT_EQ(client.batch(9), (p::ResponseBatchBufferContent{}));
}

TEST(Polling, TokensComeFromANumberOnToo) {
  Client client;
  const auto model = client.load_reply("abc");
  client.send(completion(model, "xy", 0));
  client.wait_idle(model);
  const auto first = client.ask<p::ResponseBufferIds>(p::GetResponseBufferIds{model, 0, {}});
  ASSERT_EQ(first.response_buffer_ids.size(), 2u);
  EXPECT_EQ(first.length, 2);
  const auto rest = client.ask<p::ResponseBufferIds>(p::GetResponseBufferIds{model, 1, first.generation_id});
  EXPECT_EQ(rest.response_buffer_ids, (std::vector<std::int32_t>{first.response_buffer_ids[1]}));
  EXPECT_EQ(rest.after, 1);
  EXPECT_EQ(rest.length, 2);
  EXPECT_EQ(client.ask<p::ResponseBufferIds>(p::GetResponseBufferIds{model, 3, first.generation_id}).after, 0);
  EXPECT_FALSE(client.ask<p::ResponseBufferIds>(p::GetResponseBufferIds{7, 3, 1}).generation_id);
}

}  // namespace
}  // namespace rwkv::bridge::test
