#include "backends/llama_cpp/sizes.h"

#include <ggml.h>

#include <algorithm>
#include <utility>

#include "backends/llama_cpp/load_options.h"

#ifndef _WIN32
#include <pthread.h>
#endif

namespace rwkv::llama_cpp {
namespace {

// More bring no speed and cost memory, fewer make it read the weights too often.
constexpr int kLeastBatchTokens = 64;

// Whether ggml keeps matrices of this type in another order, in memory of its own, beside the file.
bool is_repacked(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
    case GgmlType::kQ2_K:
    case GgmlType::kQ4_K:
    case GgmlType::kIQ4_NL:
    case GgmlType::kMXFP4: return true;
#if !defined(__x86_64__) && !defined(__i386__) && !defined(_M_X64)
    case GgmlType::kQ5_K:
    case GgmlType::kQ6_K:
    case GgmlType::kQ8_0: return true;
#endif
    default: return false;
  }
}

// What ggml's planner takes for the worst graph that llama.cpp expects of so many tensors, and mostly never touches: 30
// inputs for each node, twice, each with a tensor and four numbers (ggml_backend_sched_new).
std::uint64_t planner_bytes(std::size_t tensors) {
  constexpr std::uint64_t kLeastNodes = 1024;
  constexpr std::uint64_t kNodesATensor = 8;
  constexpr std::uint64_t kInputs = 60;
  const std::uint64_t nodes = std::max<std::uint64_t>(kLeastNodes, kNodesATensor * tensors);
  return nodes * kInputs * (sizeof(ggml_tensor) + 4 * sizeof(int));
}

// Addresses that a thread takes.
std::uint64_t stack_bytes() {
#ifdef _WIN32
  return std::uint64_t{1} << 20;
#else
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return 0;
  std::size_t bytes = 0;
  pthread_attr_getstacksize(&attributes, &bytes);
  pthread_attr_destroy(&attributes);
  return bytes;
#endif
}

}  // namespace

// A cancel is looked at between the operations of the graph, so a batch must not make the largest one, a matrix product
// with the feed-forward weights, take more than about 50 ms at 40 GFLOP/s.
int tokens_per_batch(const RwkvPassport& passport) {
  constexpr double kMostOperations = 2e9;
  const double a_token = 2.0 * passport.width * passport.feed_forward;
  return static_cast<int>(std::clamp(kMostOperations / a_token, 1.0 * kLeastBatchTokens, 1.0 * kMostBatchTokens));
}

int logit_rows(const RwkvPassport& passport) {
  constexpr double kBytes = 8 << 20;
  constexpr double kLeast = 16;  // two stable chunks, whatever the kernels
  const double a_row = 1.0 * passport.vocabulary * sizeof(float);
  return static_cast<int>(std::clamp(kBytes / a_row, kLeast, 1.0 * tokens_per_batch(passport)));
}

std::uint64_t state_bytes(const RwkvPassport& passport) {
  return static_cast<std::uint64_t>(passport.layers) * static_cast<std::uint64_t>(passport.width) *
         (2 + static_cast<std::uint64_t>(passport.head_size)) * sizeof(float);
}

MemoryNeed memory_need(const GgufFile& file, const RwkvPassport& passport, const LoadOptions& options, int threads) {
  const auto width = static_cast<std::uint64_t>(passport.width);
  const auto feed_forward = static_cast<std::uint64_t>(passport.feed_forward);
  const auto vocabulary = static_cast<std::uint64_t>(passport.vocabulary);
  const auto tokens = static_cast<std::uint64_t>(tokens_per_batch(passport));
  const auto slots = static_cast<std::uint64_t>(options.max_sequences);
  std::uint64_t repacked = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    if (is_repacked(tensor.type) && tensor.name != "token_embd.weight") repacked += tensor.data.size();
  }
  // A layer's activations that live at the same time: about so many vectors of each length a token.
  constexpr std::uint64_t kWidths = 24;
  constexpr std::uint64_t kFeedForwards = 2;
  const std::uint64_t activations = tokens * (kWidths * width + kFeedForwards * feed_forward) * sizeof(float);
  // They take turns in the buffer with the logits of an evaluation that gives all of them.
  const std::uint64_t rows = static_cast<std::uint64_t>(logit_rows(passport));
  const std::uint64_t computed = std::max(activations, rows * vocabulary * sizeof(float));
  // The slots, one of zeros, and one on its way in or out.
  const std::uint64_t states = (slots + 2) * state_bytes(passport);
  const std::uint64_t logits = 2 * slots * vocabulary * sizeof(float);
  // Texts, ids and look-up tables of ours and of llama.cpp.
  constexpr std::uint64_t kTokenBytes = 400;
  constexpr std::uint64_t kGraphBytes = std::uint64_t{8} << 20;

  MemoryNeed need;
  need.mapped = file.file_bytes() - repacked;
  need.owned = repacked + computed + states + logits + vocabulary * kTokenBytes + kGraphBytes;
  if (weights_are_copied(options)) need.owned += std::exchange(need.mapped, 0);
  if (device_for(options).kind != DeviceKind::kProcessor) {
    const int layers = options.gpu_layers < 0 ? passport.layers : std::min(options.gpu_layers, passport.layers);
    need.on_device = (file.file_bytes() + states) / static_cast<std::uint64_t>(passport.layers) *
                         static_cast<std::uint64_t>(layers) +
                     activations;
  }
  // The scheduler's thread has a stack too.
  need.reserved = repacked + planner_bytes(file.tensors().size()) + static_cast<std::uint64_t>(threads) * stack_bytes();
  return need;
}

}  // namespace rwkv::llama_cpp
