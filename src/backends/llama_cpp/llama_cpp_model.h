// A model in llama.cpp and its sequences.
#pragma once

#include <ggml-cpu.h>
#include <llama.h>

#include <memory>
#include <string>
#include <vector>

#include "backends/llama_cpp/batch.h"
#include "base/mapping_guard.h"
#include "engine/backend.h"
#include "formats/rwkv_passport.h"

namespace rwkv::llama_cpp {

struct ModelDeleter {
  void operator()(llama_model* model) const noexcept { llama_model_free(model); }
};
struct ContextDeleter {
  void operator()(llama_context* context) const noexcept { llama_free(context); }
};
struct ThreadPoolDeleter {
  void operator()(ggml_threadpool* pool) const noexcept { ggml_threadpool_free(pool); }
};

/// What a checked file says of its model; the fingerprint, which looks at weights, is not set.
ModelInfo model_info(const GgufFile& file, const RwkvPassport& passport, const LoadOptions& options);
/// Throws Error(kBadFile) naming the file and the token.
Vocabulary vocabulary_in(const GgufFile& file, const RwkvPassport& passport);

class LlamaCppSequence;

class LlamaCppModel final : public Model {
 public:
  /// `file` has passed the check that gave `passport`; llama.cpp opens it by its name.
  LlamaCppModel(const GgufFile& file, const RwkvPassport& passport, const LoadOptions& options);

  const ModelInfo& info() const noexcept override { return info_; }
  const Vocabulary* embedded_vocabulary() const noexcept override { return &vocabulary_; }
  std::unique_ptr<Sequence> create_sequence() override;
  void evaluate(std::span<EvalItem> items, const CancelToken& cancel) override;
  void set_threads(int threads) override;
  std::shared_ptr<const StateForm> state_form() const override { return state_form_; }
  void yield_cores() override;

 private:
  friend class LlamaCppSequence;

  void load(const std::string& path, const LoadOptions& options);
  void create_context();
  void set_to_zero(llama_seq_id id);
  void validate(std::span<const EvalItem> items) const;
  void run(std::span<EvalItem> items);
  void close_ranks(std::span<const EvalItem> items);
  void run_in_order(std::span<EvalItem> items);
  void keep_outputs(std::span<EvalItem> items);
  std::size_t tokens_to_take(const EvalItem& item, std::size_t handed, std::size_t room) const;
  void decode(std::span<EvalItem> items);
  void take_outputs(std::span<EvalItem> items, bool hidden);
  void throw_decode_error(int code) const;
  void check_file();

  const std::string path_;
  FileStamp stamp_;
  int guard_ = MappingGuard::kNone;  // of llama.cpp's mapping
  bool copied_;                      // the weights, so that it does not matter what becomes of the file
  bool lost_ = false;                // the weights are not those that were loaded
  ModelInfo info_;
  Vocabulary vocabulary_;
  std::unique_ptr<llama_model, ModelDeleter> model_;
  using ThreadPool = std::unique_ptr<ggml_threadpool, ThreadPoolDeleter>;
  ThreadPool pool_;                        // outlives the context that uses it
  std::vector<ThreadPool> retired_pools_;  // ggml touches the pool of the last evaluation once more in the next
  std::unique_ptr<llama_context, ContextDeleter> context_;
  std::vector<std::uint8_t> zero_;  // a state of zeros in llama.cpp's form
  std::shared_ptr<const StateForm> state_form_;
  std::vector<LlamaCppSequence*> slots_;  // by id; null: free
  int batch_tokens_;                      // tokens a llama.cpp call
  Batch batch_;

  // Rows of one item that a decode has put out.
  struct Rows {
    std::size_t item = 0;
    int first = 0;  // in the batch; they follow each other there
    std::size_t count = 0;
  };

  // Of the running evaluation, by item:
  std::vector<std::size_t> order_;        // items by sequence id
  std::vector<std::size_t> handed_;       // tokens handed to llama.cpp
  std::vector<std::vector<float>> kept_;  // outputs of earlier decodes
  std::vector<Rows> outputs_;             // of the last decode, in llama.cpp's buffer
  const CancelToken* cancel_ = nullptr;
};

/// A sequence id of the context. An id's state never leaves its cell of llama.cpp's memory: all cells are always
/// occupied (the zero state stands at llama.cpp's position 0, token i at i + 1). Otherwise llama.cpp moves the cells of
/// other sequences while it evaluates, and an evaluation that is cancelled half way would leave those broken as well.
class LlamaCppSequence final : public Sequence {
 public:
  LlamaCppSequence(LlamaCppModel& model, llama_seq_id id);
  ~LlamaCppSequence() override;

  std::int64_t position() const noexcept override { return position_; }
  void reset() override;
  State save() const override;
  void restore(const State& state) override;

  LlamaCppModel& model() const noexcept { return model_; }
  llama_seq_id id() const noexcept { return id_; }
  void advance(std::int64_t tokens) noexcept { position_ += tokens; }
  /// Takes another id with its state. A sequence that has that one gets this one's. Throws Error(kOutOfMemory).
  void move_to(llama_seq_id id);
  /// Throws Error(kOutOfMemory) after a move that lacked memory, until the sequence is reset or takes a state.
  void check_state() const;

 private:
  LlamaCppModel& model_;
  llama_seq_id id_;
  std::int64_t position_ = 0;
  bool lost_ = false;  // the state, in a move
};

}  // namespace rwkv::llama_cpp
