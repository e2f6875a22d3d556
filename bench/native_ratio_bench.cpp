// Our own engine against llama.cpp's own loop, without the runtime above them: prefill of 512 tokens, decode, and
// decode of 8 and 16 sequences together; same file, same process, rounds in turn. Beside it the memory's bandwidth in
// the same run, what share of it decode uses, and what the kernels do with weights that lie in the cache. roofline.py
// draws what it prints.
//
//   native_ratio_bench MODEL [threads] [rounds] [threads of llama.cpp] [steps] [tokens of prefill]
#include <llama.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "backends/native/kernels/panels.h"
#include "backends/native/select_kernels.h"
#include "common.h"
#include "engine/backend.h"

namespace {

using rwkv::TokenId;
using rwkv::bench::Clock;
using rwkv::bench::median;
using rwkv::bench::seconds_since;

constexpr int kMostPromptTokens = 512;
int g_steps = 48;
constexpr int kMostSequences = 16;

std::vector<TokenId> tokens_for(int vocabulary, int count, int seed) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(1 + (seed * 131 + i * 7919) % (vocabulary - 1));
  return tokens;
}

class Ours {
 public:
  Ours(const rwkv::ModelSource& source, int threads) {
    rwkv::LoadOptions options;
    options.threads = threads;
    model_ = rwkv::backend_by_name("native").load(source, options);
    for (int i = 0; i < kMostSequences; ++i) sequences_.push_back(model_->create_sequence());
  }
  const rwkv::ModelInfo& info() const { return model_->info(); }

  double prefill(const std::vector<TokenId>& tokens) {
    sequences_[0]->reset();
    const auto start = Clock::now();
    rwkv::EvalItem item{.sequence = sequences_[0].get(), .tokens = tokens};
    model_->evaluate(std::span(&item, 1), {});
    return static_cast<double>(tokens.size()) / seconds_since(start);
  }

  double decode(int count) {
    std::vector<std::vector<TokenId>> next;
    for (int i = 0; i < count; ++i) {
      sequences_[static_cast<std::size_t>(i)]->reset();
      next.push_back(tokens_for(info().vocabulary, 1, i));
    }
    const auto start = Clock::now();
    for (int step = 0; step < g_steps; ++step) {
      std::vector<rwkv::EvalItem> items;
      for (std::size_t i = 0; i < next.size(); ++i) {
        items.push_back({.sequence = sequences_[i].get(), .tokens = next[i]});
      }
      model_->evaluate(items, {});
      for (std::size_t i = 0; i < next.size(); ++i) {
        const auto& logits = items[i].output;
        next[i][0] = static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
      }
    }
    return count * g_steps / seconds_since(start);
  }

 private:
  std::unique_ptr<rwkv::Model> model_;
  std::vector<std::unique_ptr<rwkv::Sequence>> sequences_;
};

class Peer {
 public:
  Peer(const char* path, int threads, int vocabulary) : vocabulary_(vocabulary) {
    model_ = llama_model_load_from_file(path, llama_model_default_params());
    llama_context_params params = llama_context_default_params();
    params.n_threads = threads;
    params.n_threads_batch = threads;
    params.n_seq_max = kMostSequences;
    params.n_batch = kMostPromptTokens;
    params.n_ubatch = kMostPromptTokens;
    params.n_ctx = kMostPromptTokens * kMostSequences;
    params.no_perf = true;
    context_ = llama_init_from_model(model_, params);
    if (context_ == nullptr) std::abort();
    batch_ = llama_batch_init(kMostPromptTokens, 0, 1);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    llama_batch_free(batch_);
    llama_free(context_);
    llama_model_free(model_);
  }

  double prefill(const std::vector<TokenId>& tokens) {
    llama_memory_clear(llama_get_memory(context_), true);
    const auto start = Clock::now();
    batch_.n_tokens = 0;
    for (std::size_t i = 0; i < tokens.size(); ++i) add(tokens[i], static_cast<int>(i), 0, i + 1 == tokens.size());
    decode_batch();
    return static_cast<double>(tokens.size()) / seconds_since(start);
  }

  double decode(int count) {
    llama_memory_clear(llama_get_memory(context_), true);
    std::vector<TokenId> next;
    for (int i = 0; i < count; ++i) next.push_back(tokens_for(vocabulary_, 1, i)[0]);
    const auto start = Clock::now();
    for (int step = 0; step < g_steps; ++step) {
      batch_.n_tokens = 0;
      for (int i = 0; i < count; ++i) add(next[static_cast<std::size_t>(i)], step, i, true);
      decode_batch();
      for (int i = 0; i < count; ++i) {
        const float* logits = llama_get_logits_ith(context_, i);
        next[static_cast<std::size_t>(i)] =
            static_cast<TokenId>(std::max_element(logits, logits + vocabulary_) - logits);
      }
    }
    return count * g_steps / seconds_since(start);
  }

 private:
  void add(TokenId token, int position, int sequence, bool wanted) {
    const int row = batch_.n_tokens++;
    batch_.token[row] = token;
    batch_.pos[row] = position;
    batch_.n_seq_id[row] = 1;
    batch_.seq_id[row][0] = sequence;
    batch_.logits[row] = wanted ? 1 : 0;
  }
  void decode_batch() {
    if (llama_decode(context_, batch_) != 0) std::abort();
  }

  int vocabulary_;
  llama_model* model_ = nullptr;
  llama_context* context_ = nullptr;
  llama_batch batch_{};
};

// Bytes a second that so many threads read from memory together. Each reads from eight places in turn and asks in time
// for what comes next, with which a processor reads faster than from one place in order.
double bandwidth(int threads) {
  constexpr std::size_t kPlaces = 8;
  constexpr std::size_t kAtOnce = 64;                    // words, read in a place before the next one's turn
  constexpr std::size_t kWords = std::size_t{32} << 20;  // 256 MB, more than most caches
  static const std::vector<std::uint64_t> memory(kWords, 1);
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(threads) * 8);
  const auto start = Clock::now();
  std::vector<std::thread> readers;
  const std::size_t part = kWords / static_cast<std::size_t>(threads) / kPlaces / kAtOnce * kAtOnce;
  for (std::size_t i = 0; i < static_cast<std::size_t>(threads); ++i) {
    readers.emplace_back([&, i] {
      std::uint64_t eight[8] = {};
      for (std::size_t at = 0; at < part; at += kAtOnce) {
        for (std::size_t place = 0; place < kPlaces; ++place) {
          const std::uint64_t* from = memory.data() + (i * kPlaces + place) * part + at;
          for (std::size_t word = 0; word < kAtOnce; word += 8) {
            __builtin_prefetch(from + word + 4 * kAtOnce);
            for (std::size_t lane = 0; lane < 8; ++lane) eight[lane] += from[word + lane];
          }
        }
      }
      for (const std::uint64_t sum : eight) sums[8 * i] += sum;
    });
  }
  for (std::thread& reader : readers) reader.join();
  const double seconds = seconds_since(start);
  if (sums[0] == 0) std::abort();
  return static_cast<double>(part * kPlaces * static_cast<std::size_t>(threads) * sizeof(std::uint64_t)) / seconds;
}

// Products a second that so many threads make together of Q8_0 weights in their caches and 64 vectors.
double products_from_cache(int threads) {
  using namespace rwkv::native;
  constexpr std::size_t kPanels = 12;
  constexpr std::size_t kColumns = 768;
  constexpr std::size_t kBlocks = kColumns / kBlock;
  constexpr std::size_t kTokens = 64;
  constexpr int kRounds = 200;
  const auto multiply = [] {
    PanelMatrix matrix{.packing = Packing::kQ8_0, .rows = kPanels * kPanelRows, .columns = kColumns};
    matrix.panel_bytes = kBlocks * (panel_parts(Packing::kQ8_0).low + panel_parts(Packing::kQ8_0).block);
    const std::vector<std::byte> panels(kPanels * matrix.panel_bytes, std::byte{17});
    matrix.panels = panels.data();
    std::vector<std::int8_t> values(kTokens * kColumns, 1);
    std::vector<float> numbers(kTokens * kBlocks, 1.0f);
    std::vector<std::int32_t> wholes(2 * kTokens * kBlocks, 1);
    std::vector<float> y(kTokens * matrix.rows);
    const Vectors x{.length = kColumns,
                    .padded = kColumns,
                    .values = values.data(),
                    .scales = numbers.data(),
                    .sums = numbers.data(),
                    .totals = wholes.data(),
                    .halves = wholes.data()};
    for (int round = 0; round < kRounds; ++round) {
      fastest_kernels().multiply(matrix, 0, kPanels, x, kTokens, Then::kSet, y.data(), matrix.rows);
    }
  };
  const auto start = Clock::now();
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) all.emplace_back(multiply);
  for (std::thread& one : all) one.join();
  return static_cast<double>(kPanels * kPanelRows * kColumns * kTokens) * kRounds * threads / seconds_since(start);
}

double report(const char* what, int rounds, const std::function<double()>& ours, const std::function<double()>& peer) {
  ours();
  peer();
  std::vector<double> mine;
  std::vector<double> theirs;
  std::vector<double> ratios;
  for (int round = 0; round < rounds; ++round) {
    // Whoever comes second in a round may find a warmer machine, so they take turns.
    if (round % 2 == 0) mine.push_back(ours());
    theirs.push_back(peer());
    if (round % 2 == 1) mine.push_back(ours());
    ratios.push_back(mine.back() / theirs.back());
  }
  std::printf("%-12s native %9.1f  llama.cpp %9.1f tokens/s  ratio %.2f\n", what, median(mine), median(theirs),
              median(ratios));
  std::fflush(stdout);
  return median(mine);
}

}  // namespace

int main(int argc, char** argv) {
  rwkv::bench::end_with_usage(argc, argv, 1,
                              "MODEL [threads] [rounds] [threads of llama.cpp] [steps] [tokens of prefill]");
  const int rounds = argc > 3 ? std::max(std::atoi(argv[3]), 1) : 7;
  if (argc > 5) g_steps = std::max(std::atoi(argv[5]), 1);
  const int prompt_tokens = argc > 6 ? std::clamp(std::atoi(argv[6]), 1, kMostPromptTokens) : kMostPromptTokens;
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  const rwkv::ModelSource source(argv[1]);
  Ours ours(source, argc > 2 ? std::atoi(argv[2]) : 0);
  const int threads = ours.info().threads;
  Peer peer(argv[1], argc > 4 ? std::atoi(argv[4]) : threads, ours.info().vocabulary);
  std::printf("%s, %s, %d threads, medians of %d rounds\n", argv[1],
              rwkv::backend_by_name("native").description().c_str(), threads, rounds);
  const auto prompt = tokens_for(ours.info().vocabulary, prompt_tokens, 0);
  report(("prefill " + std::to_string(prompt_tokens)).c_str(), rounds, [&] { return ours.prefill(prompt); },
         [&] { return peer.prefill(prompt); });
  std::vector<double> speeds;
  std::vector<double> roofs;
  const double decoded = report(
      "decode", rounds,
      [&] {
        speeds.push_back(bandwidth(threads));
        roofs.push_back(products_from_cache(threads));
        return ours.decode(1);
      },
      [&] { return peer.decode(1); });
  double weights = 0;
  double read = 0;
  for (const rwkv::GgufTensor& tensor : source.gguf().tensors()) {
    if (tensor.name == "token_embd.weight") continue;
    weights += static_cast<double>(tensor.elements);
    read += static_cast<double>(tensor.data.size());
  }
  std::printf("             %.0f MB a token (zero units included) = %.1f of %.1f GB/s, a share of %.2f\n", read * 1e-6,
              read * decoded * 1e-9, median(speeds) * 1e-9, read * decoded / median(speeds));
  std::printf("             %.1f million weights a token = %.1f of %.1f G products/s from the cache\n", weights * 1e-6,
              weights * decoded * 1e-9, median(roofs) * 1e-9);
  for (const int count : {8, 16}) {
    report(("decode " + std::to_string(count)).c_str(), rounds, [&] { return ours.decode(count); },
           [&] { return peer.decode(count); });
  }
}
