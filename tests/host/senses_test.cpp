// What models see and hear: pictures in tags, recordings as prompts, and how often they are encoded.
#include "host/senses.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "host/generate.h"
#include "support/refusal.h"
#include "support/table_encoder.h"

namespace rwkv::host {
namespace {

using test::TableEncoder;
using Takes = EncoderInfo::Takes;

TEST(FindPictures, EachTagIsAMarkAndThePathBehindIt) {
  const TaggedText found = find_pictures("See <image>/a b.png</image> and<image>c.jpg</image>", "image");
  EXPECT_EQ(found.text, "See \xFF and\xFF");
  ASSERT_EQ(found.pictures.size(), 2u);
  EXPECT_EQ(found.pictures[0].path, "/a b.png");
  EXPECT_EQ(found.pictures[1].path, "c.jpg");
}

TEST(FindPictures, WhatIsNoWholeTagIsText) {
  for (const std::string text : {"<image>a", "a</image>", "<image", "<img>a</img>", "</image><image>", ""}) {
    const TaggedText found = find_pictures(text, "image");
    EXPECT_EQ(found.text, text);
    EXPECT_TRUE(found.pictures.empty()) << text;
  }
  EXPECT_TRUE(find_pictures("<>a</>", "").pictures.empty());
}

TEST(FindPictures, AByteThatLooksLikeAMarkIsNone) {
  EXPECT_EQ(find_pictures("a\xFF<p>x</p>b\xFF", "p").text,
            "a\xEF\xBF\xBD\xFF"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(find_pictures("a\xFF", "p").text, "a\xFF");
}

std::shared_ptr<const Embeddings> rows(std::uint64_t content, std::size_t count) {
  return std::make_shared<Embeddings>(
      count, 4, content, [count](const CancelToken&, const auto&) { return std::vector<float>(count * 4); });
}

TEST(EncodedMedia, KeepsWhatWasUsedLastWithinItsBound) {
  EncodedMedia media(3 * 160);  // three of ten rows
  int made = 0;
  const auto get = [&](std::uint64_t content) {
    return media.find_or_make(content, 0, [&] {
      ++made;
      return rows(content, 10);
    });
  };
  const auto first = get(1);
  get(2);
  get(3);
  EXPECT_EQ(get(1), first);
  get(4);  // 2 goes
  EXPECT_EQ(media.bytes(), 3u * 160);
  EXPECT_EQ(made, 4);
  EXPECT_EQ(get(1), first);
  get(2);
  EXPECT_EQ(made, 5);
  media.shrink_to(0);
  EXPECT_EQ(media.bytes(), 0u);
}

TEST(EncodedMedia, CountsAFileUntilItIsEncoded) {
  EncodedMedia media;
  const auto picture = media.find_or_make(1, 1000, [] { return rows(1, 10); });
  EXPECT_EQ(media.bytes(), 1160u);
  picture->encode(CancelToken());
  EXPECT_EQ(media.bytes(), 160u);
}

class Sees : public ::testing::Test {
 protected:
  Sees() {
    ModelRequest request;
    request.model_path = test::kModel;
    request.options.threads = 1;
    host_ = std::make_shared<ModelHost>(std::move(request), media_);
    host_->load(CancelToken(), nullptr);
    media_->set_picture_tag("image");
    ModelSettings& settings = *host_->settings();
    SlotSettings::Values greedy;
    greedy.sampler.top_k = 1;
    settings.slots.set_all(greedy);
  }

  void attach(Takes takes = Takes::kPicture, TableEncoder::Before before = nullptr) {
    auto encoder = std::make_unique<TableEncoder>(takes, host_->model().tokenizer(), encoded_, std::move(before));
    host_->senses().attach(std::make_shared<SharedEncoder>(std::move(encoder), MemoryGrant()));
  }
  std::string picture(const std::string& name, const std::string& what) {
    test::write_file(scratch_.path() / name, what);
    return "<image>" + (scratch_.path() / name).string() + "</image>";
  }
  std::shared_ptr<host::Run> begin(const std::vector<std::vector<std::string>>& conversations) {
    auto run = std::make_shared<host::Run>(conversations.size());
    std::vector<Conversation> all;
    for (const auto& messages : conversations) all.push_back({messages});
    end_ = submit_into(
        run, host_->model(),
        [&, all, run] {
          const auto settings = host_->settings();
          return chat_tasks(*host_, settings->chat_format(), all, options_for_run(*settings, all.size(), 12),
                            run->stream);
        },
        nullptr);
    return run;
  }
  std::shared_ptr<host::Run> chat(const std::vector<std::vector<std::string>>& conversations) {
    auto run = begin(conversations);
    end_.wait();
    host_->model().wait_until_settled();
    return run;
  }
  std::string error_of(const host::Run& run) {
    const auto end = run.stream.end(0);
    return end && end->error ? end->error->what() : "";
  }

  test::ScratchFolder scratch_;
  const std::shared_ptr<SharedMedia> media_ = std::make_shared<SharedMedia>();
  std::shared_ptr<ModelHost> host_;
  const std::shared_ptr<std::atomic<int>> encoded_ = std::make_shared<std::atomic<int>>(0);
  std::future<void> end_;
};

constexpr const char* kScene =
    " a red house beside a lake, two boats on the water and a dog that sleeps in front of the door";

TEST_F(Sees, AnotherQuestionAboutAPictureEncodesNothingAndReadsTheQuestionAlone) {
  attach();
  const std::string seen = picture("a.png", kScene);
  const auto first = chat({{seen + "\nWhat is it?"}});
  ASSERT_EQ(error_of(*first), "");
  EXPECT_EQ(*encoded_, 1);
  const auto second = chat({{seen + "\nHow many boats are there?"}});
  EXPECT_EQ(*encoded_, 1);
  EXPECT_GT(second->results[0].cached_tokens, 20);
  const auto next = chat({{seen + "\nWhat is it?", first->stream.text(0), "And where does the dog sleep?"}});
  EXPECT_EQ(*encoded_, 1);
  EXPECT_GT(next->results[0].cached_tokens, second->results[0].cached_tokens);
}

TEST_F(Sees, TheContentCountsNotTheName) {
  attach();
  const std::string seen = picture("a.png", kScene);
  const auto first = chat({{seen + "\nWhat is it?"}});
  picture("a.png", " a blue house above a road");
  const auto other = chat({{seen + "\nWhat is it?"}});
  EXPECT_EQ(*encoded_, 2);
  EXPECT_NE(other->results[0].prompt_tokens, first->results[0].prompt_tokens);
  const auto again = chat({{picture("b.png", kScene) + "\nWhat is it?"}});
  EXPECT_EQ(*encoded_, 2);
  EXPECT_EQ(again->results[0].tokens, first->results[0].tokens);
}

TEST_F(Sees, SeveralConversationsAboutAPictureEncodeItOnce) {
  attach();
  const std::string seen = picture("a.png", kScene);
  const std::string other = picture("b.png", " a blue house");
  const auto run = chat({{seen + "\nWhat is it?"}, {seen + other + "\nWhat are they?"}});
  ASSERT_EQ(error_of(*run), "");
  EXPECT_EQ(*encoded_, 2);
}

TEST_F(Sees, APictureInThePromptIsSeenByEveryChat) {
  attach();
  host_->set_prompt("Look at " + picture("a.png", kScene) + " and answer.\n\n");
  const auto run = chat({{"What is it?"}});
  ASSERT_EQ(error_of(*run), "");
  EXPECT_EQ(*encoded_, 1);
  EXPECT_GT(run->results[0].prompt_tokens, 20);
}

TEST_F(Sees, ARecordingIsThePromptUntilAnotherPromptIsSet) {
  attach(Takes::kSound);
  test::write_file(scratch_.path() / "a.wav", kScene);
  const std::string path = (scratch_.path() / "a.wav").string();
  host_->set_audio_prompt(path, CancelToken());
  EXPECT_EQ(*encoded_, 1);
  EXPECT_EQ(host_->settings()->format.prompt, "<audio src=\"" + path + "\">");
  std::filesystem::remove(path);
  const auto run = chat({{"What is it?"}});
  ASSERT_EQ(error_of(*run), "");
  EXPECT_EQ(*encoded_, 1);
  EXPECT_GT(run->results[0].cached_tokens, 15);
  host_->set_prompt("");
  EXPECT_LT(chat({{"What is it?"}})->results[0].prompt_tokens, 15);
  test::expect_words(test::refusal(ErrorCode::kNotFound, [&] { host_->set_audio_prompt(path, CancelToken()); }),
                     {path});
  EXPECT_EQ(host_->settings()->format.prompt, "");
}

TEST_F(Sees, WhatCannotBeSeenEndsTheRunWithAReason) {
  const std::string seen = picture("a.png", kScene);
  EXPECT_NE(error_of(*chat({{seen + "\nWhat?"}})).find("load a vision encoder"), std::string::npos);
  attach();
  EXPECT_NE(error_of(*chat({{"<image>/nowhere.png</image>\nWhat?"}})).find("/nowhere.png"), std::string::npos);
  EXPECT_NE(error_of(*chat({{picture("empty.png", "") + "\nWhat?"}})).find("shows nothing"), std::string::npos);
  EXPECT_EQ(error_of(*chat({{seen + "\nWhat?"}})), "");
  host_->senses().detach(Takes::kPicture);
  EXPECT_NE(error_of(*chat({{seen + "\nWhat?"}})).find("load a vision encoder"), std::string::npos);
}

TEST_F(Sees, TextWithoutATagOrByTheModelNamesNoFile) {
  attach();
  media_->set_picture_tag("");
  EXPECT_EQ(error_of(*chat({{"<image>/nowhere.png</image>\nWhat?"}})), "");
  media_->set_picture_tag("image");
  EXPECT_EQ(error_of(*chat({{"Hi", "<image>/nowhere.png</image>", "And?"}})), "");
  EXPECT_EQ(*encoded_, 0);
}

TEST_F(Sees, ARunIsCancelledWhileItEncodesAndTheNextOneWorks) {
  std::promise<void> begun;
  std::atomic<bool> first{true};
  attach(Takes::kPicture, [&](const CancelToken& cancel) {
    if (!first.exchange(false)) return;
    begun.set_value();
    while (!cancel.cancelled()) std::this_thread::yield();
  });
  const std::string seen = picture("a.png", kScene);
  auto run = std::make_shared<host::Run>(std::size_t{1});
  std::thread worker([&] {
    const auto tasks = [&] {
      const auto settings = host_->settings();
      return chat_tasks(*host_, settings->chat_format(), {{{seen + "\nWhat?"}}}, options_for_run(*settings, 1, 12),
                        run->stream);
    };
    submit_into(run, host_->model(), tasks, nullptr).wait();
  });
  begun.get_future().wait();
  run->cancel.cancel();
  worker.join();
  EXPECT_EQ(run->stream.end(0)->reason, EndReason::kCancelled);
  EXPECT_EQ(error_of(*chat({{seen + "\nWhat?"}})), "");
  EXPECT_EQ(*encoded_, 1);
}

TEST_F(Sees, RowsOfAnotherWidthAreRefusedWithBothWidths) {
  Senses senses(media_, 96);
  auto encoder = std::make_unique<TableEncoder>(Takes::kPicture, host_->model().tokenizer(), encoded_);
  const auto shared = std::make_shared<SharedEncoder>(std::move(encoder), MemoryGrant());
  test::expect_words(test::refusal(ErrorCode::kInvalidArgument, [&] { senses.attach(shared); }), {"96", "128"});
}

TEST_F(Sees, TokensOfAPictureAreCountedWithoutEncodingIt) {
  attach();
  const std::string seen = picture("a.png", kScene);
  const Prompt prompt = chat_prompt(*host_, host_->settings()->chat_format(),
                                    alternate_roles(std::vector<std::string>{seen + "\nWhat is it?"}), true, false);
  EXPECT_EQ(*encoded_, 0);
  EXPECT_EQ(chat({{seen + "\nWhat is it?"}})->results[0].prompt_tokens, static_cast<int>(prompt.tokens.size()));
}

}  // namespace
}  // namespace rwkv::host
