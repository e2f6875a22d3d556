// The contract between the runtime and the code that computes a model. Nothing here names a backend.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/token.h"
#include "engine/device.h"
#include "engine/state.h"
#include "engine/state_form.h"
#include "text/vocabulary.h"

namespace rwkv {

/// What a loaded model is. Filled once at load.
struct ModelInfo {
  std::string backend;       // name of the backend that runs it
  std::string architecture;  // "rwkv6" or "rwkv7"
  std::string name;          // the file's own name for the model, may be empty
  std::string weight_type;   // dominant tensor type, for example "F16"
  int layers = 0;
  int width = 0;  // embedding length C
  int heads = 0;
  int head_size = 0;
  int vocabulary = 0;  // rows of the embedding = number of logits
  std::uint64_t parameters = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t state_bytes = 0;  // one sequence's state, as the backend keeps it
  std::uint64_t fingerprint = 0;  // tells models apart whose states cannot be exchanged
  std::vector<int> batch_sizes;   // numbers of sequences one evaluate() call can step together, ascending
  int threads = 0;
  Device device;  // the one that computes the model
  /// The longest that evaluate() goes without looking at its cancel token.
  std::chrono::milliseconds longest_call{50};
  /// EvalItem::embeddings may be given.
  bool takes_embeddings = false;
  /// The most tokens of one evaluate() call that can have Output::kAllLogits; 0: none can.
  int logit_rows = 0;
  /// Output::kLastHidden may be asked for.
  bool gives_hidden = false;
  /// Decode of one token changes the state as prefill of the same token among others does, bit for bit, so that the
  /// state after an answer is that after the same text.
  bool decode_equals_prefill = false;
  /// The state after a text is the same, bit for bit, however the text was cut into evaluations of its sequence alone,
  /// as long as each had at least `stable_chunk` tokens and each border is a multiple of `stable_grid`. (Kernels for
  /// few tokens may add up in another order.) 1 and 1: always the same, together with other sequences too.
  int stable_chunk = 8;
  int stable_grid = 8;
};

/// One stream of tokens with its own recurrent state, living in a slot of a Model. Must not outlive its Model. Used by
/// one thread at a time.
class Sequence {
 public:
  virtual ~Sequence() = default;

  /// Number of tokens absorbed since the zero state.
  virtual std::int64_t position() const noexcept = 0;
  /// Back to the zero state.
  virtual void reset() = 0;
  /// An exact copy of the state: restore() followed by the same tokens gives the same logits, bit for bit.
  virtual State save() const = 0;
  /// Takes a state that save() of any sequence of the same model gave. Throws Error(kInvalidArgument) on any other,
  /// leaving the sequence reset.
  virtual void restore(const State& state) = 0;
};

/// What an evaluation gives beside the new state. ModelInfo says what a model offers; Error(kUnsupported) for the rest.
enum class Output {
  kNone,
  kLastLogits,  // vocabulary values: of what follows the last token
  kAllLogits,   // tokens x vocabulary, row-major: of what follows each of them
  kLastHidden,  // width values: the last layer's after the last normalisation, of which the logits are made
};

/// A sequence's share of one evaluation: tokens, or embeddings in their place.
struct EvalItem {
  Sequence* sequence = nullptr;
  std::span<const TokenId> tokens = {};  // each in [0, vocabulary)
  /// n x ModelInfo::width values, row-major, finite: each row stands for a token, in the place of its row of the
  /// embedding table, before the first normalisation.
  std::span<const float> embeddings = {};
  Output wants = Output::kLastLogits;
  /// Set by evaluate(): what was wanted, in the backend's memory, valid until its next call.
  std::span<const float> output = {};
};

/// A loaded model. Methods are called by one thread at a time; the const ones by any at any time.
class Model {
 public:
  virtual ~Model() = default;

  virtual const ModelInfo& info() const noexcept = 0;

  /// The token list inside the model file, or null when it carries none.
  virtual const Vocabulary* embedded_vocabulary() const noexcept = 0;

  /// A sequence at the zero state. Throws Error(kOutOfMemory) when all slots (the largest batch size) are taken.
  virtual std::unique_ptr<Sequence> create_sequence() = 0;

  /// Feeds each item's tokens or embeddings, one of both and at least one, to its sequence; items name different
  /// sequences of this model and may differ in length. Looks at `cancel` at least once in ModelInfo::longest_call. On
  /// any Error (kCancelled, kEvaluation, kOutOfMemory) the sequences whose tokens had been handed to the backend are
  /// reset; validation errors (kInvalidArgument for bad items, kUnsupported for what the model does not offer) change
  /// nothing.
  virtual void evaluate(std::span<EvalItem> items, const CancelToken& cancel) = 0;

  /// How states are laid out, or null where the backend does not tell: they stay within the process then.
  virtual std::shared_ptr<const StateForm> state_form() const = 0;

  /// Number of threads evaluate() uses from now on, 1 or more.
  virtual void set_threads(int threads) = 0;

  /// Another model needs the processors: threads that wait for the next evaluate() sleep instead of polling for it.
  virtual void yield_cores() {}
};

}  // namespace rwkv
