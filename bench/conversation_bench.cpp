// What the hundredth turn of a conversation costs: time to the first token of turn 2 and of the last turn, with the
// state cache and without. A user's pause between turns is granted: what the model does then counts in no turn, and the
// same figures are printed for a user who answers at once.
//
//   conversation_bench MODEL [turns] [rounds]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common.h"

namespace {

using rwkv::bench::median;

struct Turn {
  double second = 0;      // milliseconds to the first token of turn 2
  double last = 0;        // and of the last turn
  int second_tokens = 0;  // evaluated before it
  int last_tokens = 0;
};

std::string question(int turn) {
  return "What is " + std::to_string(turn % 50) + "+" + std::to_string(turn * 7 % 40) + "?";
}

Turn talk(rwkv::LanguageModel& model, int turns, bool use_cache, bool pause) {
  model.cache().clear();
  rwkv::GenerationOptions options;
  options.sampler.top_k = 1;
  options.penalties = {0, 0, 0};
  options.max_tokens = 12;
  Turn figures;
  std::vector<std::string> messages;
  for (int turn = 1; turn <= turns; ++turn) {
    messages.push_back(question(turn));
    // Without the cache only the turns that are looked at are run: the others would take very long.
    const bool looked_at = turn == 2 || turn == turns;
    if (!use_cache && !looked_at) {
      messages.push_back(std::to_string(turn));
      continue;
    }
    options.use_cache = use_cache;
    const auto prompt = model.chat_prompt({}, rwkv::alternate_roles(messages), true, false);
    const rwkv::GenerationResult result = model.generate(prompt, options, {}, rwkv::CancelToken());
    const int read = result.prompt_tokens - result.cached_tokens;
    if (turn == 2) figures.second = result.prefill_seconds * 1000, figures.second_tokens = read;
    if (turn == turns) figures.last = result.prefill_seconds * 1000, figures.last_tokens = read;
    messages.push_back(result.text);
    if (pause) model.wait_until_settled();
  }
  return figures;
}

}  // namespace

int main(int argc, char** argv) {
  rwkv::bench::end_with_usage(argc, argv, 1, "MODEL [turns] [rounds]");
  const int turns = argc > 2 ? std::max(std::atoi(argv[2]), 3) : 100;
  const int rounds = argc > 3 ? std::max(std::atoi(argv[3]), 1) : 7;
  const auto model = rwkv::bench::load_model(argv[1], 0, 1);
  talk(*model, 3, true, true);

  struct Way {
    const char* name;
    bool use_cache;
    bool pause;
    std::vector<double> second, last, ratio;
    Turn figures;
  } ways[] = {{"with cache", true, true, {}, {}, {}, {}},
              {"with cache, no pause", true, false, {}, {}, {}, {}},
              {"without cache", false, true, {}, {}, {}, {}}};
  std::vector<double> gain;
  for (int round = 0; round < rounds; ++round) {
    for (Way& way : ways) {
      way.figures = talk(*model, turns, way.use_cache, way.pause);
      way.second.push_back(way.figures.second);
      way.last.push_back(way.figures.last);
      way.ratio.push_back(way.figures.last / way.figures.second);
    }
    gain.push_back(ways[2].last.back() / ways[0].last.back());
  }
  std::printf("%s, %d threads, medians of %d conversations of %d turns\n", argv[1], model->info().threads, rounds,
              turns);
  for (const Way& way : ways) {
    std::printf("%-22s turn 2 %8.2f ms (%d tokens)  turn %d %8.2f ms (%d tokens)  ratio %.2f\n", way.name,
                median(way.second), way.figures.second_tokens, turns, median(way.last), way.figures.last_tokens,
                median(way.ratio));
  }
  std::printf("turn %d without the cache takes %.1f times as long\n", turns, median(gain));
}
