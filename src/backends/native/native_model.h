// A model in our own engine, and its sequences.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/native/forward.h"
#include "base/mapping_guard.h"
#include "engine/backend.h"

namespace rwkv::native {

/// What a checked file says of its model; the fingerprint, which looks at weights, is not set.
ModelInfo model_info(const GgufFile& file, const RwkvPassport& passport, const LoadOptions& options);
/// Throws Error(kBadFile) naming the file and the token.
Vocabulary vocabulary_in(const GgufFile& file, const RwkvPassport& passport);
MemoryNeed memory_need(const GgufFile& file, const RwkvPassport& passport, const LoadOptions& options);

class NativeModel final : public Model {
 public:
  /// The source has passed all checks. Throws as Backend::load() does.
  NativeModel(const ModelSource& source, const LoadOptions& options);

  const ModelInfo& info() const noexcept override { return info_; }
  const Vocabulary* embedded_vocabulary() const noexcept override { return &vocabulary_; }
  std::unique_ptr<Sequence> create_sequence() override;
  void evaluate(std::span<EvalItem> items, const CancelToken& cancel) override;
  void set_threads(int threads) override;
  std::shared_ptr<const StateForm> state_form() const override { return state_form_; }
  void yield_cores() override { pool_->sleep(); }

 private:
  friend class NativeSequence;

  void run(std::span<EvalItem> items, const CancelToken& cancel);
  void run_rows(std::span<EvalItem> items, const CancelToken& cancel);
  std::size_t take_rows(const EvalItem& item, std::size_t& handed, std::size_t row);
  void place_outputs(std::span<EvalItem> items);
  void check_file();

  const std::shared_ptr<const MappedFile> file_;  // with the table of embeddings
  FileStamp stamp_;
  bool lost_ = false;  // the file is not what was loaded
  ModelInfo info_;
  Vocabulary vocabulary_;
  std::unique_ptr<ThreadPool> pool_;
  Weights weights_;
  Workspace space_;
  Forward forward_;
  StateLayout layout_;
  std::shared_ptr<const StateForm> state_form_;
  int sequences_ = 0;

  // Of the running evaluation:
  std::vector<std::size_t> handed_;  // rows of each item that have been computed
  std::vector<Segment> segments_;
  std::vector<std::size_t> logit_rows_;  // of the workspace, whose logits are wanted
  std::vector<float> outputs_;           // all logits, item after item, then the hidden states
  std::size_t logits_done_ = 0;
};

class NativeSequence final : public Sequence {
 public:
  explicit NativeSequence(NativeModel& model);
  ~NativeSequence() override { --model_.sequences_; }

  std::int64_t position() const noexcept override { return position_; }
  void reset() override;
  State save() const override;
  void restore(const State& state) override;

  const NativeModel& model() const noexcept { return model_; }
  float* state() noexcept { return state_.data(); }
  void advance(std::size_t tokens) noexcept { position_ += static_cast<std::int64_t>(tokens); }

 private:
  NativeModel& model_;
  std::vector<float, PageAllocator<float>> state_;  // as StateLayout says
  std::int64_t position_ = 0;
};

}  // namespace rwkv::native
