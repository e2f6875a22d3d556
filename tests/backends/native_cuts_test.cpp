// Texts cut at random, beside random neighbours, with random numbers of threads, moved between sequences: all that
// comes out of our own engine is, bit for bit, what comes out of the text alone, token by token, on one thread.
#include <ggml.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "backends/native/native_backend.h"
#include "support/quantised.h"
#include "support/tiny_model.h"

namespace rwkv::test {
namespace {

constexpr ggml_type kTypes[] = {GGML_TYPE_F32,  GGML_TYPE_F16,  GGML_TYPE_BF16, GGML_TYPE_Q8_0,
                                GGML_TYPE_Q4_0, GGML_TYPE_Q4_K, GGML_TYPE_Q5_K, GGML_TYPE_Q6_K};
constexpr std::size_t kLength = 64;
constexpr std::size_t kTexts = 5;
constexpr int kPasses = 4;  // over all texts of a model

class Random {
 public:
  explicit Random(std::uint32_t seed) : random_(seed) {}
  std::size_t below(std::size_t bound) { return random_() % bound; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <class Values>
  void shuffle(Values& values) {
    std::shuffle(values.begin(), values.end(), random_);
  }

 private:
  std::mt19937 random_;
};

// K-quants have blocks of 256 values, so models of these types have rows of as many.
TinyShape random_shape(Random& random, ggml_type type) {
  const auto from = [&](std::initializer_list<std::uint32_t> values) {
    return values.begin()[random.below(values.size())];
  };
  TinyShape shape;
  shape.layers = static_cast<std::uint32_t>(1 + random.below(3));
  if (ggml_blck_size(type) > 32) {
    shape.head_size = from({16, 32, 64, 128});
    shape.width = 256;
    shape.feed_forward = 256 * from({1, 2});
  } else {
    shape.head_size = from({8, 20, 32, 48, 64});
    shape.width = shape.head_size * from({1, 2, 3});
    shape.feed_forward = static_cast<std::uint32_t>(32 * (1 + random.below(5)));
  }
  shape.rank = static_cast<std::uint32_t>(1 + random.below(32));
  shape.vocabulary = static_cast<std::uint32_t>(32 + random.below(100));
  return shape;
}

std::vector<float> evaluate(Model& model, EvalItem item) {
  model.evaluate(std::span(&item, 1), {});
  return {item.output.begin(), item.output.end()};
}

// A text alone.
struct Expected {
  Tokens text;
  std::vector<Logits> logits;              // after each token
  std::vector<std::vector<float>> hidden;  // the same
  std::vector<State> states;               // the same
};

Expected read_alone(Model& model, Tokens text) {
  Expected alone;
  alone.text = std::move(text);
  const auto one = model.create_sequence();
  const auto other = model.create_sequence();
  for (const TokenId& token : alone.text) {
    alone.logits.push_back(evaluate(model, {.sequence = one.get(), .tokens = std::span(&token, 1)}));
    alone.hidden.push_back(
        evaluate(model, {.sequence = other.get(), .tokens = std::span(&token, 1), .wants = Output::kLastHidden}));
    alone.states.push_back(one->save());
  }
  return alone;
}

bool equal_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// The item's output is that of the text alone up to `end`.
bool agrees(const EvalItem& item, const Expected& alone, std::size_t end) {
  switch (item.wants) {
    case Output::kNone: return item.output.empty();
    case Output::kLastLogits: return equal_bits(item.output, alone.logits[end - 1]);
    case Output::kLastHidden: return equal_bits(item.output, alone.hidden[end - 1]);
    case Output::kAllLogits: break;
  }
  const std::size_t count = item.tokens.size();
  const std::size_t row = alone.logits[0].size();
  if (item.output.size() != count * row) return false;
  for (std::size_t i = 0; i < count; ++i) {
    if (!equal_bits(item.output.subspan(i * row, row), alone.logits[end - count + i])) return false;
  }
  return true;
}

class Cutter {
 public:
  Cutter(Model& model, Random& random) : model_(model), random_(random) {
    model_.set_threads(1);
    for (std::uint32_t i = 0; i < kTexts; ++i) {
      alone_.push_back(read_alone(model, random_tokens(kLength, model.info().vocabulary, i)));
    }
    for (std::size_t i = 0; i < kTexts; ++i) sequences_.push_back(model.create_sequence());
  }

  // Reads all texts once. Returns the number of pieces, or nothing where one differed.
  std::optional<std::size_t> read_all() {
    for (auto& sequence : sequences_) sequence->reset();
    std::size_t pieces = 0;
    while (true) {
      const std::vector<std::size_t> texts = texts_of_a_batch();
      if (texts.empty()) return pieces;
      if (random_.one_in(4)) model_.set_threads(static_cast<int>(1 + random_.below(4)));
      std::vector<EvalItem> items;
      for (const std::size_t i : texts) items.push_back(piece_of(i));
      model_.evaluate(items, {});
      for (std::size_t at = 0; at < items.size(); ++at) {
        const std::size_t i = texts[at];
        const auto end = static_cast<std::size_t>(sequences_[i]->position());
        if (!agrees(items[at], alone_[i], end)) return std::nullopt;
        if (random_.one_in(3) && !moves(i, end)) return std::nullopt;
      }
      pieces += items.size();
    }
  }

 private:
  // Some of those that are left, in any order; none where none is left.
  std::vector<std::size_t> texts_of_a_batch() {
    std::vector<std::size_t> left;
    for (std::size_t i = 0; i < kTexts; ++i) {
      if (sequences_[i]->position() < static_cast<std::int64_t>(kLength)) left.push_back(i);
    }
    random_.shuffle(left);
    if (!left.empty()) left.resize(1 + random_.below(left.size()));
    return left;
  }

  EvalItem piece_of(std::size_t i) {
    const auto at = static_cast<std::size_t>(sequences_[i]->position());
    const std::size_t most = random_.one_in(2) ? 3 : random_.one_in(4) ? kLength : 20;
    const std::size_t count = std::min(kLength - at, 1 + random_.below(most));
    const auto wants = static_cast<Output>(random_.below(4));
    const bool is_too_long = wants == Output::kAllLogits && static_cast<int>(count * kTexts) > model_.info().logit_rows;
    return {.sequence = sequences_[i].get(),
            .tokens = std::span(alone_[i].text).subspan(at, count),
            .wants = is_too_long ? Output::kLastLogits : wants};
  }

  // The state is that of the text alone, and goes on in another sequence.
  bool moves(std::size_t i, std::size_t end) {
    const State state = sequences_[i]->save();
    if (state.to_host() != alone_[i].states[end - 1].to_host()) return false;
    sequences_[i] = model_.create_sequence();
    sequences_[i]->restore(state);
    return true;
  }

  Model& model_;
  Random& random_;
  std::vector<Expected> alone_;
  std::vector<std::unique_ptr<Sequence>> sequences_;
};

// RWKV_CUTS sets the number of pieces; 100,000 take some minutes.
TEST(NativeCuts, PiecesNeighboursThreadsAndMovesDoNotChangeABit) {
  const char* wanted = std::getenv("RWKV_CUTS");
  const std::size_t cuts = wanted ? std::strtoull(wanted, nullptr, 10) : 1'500;
  const auto backend = make_native_backend();
  const ScratchFolder folder;
  std::size_t pieces = 0;
  std::map<std::string, int> models;
  for (std::uint32_t seed = 1; pieces < cuts || models.size() < std::size(kTypes); ++seed) {
    Random random(seed);
    const ggml_type type = kTypes[seed % std::size(kTypes)];
    const TinyShape shape = random_shape(random, type);
    const std::string path = (folder.path() / "model.gguf").string();
    write_file(path, quantised(TinyRwkv(shape, seed), type));
    const auto model = backend->load(ModelSource(path), one_thread());
    ++models[ggml_type_name(type)];
    Cutter cutter(*model, random);
    for (int pass = 0; pass < kPasses; ++pass) {
      const std::optional<std::size_t> more = cutter.read_all();
      ASSERT_TRUE(more) << ggml_type_name(type) << ", seed " << seed << ", pass " << pass;
      pieces += *more;
    }
  }
  std::printf("%zu pieces, models of each type: %d\n", pieces, models.begin()->second);
}

}  // namespace
}  // namespace rwkv::test
