// A model that a backend's library has loaded, and its sequences.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/plugin/model_info.h"
#include "base/mapped_file.h"
#include "base/mapping_guard.h"
#include "engine/backend.h"
#include "rwkv_backend.h"

namespace rwkv::plugin {

class PluginModel final : public Model {
 public:
  /// `source` and `options` have been checked. Throws as Backend::load() does.
  PluginModel(const rwkv_backend_api& api, const ModelSource& source, const LoadOptions& options,
              const std::vector<Device>& devices);

  const ModelInfo& info() const noexcept override { return info_.model; }
  const Vocabulary* embedded_vocabulary() const noexcept override { return vocabulary_ ? &*vocabulary_ : nullptr; }
  std::unique_ptr<Sequence> create_sequence() override;
  void evaluate(std::span<EvalItem> items, const CancelToken& cancel) override;
  std::shared_ptr<const StateForm> state_form() const override { return state_form_; }
  void set_threads(int threads) override;

 private:
  friend class PluginSequence;

  void load(const ModelSource& source, const LoadOptions& options);
  void run(std::span<EvalItem> items, const CancelToken& cancel, bool& has_changed);
  void check_file();

  struct Releaser {
    const rwkv_backend_api* api;
    void operator()(rwkv_backend_model* model) const noexcept { api->release(model); }
  };

  const rwkv_backend_api& api_;
  const std::string path_;
  // A mapping of its own: the source's ends with the load, and weights are used where they lie.
  std::optional<MappedFile> file_;
  std::optional<FileStamp> stamp_;
  bool lost_ = false;  // the weights are not those that were loaded
  std::unique_ptr<rwkv_backend_model, Releaser> model_;
  PluginInfo info_;
  std::optional<Vocabulary> vocabulary_;
  std::uint64_t state_mark_ = 0;  // at the head of states: of this model and this backend
  std::shared_ptr<const StateForm> state_form_;
  int sequences_ = 0;
};

class PluginSequence final : public Sequence {
 public:
  explicit PluginSequence(PluginModel& model);
  ~PluginSequence() override;

  std::int64_t position() const noexcept override { return position_; }
  void reset() override;
  State save() const override;
  void restore(const State& state) override;

  const PluginModel& model() const noexcept { return model_; }
  rwkv_backend_sequence* handle() const noexcept { return handle_; }
  void advance(std::size_t tokens) noexcept { position_ += static_cast<std::int64_t>(tokens); }
  /// After a failure. What cannot be reset now is reset before its next use.
  void spoil() noexcept;
  void make_usable();

 private:
  PluginModel& model_;
  rwkv_backend_sequence* handle_ = nullptr;
  std::int64_t position_ = 0;
  bool spoilt_ = false;
};

}  // namespace rwkv::plugin
