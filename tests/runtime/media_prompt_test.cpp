// Media in prompts: what an encoder made is read in the place of tokens, and remembered, shared, saved and found as
// text is.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <thread>

#include "base/checksum.h"
#include "base/mapped_file.h"
#include "formats/floats.h"
#include "formats/gguf.h"
#include "support/language_models.h"

namespace rwkv {
namespace {

using test::load_language_model;
using test::ScratchFolder;
using Media = std::vector<std::shared_ptr<const Embeddings>>;

// "Encodes" a text to the rows that the model's own table has for its tokens: so the media must be read as that text
// is.
class FakeEncoder {
 public:
  explicit FakeEncoder(const LanguageModel& model)
      : model_(model), file_(test::kModel), gguf_(GgufFile::parse(file_.bytes(), test::kModel)) {}

  std::shared_ptr<const Embeddings> encode(const std::string& text) const {
    const GgufTensor& table = *gguf_.find_tensor("token_embd.weight");
    const auto width = static_cast<std::size_t>(model_.info().width);
    const Tokens tokens = model_.tokenizer().encode(text);
    std::vector<float> values(tokens.size() * width);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      decode_floats(DataType::kF16, table.data.data() + static_cast<std::size_t>(tokens[i]) * width * 2,
                    std::span(values).subspan(i * width, width));
    }
    return std::make_shared<Embeddings>(
        tokens.size(), width, checksum(std::as_bytes(std::span(text))),
        [values = std::move(values), encoded = encoded_](const CancelToken& cancel, const auto&) {
          cancel.check();
          ++*encoded;
          return values;
        });
  }

  /// How often something was encoded.
  int encoded() const { return *encoded_; }

 private:
  const LanguageModel& model_;
  const MappedFile file_;
  const GgufFile gguf_;
  const std::shared_ptr<std::atomic<int>> encoded_ = std::make_shared<std::atomic<int>>(0);
};

const std::string kPicture =
    " a red house beside a lake, two boats on the water and a dog that sleeps in front of the door";
const std::string kOtherPicture =
    " a blue house above a road, two trees on the corner and a cat that waits in front of the wall";
const std::string kMark(1, kMediaMark);

GenerationOptions greedy(int tokens = 24) {
  GenerationOptions options;
  options.sampler.top_k = 1;
  options.max_tokens = tokens;
  return options;
}

GenerationResult answer(LanguageModel& model, const Prompt& prompt, const GenerationOptions& options = greedy()) {
  GenerationResult result = model.generate(prompt, options, {}, CancelToken());
  model.wait_until_settled();
  return result;
}

Prompt chat(const LanguageModel& model, const std::vector<ChatMessage>& messages) {
  return model.chat_prompt({}, messages, true, false);
}

ChatMessage about(std::shared_ptr<const Embeddings> picture, const std::string& question) {
  return {"user", kMark + "\n" + question, {std::move(picture)}};
}

StateBytes bytes_of(const State& state) { return state.to_host(); }

TEST(MediaPrompt, EachRowStandsInTheListAsANumberOfItsContent) {
  const auto model = load_language_model();
  const FakeEncoder encoder(*model);
  const auto picture = encoder.encode(kPicture);
  const Prompt prompt = chat(*model, {about(picture, "What is it?")});
  ASSERT_EQ(prompt.media.size(), 1u);
  const std::size_t begin = prompt.media[0].position;
  const std::size_t end = begin + picture->rows();
  EXPECT_EQ(Tokens(prompt.tokens.begin(), prompt.tokens.begin() + static_cast<std::ptrdiff_t>(begin)),
            model->tokenizer().encode("User: "));
  for (std::size_t i = 0; i < prompt.tokens.size(); ++i) {
    EXPECT_EQ(is_media(prompt.tokens[i]), i >= begin && i < end) << i;
  }
  EXPECT_EQ(Tokens(prompt.tokens.begin() + static_cast<std::ptrdiff_t>(end), prompt.tokens.end()),
            model->tokenizer().encode("\nWhat is it?\n\nAssistant:"));
  // The end of the picture and that of the turn.
  const std::size_t turn = end + model->tokenizer().encode("\nWhat is it?\n\n").size();
  EXPECT_EQ(prompt.turn_ends, (std::vector<std::size_t>{end, turn}));

  const Prompt same = chat(*model, {about(encoder.encode(kPicture), "What is it?")});
  EXPECT_EQ(same.tokens, prompt.tokens);
  const Prompt other = chat(*model, {about(encoder.encode(kOtherPicture), "What is it?")});
  EXPECT_NE(other.tokens[begin], prompt.tokens[begin]);
}

TEST(MediaPrompt, RowsOfTheTableAreReadAsTheirTokens) {
  const auto model = load_language_model();
  const FakeEncoder encoder(*model);
  const Media media{encoder.encode(kPicture)};
  const Prompt rows = model->prompts().completion("User: This is" + kMark + ".\n\nAssistant:", media);
  Prompt tokens = rows;
  tokens.media.clear();
  const Tokens picture = model->tokenizer().encode(kPicture);
  std::copy(picture.begin(), picture.end(),
            tokens.tokens.begin() + static_cast<std::ptrdiff_t>(rows.media[0].position));
  ASSERT_NE(rows.tokens, tokens.tokens);
  const GenerationResult seen = answer(*model, rows);
  EXPECT_EQ(seen.tokens, answer(*model, tokens).tokens);
  EXPECT_EQ(seen.prompt_tokens, static_cast<int>(tokens.tokens.size()));
}

TEST(MediaPrompt, APictureMayBeTheLastThing) {
  const auto model = load_language_model();
  const FakeEncoder encoder(*model);
  const Media media{encoder.encode(kPicture)};
  const Prompt rows = model->prompts().completion("User: This is" + kMark, media);
  Prompt tokens = rows;
  tokens.media.clear();
  const Tokens picture = model->tokenizer().encode(kPicture);
  std::copy(picture.begin(), picture.end(),
            tokens.tokens.begin() + static_cast<std::ptrdiff_t>(rows.media[0].position));
  EXPECT_EQ(answer(*model, rows).tokens, answer(*model, tokens).tokens);
}

TEST(MediaPrompt, AnotherQuestionAboutAPictureReadsTheQuestionAlone) {
  const auto model = load_language_model();
  const FakeEncoder encoder(*model);
  const auto picture = encoder.encode(kPicture);
  const Prompt first = chat(*model, {about(picture, "What is it?")});
  const std::size_t end = first.media[0].position + picture->rows();
  EXPECT_EQ(answer(*model, first).cached_tokens, 0);
  const Prompt second = chat(*model, {about(encoder.encode(kPicture), "How many boats are on the lake?")});
  const GenerationResult seen = answer(*model, second);
  EXPECT_EQ(seen.cached_tokens, static_cast<int>(end));

  const auto fresh = load_language_model();
  EXPECT_EQ(seen.tokens, answer(*fresh, second).tokens);

  const Prompt other = chat(*model, {about(encoder.encode(kOtherPicture), "What is it?")});
  EXPECT_LE(answer(*model, other).cached_tokens, static_cast<int>(other.media[0].position));
}

TEST(MediaPrompt, TheNextTurnOfAConversationReadsItsOwnTokensAlone) {
  const auto model = load_language_model();
  const FakeEncoder encoder(*model);
  std::vector<ChatMessage> talk{about(encoder.encode(kPicture), "What is it?")};
  const GenerationResult first = answer(*model, chat(*model, talk));
  talk.push_back({"assistant", first.text});
  talk.push_back({"user", "And what is beside it? Tell me more about all that you see there."});
  const Prompt next = chat(*model, talk);
  const GenerationResult second = answer(*model, next);
  const auto own =
      static_cast<int>(model->tokenizer().encode("User: " + talk.back().content + "\n\nAssistant:").size());
  EXPECT_LE(second.prompt_tokens - second.cached_tokens, own + 2 * model->info().stable_grid);
  // Regenerated from the turn before.
  talk.pop_back();
  talk.pop_back();
  EXPECT_EQ(answer(*model, chat(*model, talk)).tokens, first.tokens);
}

TEST(MediaPrompt, TheStateHasTheSameBitsHoweverItCameAbout) {
  const auto model = load_language_model();
  const FakeEncoder encoder(*model);
  const auto picture = encoder.encode(kPicture);
  for (const std::string& before : {std::string("See"), std::string("Here you see what I saw when I came home:")}) {
    const Media media{picture, encoder.encode(kOtherPicture)};
    const Prompt whole =
        model->prompts().completion(before + kMark + kMark + " and tell me what there is to be seen", media);
    model->cache().clear();
    const StateBytes at_once = bytes_of(model->state_after(whole, CancelToken()));
    model->cache().clear();
    const Media first{picture};
    model->state_after(model->prompts().completion(before + kMark, first), CancelToken());
    EXPECT_EQ(bytes_of(model->state_after(whole, CancelToken())), at_once);
    model->cache().clear();
    model->state_after(model->prompts().completion(before + kMark + kMark + " and tell me what there", media),
                       CancelToken());
    EXPECT_EQ(bytes_of(model->state_after(whole, CancelToken())), at_once);
  }
}

TEST(MediaPrompt, TwoWhoAskAboutOnePictureAtOnceReadItOnce) {
  const auto model = load_language_model();
  const FakeEncoder encoder(*model);
  const auto picture = encoder.encode(kPicture);
  std::vector<GenerationTask> tasks;
  std::vector<Tokens> alone;
  for (const char* question : {"What is it?", "Where is the dog that sleeps?"}) {
    tasks.push_back({chat(*model, {about(picture, question)}), greedy()});
    alone.push_back(answer(*load_language_model(), tasks.back().prompt).tokens);
  }
  const auto results = model->generate(tasks, {}, CancelToken());
  EXPECT_EQ(results[0].tokens, alone[0]);
  EXPECT_EQ(results[1].tokens, alone[1]);
  EXPECT_GE(std::max(results[0].cached_tokens, results[1].cached_tokens), static_cast<int>(picture->rows()));
}

TEST(MediaPrompt, AConversationAboutAPictureGoesOnInTheNextProcess) {
  const ScratchFolder scratch;
  const std::string folder = scratch.path() / "states";
  std::vector<ChatMessage> talk;
  {
    const auto model = load_language_model();
    model->set_state_folder(folder, std::uint64_t{1} << 30);
    talk.push_back(about(FakeEncoder(*model).encode(kPicture), "What is it?"));
    talk.push_back({"assistant", answer(*model, chat(*model, talk)).text});
    model->cache().disk()->wait_until_written();
  }
  talk.push_back({"user", "And what is beside it?"});
  const auto model = load_language_model();
  model->set_state_folder(folder, std::uint64_t{1} << 30);
  const Prompt next = chat(*model, talk);
  const GenerationResult again = answer(*model, next);
  EXPECT_GE(again.cached_tokens, static_cast<int>(next.media[0].position + next.media[0].embeddings->rows()));
  EXPECT_EQ(again.tokens, answer(*load_language_model(), next).tokens);
}

TEST(MediaPrompt, ASavedStateOfAPictureIsLoadedAndGoneOnFrom) {
  const ScratchFolder scratch;
  const std::string file = scratch.path() / "seen.state";
  Prompt prompt;
  Tokens before;
  {
    const auto model = load_language_model();
    prompt = chat(*model, {about(FakeEncoder(*model).encode(kPicture), "What is it?")});
    before = answer(*model, prompt).tokens;
    Prompt seen = prompt;
    seen.tokens.resize(prompt.media[0].position + prompt.media[0].embeddings->rows());
    seen.turn_ends.clear();
    model->save_state(file, seen, StateType::kF32, CancelToken());
  }
  const auto model = load_language_model();
  model->load_state(file);
  const GenerationResult again = answer(*model, prompt);
  EXPECT_EQ(again.tokens, before);
  EXPECT_EQ(again.cached_tokens, static_cast<int>(prompt.media[0].position + prompt.media[0].embeddings->rows()));
}

// What is thrown, by its code.
template <class Function>
std::optional<ErrorCode> code_of(const Function& function) {
  try {
    function();
    return std::nullopt;
  } catch (const Error& error) {
    return error.code();
  }
}

TEST(MediaPrompt, WhatDoesNotFitIsRefused) {
  const auto model = load_language_model();
  const auto picture = FakeEncoder(*model).encode(kPicture);
  const auto nothing = [](const CancelToken&, const auto&) { return std::vector<float>(); };
  const auto narrow = std::make_shared<Embeddings>(3, picture->width() - 1, 1, nothing);
  EXPECT_EQ(code_of([&] { chat(*model, {about(narrow, "What?")}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { chat(*model, {about(nullptr, "What?")}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(
      code_of([&] { chat(*model, {about(std::make_shared<Embeddings>(0, picture->width(), 1, nothing), "What?")}); }),
      ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { chat(*model, {{"user", "no place", {picture}}}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { chat(*model, {{"user", kMark + kMark, {picture}}}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { model->prompts().completion(kMark + kMark, Media{picture}); }), ErrorCode::kInvalidArgument);
  const std::vector<ChatMessage> open{about(picture, "What?"), {"assistant", "See: " + kMark, {picture}}};
  EXPECT_EQ(code_of([&] { model->chat_prompt({}, open, false, false); }), ErrorCode::kInvalidArgument);
}

TEST(MediaPrompt, WhatARememberedStateStandsForIsNotEncoded) {
  const ScratchFolder scratch;
  const std::string folder = scratch.path() / "states";
  Tokens before;
  {
    const auto model = load_language_model();
    model->set_state_folder(folder, std::uint64_t{1} << 30);
    const FakeEncoder encoder(*model);
    answer(*model, chat(*model, {about(encoder.encode(kPicture), "What is it?")}));
    EXPECT_EQ(encoder.encoded(), 1);
    const Prompt second = chat(*model, {about(encoder.encode(kPicture), "How many boats are there?")});
    before = answer(*model, second).tokens;
    EXPECT_EQ(encoder.encoded(), 1);
    model->cache().disk()->wait_until_written();
  }
  const auto model = load_language_model();
  model->set_state_folder(folder, std::uint64_t{1} << 30);
  const FakeEncoder encoder(*model);
  EXPECT_EQ(answer(*model, chat(*model, {about(encoder.encode(kPicture), "How many boats are there?")})).tokens,
            before);
  EXPECT_EQ(encoder.encoded(), 0);
}

TEST(MediaPrompt, WhatCannotBeEncodedEndsItsRunAloneAndIsTriedAgain) {
  const auto model = load_language_model();
  const FakeEncoder encoder(*model);
  const auto good = encoder.encode(kPicture);
  int tries = 0;
  const auto picture =
      std::make_shared<Embeddings>(good->rows(), good->width(), 7, [&](const CancelToken& cancel, const auto&) {
        if (++tries == 1) throw Error(ErrorCode::kBadFile, "broken");
        good->encode(cancel);
        std::vector<float> values(good->values().begin(), good->values().end());
        if (tries == 2) values[0] = std::nanf("");
        if (tries == 3) values.pop_back();
        return values;
      });
  const Prompt prompt = chat(*model, {about(picture, "What is it?")});
  EXPECT_EQ(answer(*model, prompt).error->code(), ErrorCode::kBadFile);
  EXPECT_EQ(answer(*model, prompt).error->code(), ErrorCode::kEvaluation);
  EXPECT_EQ(answer(*model, prompt).error->code(), ErrorCode::kEvaluation);
  EXPECT_EQ(answer(*model, prompt).tokens, answer(*model, chat(*model, {about(good, "What is it?")})).tokens);
}

TEST(MediaPrompt, WhoWaitsForAnothersEncodingCanBeCancelled) {
  std::promise<void> begun;
  std::promise<void> let_go;
  const auto picture = std::make_shared<Embeddings>(1, 2, 7, [&](const CancelToken&, const auto&) {
    begun.set_value();
    let_go.get_future().wait();
    return std::vector<float>{1, 2};
  });
  std::thread other([&] { picture->encode(CancelToken()); });
  begun.get_future().wait();
  const CancelToken cancel;
  cancel.cancel();
  EXPECT_EQ(code_of([&] { picture->encode(cancel); }), ErrorCode::kCancelled);
  let_go.set_value();
  picture->encode(CancelToken());
  EXPECT_EQ(picture->values().size(), 2u);
  other.join();
}

TEST(MediaPrompt, ATextThatHasTheMarksByteWithoutMediaIsATextAsEver) {
  const auto model = load_language_model();
  const Prompt prompt = chat(*model, {{"user", "a" + kMark + "b"}});
  EXPECT_TRUE(prompt.media.empty());
  EXPECT_EQ(prompt.tokens, model->tokenizer().encode("User: a" + kMark + "b\n\nAssistant:"));
}

}  // namespace
}  // namespace rwkv
