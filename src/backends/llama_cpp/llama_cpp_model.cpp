#include "backends/llama_cpp/llama_cpp_model.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <iterator>
#include <limits>
#include <new>
#include <numeric>
#include <utility>

#include "backends/check_items.h"
#include "backends/llama_cpp/library.h"
#include "backends/llama_cpp/load_options.h"
#include "backends/llama_cpp/sequence_state.h"
#include "backends/llama_cpp/sizes.h"
#include "backends/llama_cpp/state_form.h"
#include "backends/state_blob.h"
#include "ggml/processor.h"

namespace rwkv::llama_cpp {
namespace {

// How a text may be cut without a change of bits, see ModelInfo. tests/backends/llama_cpp_stable_test.cpp measures it.
void describe_cuts(const GgufFile& file, ModelInfo& info) {
#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64)
  // ggml multiplies by one vector in another order than by several, and by types that it repacks four at a time.
  const auto is_plain = [](GgmlType type) {
    return type == GgmlType::kF32 || type == GgmlType::kF16 || type == GgmlType::kBF16 || type == GgmlType::kQ8_0;
  };
  const auto& tensors = file.tensors();
  const bool all_plain =
      std::all_of(tensors.begin(), tensors.end(), [&](const GgufTensor& tensor) { return is_plain(tensor.type); });
  info.stable_chunk = all_plain ? 2 : 4;
  info.stable_grid = all_plain ? 1 : 4;
#else
  static_cast<void>(file);  // kernels differ more from each other: the cautious values of ModelInfo
  static_cast<void>(info);
#endif
}

}  // namespace

ModelInfo model_info(const GgufFile& file, const RwkvPassport& passport, const LoadOptions& options) {
  ModelInfo info;
  info.backend = "llama.cpp";
  info.architecture = passport.architecture;
  info.name = passport.name;
  info.weight_type = passport.weight_type;
  info.layers = passport.layers;
  info.width = passport.width;
  info.heads = passport.heads;
  info.head_size = passport.head_size;
  info.vocabulary = passport.vocabulary;
  info.parameters = passport.parameters;
  info.file_bytes = file.file_bytes();
  info.state_bytes = state_bytes(passport);
  for (int size = 1; size <= options.max_sequences; ++size) info.batch_sizes.push_back(size);
  info.threads = options.threads > 0 ? options.threads : ggml::default_threads(passport.parameters);
  info.device = device_for(options);
  info.takes_embeddings = true;
  info.logit_rows = logit_rows(passport);
  info.gives_hidden = true;
  describe_cuts(file, info);
  return info;
}

Vocabulary vocabulary_in(const GgufFile& file, const RwkvPassport& passport) {
  try {
    return Vocabulary::from_gguf_tokens(passport.token_texts, passport.token_types);
  } catch (const Error& error) {
    throw Error(error.code(), "'" + file.name() + "': " + error.what() + "; download the file again or convert it anew",
                file.name());
  }
}

namespace {

struct FileCloser {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

std::string with_reason(const std::string& message, const std::string& reason = take_errors()) {
  return reason.empty() ? message : message + ": " + reason;
}

// It says so in words only, and in those of the system and the standard library.
bool tells_of_no_memory(const std::string& reason) {
  const std::string words[] = {std::strerror(ENOMEM), std::bad_alloc().what(), "allocate", "insufficient memory"};
  return std::any_of(std::begin(words), std::end(words),
                     [&](const std::string& word) { return reason.find(word) != std::string::npos; });
}

}  // namespace

LlamaCppModel::LlamaCppModel(const GgufFile& file, const RwkvPassport& passport, const LoadOptions& options)
    : path_(file.name()),
      stamp_(path_),
      copied_(weights_are_copied(options)),
      info_(model_info(file, passport, options)),
      vocabulary_(vocabulary_in(file, passport)),
      slots_(static_cast<std::size_t>(options.max_sequences)),
      batch_tokens_(tokens_per_batch(passport)),
      batch_(static_cast<std::size_t>(batch_tokens_)) {
  info_.fingerprint = model_fingerprint(file, passport);
  load(file.name(), options);
  create_context();
  check_file();
  options.cancel.check();
  if (options.progress) options.progress(1.0f);
}

void LlamaCppModel::load(const std::string& path, const LoadOptions& options) {
  struct Progress {
    const LoadOptions& options;
    float highest = 0;
    std::exception_ptr thrown = nullptr;
  } progress{options};
  llama_model_params params = llama_model_default_params();
  // Never locked: the system may take pages back.
  params.load_mode = copied_ ? LLAMA_LOAD_MODE_NONE : LLAMA_LOAD_MODE_MMAP;
  std::vector<ggml_backend_dev_t> devices;
  if (!options.device.empty()) {
    devices = offload_devices(info_.device);
    params.devices = devices.data();
  }
  if (options.gpu_layers >= 0) params.n_gpu_layers = options.gpu_layers;
  params.progress_callback = [](float part, void* data) noexcept {
    auto& p = *static_cast<Progress*>(data);
    if (p.options.cancel.cancelled()) return false;
    part = std::min(part, 0.99f);  // 1 is told when the context stands as well
    if (!p.options.progress || part < p.highest) return true;
    p.highest = part;
    try {
      p.options.progress(part);
      return true;
    } catch (...) {
      p.thrown = std::current_exception();  // llama.cpp would make its own error of it
      return false;
    }
  };
  params.progress_callback_user_data = &progress;
  take_errors();
  // Of a name llama.cpp would open the file twice.
  const std::unique_ptr<std::FILE, FileCloser> file(ggml_fopen(path.c_str(), "rb"));
  if (!file) {
    const int code = errno;
    throw Error(code == ENOMEM ? ErrorCode::kOutOfMemory : ErrorCode::kIo,
                "cannot open '" + path + "': " + std::strerror(code));
  }
  model_.reset(llama_model_load_from_file_ptr(file.get(), params));
  if (progress.thrown) std::rethrow_exception(progress.thrown);
  options.cancel.check();
  if (!copied_) guard_ = MappingGuard::last_of_this_thread();
  if (model_) return;
  // The file has passed our own check.
  const std::string reason = take_errors();
  throw Error(tells_of_no_memory(reason) ? ErrorCode::kOutOfMemory : ErrorCode::kBadFile,
              with_reason("llama.cpp cannot load '" + path + "'", reason));
}

void LlamaCppModel::create_context() {
  llama_context_params params = llama_context_default_params();
  params.n_seq_max = static_cast<std::uint32_t>(slots_.size());
  // A recurrent model has no context to fill; llama.cpp only wants a number that it can divide among the sequences, and
  // bounds the batch by it.
  params.n_ctx = kMostBatchTokens * params.n_seq_max;
  params.n_batch = static_cast<std::uint32_t>(batch_tokens_);
  params.n_ubatch = params.n_batch;
  // No more logits are wanted at once, and those of a whole batch are large.
  params.n_outputs_max = params.n_seq_max + static_cast<std::uint32_t>(info_.logit_rows);
  params.n_threads = info_.threads;
  params.n_threads_batch = info_.threads;
  params.no_perf = true;
  params.abort_callback = [](void* data) {
    const CancelToken* cancel = static_cast<const LlamaCppModel*>(data)->cancel_;
    return cancel != nullptr && cancel->cancelled();
  };
  params.abort_callback_data = this;
  context_.reset(llama_init_from_model(model_.get(), params));
  if (!context_) throw Error(ErrorCode::kOutOfMemory, with_reason("llama.cpp cannot set up the model"));
  set_threads(ggml::usable_threads(info_.threads));
  std::vector<std::uint8_t> empty = empty_state(context_.get(), 0);
  zero_ = zero_state(empty);
  state_form_ = std::make_shared<LlamaCppStateForm>(info_, std::move(empty));
  for (std::size_t id = 0; id < slots_.size(); ++id) set_to_zero(static_cast<llama_seq_id>(id));
}

void LlamaCppModel::set_to_zero(llama_seq_id id) {
  take_errors();
  if (llama_state_seq_set_data(context_.get(), zero_.data(), zero_.size(), id) == zero_.size()) return;
  throw Error(ErrorCode::kInternal, with_reason("llama.cpp does not take a state of zeros"));
}

void LlamaCppModel::set_threads(int threads) {
  ggml::check_thread_count(threads);
  ggml::check_threads(threads - 1);  // ggml aborts where the system refuses it one
  if (pool_) retired_pools_.push_back(std::move(pool_));
  llama_detach_threadpool(context_.get());
  llama_set_n_threads(context_.get(), threads, threads);
  info_.threads = threads;
  if (threads == 1) return;
  // Without a pool of its own ggml would start and end threads for every token.
  ggml_threadpool_params params = ggml_threadpool_params_default(threads);
  pool_.reset(ggml_threadpool_new(&params));
  if (pool_) llama_attach_threadpool(context_.get(), pool_.get(), nullptr);
}

// Else they would poll for some 100 ms. The next evaluation wakes them.
void LlamaCppModel::yield_cores() {
  if (pool_) ggml_threadpool_pause(pool_.get());
}

std::unique_ptr<Sequence> LlamaCppModel::create_sequence() {
  const auto free = std::find(slots_.begin(), slots_.end(), nullptr);
  if (free == slots_.end()) {
    throw Error(ErrorCode::kOutOfMemory, "all " + std::to_string(slots_.size()) +
                                             " sequences of the model are in use; load it with more or end one");
  }
  return std::make_unique<LlamaCppSequence>(*this, static_cast<llama_seq_id>(free - slots_.begin()));
}

void LlamaCppModel::validate(std::span<const EvalItem> items) const {
  check_items(items, info_, [this](const Sequence* sequence) {
    const auto* own = dynamic_cast<const LlamaCppSequence*>(sequence);
    return own != nullptr && &own->model() == this;
  });
  for (const EvalItem& item : items) {
    static_cast<const LlamaCppSequence&>(*item.sequence).check_state();
    const auto room = std::numeric_limits<llama_pos>::max() - item.sequence->position();
    if (length_of(item, info_.width) > static_cast<std::uint64_t>(room)) {
      throw Error(ErrorCode::kInvalidArgument, "a sequence is longer than llama.cpp can count");
    }
  }
}

void LlamaCppModel::evaluate(std::span<EvalItem> items, const CancelToken& cancel) {
  for (EvalItem& item : items) item.output = {};
  if (items.empty()) return;
  validate(items);
  cancel.check();
  handed_.assign(items.size(), 0);
  const auto clean_up = [&] {
    cancel_ = nullptr;
    outputs_.clear();
    for (std::size_t i = 0; i < items.size(); ++i) {
      items[i].output = {};
      if (handed_[i] > 0) items[i].sequence->reset();
    }
  };
  cancel_ = &cancel;
  try {
    run(items);
  } catch (const Error&) {
    clean_up();
    throw;
  } catch (const std::bad_alloc&) {
    clean_up();
    throw Error(ErrorCode::kOutOfMemory, "not enough memory to evaluate");
  } catch (const std::exception& error) {
    clean_up();
    throw Error(ErrorCode::kEvaluation, std::string("llama.cpp failed to evaluate: ") + error.what());
  }
  cancel_ = nullptr;
  outputs_.clear();
}

// Those with tokens that want logits share llama.cpp's calls. A call has either tokens or embeddings, and gives hidden
// states of all its rows or of none, so the others have theirs for themselves.
void LlamaCppModel::run(std::span<EvalItem> items) {
  kept_.assign(items.size(), {});
  const auto id = [&](std::size_t i) { return static_cast<const LlamaCppSequence&>(*items[i].sequence).id(); };
  const auto is_alone = [&](std::size_t i) {
    return items[i].wants == Output::kLastHidden || !items[i].embeddings.empty();
  };
  std::vector<std::size_t> all(items.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  const auto alone = std::stable_partition(all.begin(), all.end(), std::not_fn(is_alone));
  order_.assign(all.begin(), alone);
  const auto is_before = [&](std::size_t a, std::size_t b) { return id(a) < id(b); };
  std::sort(order_.begin(), order_.end(), is_before);
  close_ranks(items);
  std::sort(order_.begin(), order_.end(), is_before);
  run_in_order(items);
  for (auto one = alone; one != all.end(); ++one) {
    order_.assign(1, *one);
    run_in_order(items);
  }
}

void LlamaCppModel::run_in_order(std::span<EvalItem> items) {
  const auto unfinished = [&](std::size_t i) { return handed_[i] < length_of(items[i], info_.width); };
  while (std::any_of(order_.begin(), order_.end(), unfinished)) {
    cancel_->check();
    keep_outputs(items);
    decode(items);
  }
}

// A second decode overwrites the outputs of the first; those are copied away before.
void LlamaCppModel::keep_outputs(std::span<EvalItem> items) {
  for (const Rows& rows : outputs_) {
    EvalItem& item = items[rows.item];
    std::vector<float>& kept = kept_[rows.item];
    if (kept.empty()) kept.assign(item.output.begin(), item.output.end());
    item.output = kept;
  }
  outputs_.clear();
}

// How many more tokens of an item go into a call that has room for so many.
std::size_t LlamaCppModel::tokens_to_take(const EvalItem& item, std::size_t handed, std::size_t room) const {
  const std::size_t left = length_of(item, info_.width) - handed;
  const auto chunk = static_cast<std::size_t>(info_.stable_chunk);
  const auto grid = static_cast<std::size_t>(info_.stable_grid);
  std::size_t taken = std::min(left, room);
  // A call that gives hidden states gives those of all its rows, and logits too: the last one has few of them.
  if (item.wants == Output::kLastHidden && left > static_cast<std::size_t>(info_.logit_rows)) {
    taken = std::min(taken, left - chunk);
  }
  if (order_.size() > 1 || taken == left) return taken;
  // What remains for the next call is no fewer than a stable chunk either.
  taken = std::min(taken, left - chunk);
  return taken - taken % grid;
}

// One llama.cpp call with as many tokens as fit, item after item.
void LlamaCppModel::decode(std::span<EvalItem> items) {
  std::size_t rows = 0;
  std::vector<std::size_t> taken(items.size(), 0);
  bool hidden = false;
  const float* embeddings = nullptr;
  for (const std::size_t i : order_) {
    const EvalItem& item = items[i];
    const auto& sequence = static_cast<const LlamaCppSequence&>(*item.sequence);
    taken[i] = tokens_to_take(item, handed_[i], static_cast<std::size_t>(batch_tokens_) - rows);
    const bool is_last = handed_[i] + taken[i] == length_of(item, info_.width);
    hidden = item.wants == Output::kLastHidden && is_last;
    if (!item.embeddings.empty()) {
      embeddings = item.embeddings.data() + handed_[i] * static_cast<std::size_t>(info_.width);
    }
    const std::size_t first = rows;
    for (std::size_t t = 0; t < taken[i]; ++t) {
      const bool is_final = is_last && t + 1 == taken[i];
      const bool wanted = hidden || item.wants == Output::kAllLogits || (item.wants == Output::kLastLogits && is_final);
      const TokenId token = item.embeddings.empty() ? item.tokens[handed_[i] + t] : 0;
      batch_.set(rows++, token, sequence.position() + static_cast<std::int64_t>(t) + 1, sequence.id(), wanted);
    }
    if (item.wants == Output::kAllLogits && taken[i] > 0) outputs_.push_back({i, static_cast<int>(first), taken[i]});
    const bool one_row = hidden || (item.wants == Output::kLastLogits && is_last && taken[i] > 0);
    if (one_row) outputs_.push_back({i, static_cast<int>(rows) - 1, 1});
  }
  for (const std::size_t i : order_) handed_[i] += taken[i];
  take_errors();
  check_file();
  llama_set_embeddings(context_.get(), hidden);
  const int code = llama_decode(context_.get(), batch_.first(rows, embeddings));
  if (code != 0) throw_decode_error(code);
  retired_pools_.clear();
  check_file();  // before anything is made of what it computed
  for (const std::size_t i : order_) {
    static_cast<LlamaCppSequence&>(*items[i].sequence).advance(static_cast<std::int64_t>(taken[i]));
  }
  take_outputs(items, hidden);
}

void LlamaCppModel::take_outputs(std::span<EvalItem> items, bool hidden) {
  const auto width = static_cast<std::size_t>(hidden ? info_.width : info_.vocabulary);
  for (const Rows& rows : outputs_) {
    const float* values = hidden ? llama_get_embeddings_ith(context_.get(), rows.first)
                                 : llama_get_logits_ith(context_.get(), rows.first);
    if (values == nullptr) throw Error(ErrorCode::kEvaluation, with_reason("llama.cpp gave no output"));
    const std::span<const float> output(values, rows.count * width);
    EvalItem& item = items[rows.item];
    std::vector<float>& kept = kept_[rows.item];
    if (rows.count == length_of(item, info_.width) || item.wants != Output::kAllLogits) {
      item.output = output;
    } else {  // a part of them
      kept.insert(kept.end(), output.begin(), output.end());
      item.output = kept;
    }
  }
}

// Weights lie in the file, which others may write to. Its data and size are looked at, which takes a microsecond.
void LlamaCppModel::check_file() {
  if (copied_) return;
  lost_ = lost_ || MappingGuard::is_damaged(guard_) || stamp_.is_written();
  if (!lost_) return;
  throw Error(ErrorCode::kBadFile,
              "'" + path_ +
                  "' was cut or written over while the model was loaded; load it anew, and "
                  "replace model files by renaming",
              path_);
}

void LlamaCppModel::throw_decode_error(int code) const {
  cancel_->check();
  if (code == -2) throw Error(ErrorCode::kOutOfMemory, with_reason("llama.cpp ran out of memory"));
  throw Error(ErrorCode::kEvaluation, with_reason("llama.cpp failed to evaluate (" + std::to_string(code) + ")"));
}

}  // namespace rwkv::llama_cpp
