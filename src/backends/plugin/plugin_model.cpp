#include "backends/plugin/plugin_model.h"

#include <algorithm>
#include <utility>

#include "backends/check_items.h"
#include "backends/plugin/calls.h"
#include "backends/plugin/numbers_form.h"
#include "backends/state_blob.h"
#include "base/checksum.h"

namespace rwkv::plugin {
namespace {

constexpr int kMostThreads = 1024;

rwkv_backend_item form_of(const EvalItem& item, rwkv_backend_sequence* sequence, std::size_t count) {
  static_assert(sizeof(TokenId) == sizeof(std::int32_t));
  rwkv_backend_item form{};
  form.sequence = sequence;
  form.tokens = item.tokens.empty() ? nullptr : item.tokens.data();
  form.embeddings = item.tokens.empty() ? item.embeddings.data() : nullptr;
  form.count = count;
  switch (item.wants) {
    case Output::kNone: form.output = RWKV_BACKEND_OUTPUT_NONE; break;
    case Output::kLastLogits: form.output = RWKV_BACKEND_OUTPUT_LAST_LOGITS; break;
    case Output::kAllLogits: form.output = RWKV_BACKEND_OUTPUT_ALL_LOGITS; break;
    case Output::kLastHidden: form.output = RWKV_BACKEND_OUTPUT_LAST_HIDDEN; break;
  }
  return form;
}

PluginSequence& sequence_of(const EvalItem& item) { return static_cast<PluginSequence&>(*item.sequence); }

}  // namespace

PluginModel::PluginModel(const rwkv_backend_api& api, const ModelSource& source, const LoadOptions& options,
                         const std::vector<Device>& devices)
    : api_(api), path_(source.path()), model_(nullptr, Releaser{&api}) {
  load(source, options);
  info_ = read_info(api_, model_.get());
  ModelInfo& info = info_.model;
  const auto device =
      std::find_if(devices.begin(), devices.end(), [&](const Device& d) { return d.id == info.device.id; });
  if (device == devices.end()) throw_broken(api_, "a model runs on '" + info.device.id + "', which is no device of it");
  info.device = *device;
  if (file_) info.file_bytes = file_->bytes().size();
  if (source.is_gguf()) {
    const RwkvPassport& passport = source.passport();
    if (info.vocabulary != passport.vocabulary) {
      throw_broken(
          api_, "a model of " + std::to_string(passport.vocabulary) + " tokens has " + std::to_string(info.vocabulary));
    }
    info.parameters = passport.parameters;
    // The same for all backends, so that the numbers of a state go from one to another.
    info.fingerprint = model_fingerprint(source.gguf(), passport);
    vocabulary_ = Vocabulary::from_gguf_tokens(passport.token_texts, passport.token_types);
  }
  const std::string_view name = api_.name;
  state_mark_ = checksum(std::as_bytes(std::span(name.data(), name.size())), info.fingerprint);
  if (info_.state_is_numbers) state_form_ = std::make_shared<NumbersForm>(info, state_mark_);
  check_file();
  options.cancel.check();
  if (options.progress) options.progress(1.0f);
}

void PluginModel::load(const ModelSource& source, const LoadOptions& options) {
  if (!source.is_folder()) {
    stamp_.emplace(path_);
    file_.emplace(path_);
  }
  const std::span<const std::byte> bytes = file_ ? file_->bytes() : std::span<const std::byte>();
  const rwkv_backend_source form = source_of(path_, file_ ? &bytes : nullptr);
  CallOptions call_options(options);
  rwkv_backend_model* model = nullptr;
  try {
    call(api_, [&](rwkv_backend_error* error) { return api_.load(&form, call_options.get(), &model, error); }, path_);
  } catch (const Error&) {
    call_options.rethrow();
    throw;
  }
  model_.reset(model);
  call_options.rethrow();
  options.cancel.check();
  if (!model_) throw_broken(api_, "it gave no model and no error");
}

void PluginModel::set_threads(int threads) {
  if (threads < 1 || threads > kMostThreads) {
    throw Error(ErrorCode::kInvalidArgument,
                "the number of threads is " + std::to_string(threads) + ", not 1 to " + std::to_string(kMostThreads));
  }
  call(api_, [&](rwkv_backend_error* error) { return api_.set_threads(model_.get(), threads, error); });
  info_.model.threads = read_info(api_, model_.get()).model.threads;
}

std::unique_ptr<Sequence> PluginModel::create_sequence() {
  if (sequences_ >= info().batch_sizes.back()) {
    throw Error(ErrorCode::kOutOfMemory, "all " + std::to_string(sequences_) +
                                             " sequences of the model are in use; load it with more or end one");
  }
  return std::make_unique<PluginSequence>(*this);
}

// Once lost the model stays lost: what was read in the meantime is in no buffer of ours alone.
void PluginModel::check_file() {
  if (!file_) return;
  try {
    file_->check_whole();
    lost_ = lost_ || stamp_->is_written();
  } catch (const Error&) {
    lost_ = true;
  }
  if (!lost_) return;
  throw Error(ErrorCode::kBadFile,
              "'" + path_ +
                  "' was cut or written over while the model was loaded; load it anew, and "
                  "replace model files by renaming",
              path_);
}

void PluginModel::evaluate(std::span<EvalItem> items, const CancelToken& cancel) {
  for (EvalItem& item : items) item.output = {};
  if (items.empty()) return;
  check_items(items, info(), [this](const Sequence* sequence) {
    const auto* own = dynamic_cast<const PluginSequence*>(sequence);
    return own != nullptr && &own->model() == this;
  });
  cancel.check();
  bool has_changed = false;
  try {
    run(items, cancel, has_changed);
  } catch (...) {
    for (EvalItem& item : items) {
      item.output = {};
      if (has_changed) sequence_of(item).spoil();
    }
    throw;
  }
}

// `has_changed`: whether states may not be what they were, should it throw.
void PluginModel::run(std::span<EvalItem> items, const CancelToken& cancel, bool& has_changed) {
  const int width = info().width;
  std::vector<rwkv_backend_item> forms;
  forms.reserve(items.size());
  for (EvalItem& item : items) {
    sequence_of(item).make_usable();
    forms.push_back(form_of(item, sequence_of(item).handle(), length_of(item, width)));
  }
  has_changed = true;
  check_file();
  const auto cancelled = [](void* user) noexcept -> std::int32_t {
    return static_cast<const CancelToken*>(user)->cancelled() ? 1 : 0;
  };
  CancelToken token = cancel;
  call(api_, [&](rwkv_backend_error* error) {
    const rwkv_backend_code code = api_.evaluate(model_.get(), forms.data(), forms.size(), cancelled, &token, error);
    has_changed = code != RWKV_BACKEND_INVALID_ARGUMENT;
    return code;
  });
  check_file();  // before anything is made of what it computed
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::size_t expected = output_values(items[i], info());
    if (expected == 0) continue;
    const std::size_t got = forms[i].result == nullptr ? 0 : forms[i].result_count;
    if (got != expected) {
      throw Error(ErrorCode::kEvaluation, "the backend " + std::string(api_.name) + " gave " + std::to_string(got) +
                                              " values, not " + std::to_string(expected));
    }
    items[i].output = std::span(forms[i].result, expected);
  }
  for (const EvalItem& item : items) sequence_of(item).advance(length_of(item, width));
}

}  // namespace rwkv::plugin
