// How much of a text has to be evaluated at once for the same bits. The cache relies on it.
#include <llama.h>

#include "support/stable_cuts.h"

namespace rwkv {
namespace {

using namespace test;

TEST(StablePiece, HoldsForQuantisedWeights) {
  TinyShape shape = shape_of(7);
  shape.width = 256;
  shape.feed_forward = 512;
  const ScratchFolder folder;
  const std::string from = (folder.path() / "from.gguf").string();
  write_file(from, TinyRwkv(shape, 1).gguf(kF32).bytes());
  for (const llama_ftype type :
       {LLAMA_FTYPE_MOSTLY_Q8_0, LLAMA_FTYPE_MOSTLY_Q4_0, LLAMA_FTYPE_MOSTLY_Q5_1, LLAMA_FTYPE_MOSTLY_Q4_K_M,
        LLAMA_FTYPE_MOSTLY_Q5_K_M, LLAMA_FTYPE_MOSTLY_Q6_K, LLAMA_FTYPE_MOSTLY_IQ4_NL, LLAMA_FTYPE_MOSTLY_BF16}) {
    const std::string to = (folder.path() / ("to" + std::to_string(type) + ".gguf")).string();
    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.ftype = type;
    params.nthread = 1;
    ASSERT_EQ(llama_model_quantize(from.c_str(), to.c_str(), &params), 0u);
    expect_stable_cuts(*load_file(to, one_thread()), "ftype " + std::to_string(type));
  }
}

// Steps of several sequences add up in another order than steps of one. How far apart they are on the shipped model is
// recorded with the test; docs/ARCHITECTURE.md names it.
TEST(StablePiece, AStepOfSeveralSequencesDiffersFromAStepOfOneByRoundingOnly) {
  const auto model = load_file(kModel, one_thread());
  double several_to_one = 0;
  double several_to_several = 0;
  std::vector<std::unique_ptr<Sequence>> sequences;
  for (int i = 0; i < 16; ++i) sequences.push_back(model->create_sequence());
  Logits one;
  Logits pair;
  for (const std::size_t count : {1u, 2u, 3u, 8u, 16u}) {
    Logits last;
    for (std::size_t i = 0; i < count; ++i) sequences[i]->reset();
    for (int step = 0; step < 60; ++step) {
      const Tokens token{static_cast<TokenId>(1 + step * 7 % 400)};
      std::vector<EvalItem> items;
      for (std::size_t i = 0; i < count; ++i) items.push_back({.sequence = sequences[i].get(), .tokens = token});
      model->evaluate(items, {});
      last.assign(items[count / 2].output.begin(), items[count / 2].output.end());
    }
    if (count == 1) one = last;
    if (count == 2) pair = last;
    if (count > 1) several_to_one = std::max(several_to_one, distance(last, one));
    if (count > 2) several_to_several = std::max(several_to_several, distance(last, pair));
  }
  RecordProperty("several_to_one", std::to_string(several_to_one));
  std::printf("logits after 60 steps: several against one %.2g, several against two %.2g\n", several_to_one,
              several_to_several);
  EXPECT_LT(several_to_one, 1e-3);
  EXPECT_EQ(several_to_several, 0);
}

}  // namespace
}  // namespace rwkv
