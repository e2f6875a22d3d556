#include "backends/llama_cpp/llama_cpp_model.h"

#include <algorithm>
#include <limits>
#include <set>

#include "backends/llama_cpp/library.h"
#include "backends/llama_cpp/processor.h"

namespace rwkv::llama_cpp {
namespace {

constexpr int kBatchTokens = 512;  // tokens a llama.cpp call; bounds its working memory

ModelInfo describe(const RwkvPassport& passport, std::uint64_t file_bytes, const LoadOptions& options) {
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
  info.file_bytes = file_bytes;
  // Per layer two shifted inputs and a head_size x head_size matrix a head, all f32.
  const auto width = static_cast<std::uint64_t>(passport.width);
  info.state_bytes = static_cast<std::uint64_t>(passport.layers) * width *
                     (2 + static_cast<std::uint64_t>(passport.head_size)) * sizeof(float);
  for (int size = 1; size <= options.max_sequences; ++size) info.batch_sizes.push_back(size);
  info.threads = options.threads > 0 ? options.threads : default_threads(passport.parameters);
  return info;
}

// Tells models apart whose states could not be exchanged.
std::uint64_t fingerprint(const RwkvPassport& passport, std::uint64_t file_bytes) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  const auto mix = [&hash](std::uint64_t value) {
    hash = (hash ^ value) * 0x100000001B3u;
    hash ^= hash >> 31;
  };
  for (const int value : {passport.layers, passport.width, passport.heads, passport.head_size, passport.feed_forward,
                          passport.vocabulary}) {
    mix(static_cast<std::uint64_t>(value));
  }
  mix(file_bytes);
  for (const std::string* text : {&passport.architecture, &passport.name, &passport.weight_type}) {
    for (const char c : *text) mix(static_cast<unsigned char>(c));
  }
  return hash;
}

std::string with_reason(const std::string& message) {
  const std::string reason = take_errors();
  return reason.empty() ? message : message + ": " + reason;
}

}  // namespace

LlamaCppModel::LlamaCppModel(const std::string& path, const RwkvPassport& passport, std::uint64_t file_bytes,
                             const LoadOptions& options)
    : info_(describe(passport, file_bytes, options)),
      vocabulary_(Vocabulary::from_gguf_tokens(passport.token_texts, passport.token_types)),
      fingerprint_(fingerprint(passport, file_bytes)),
      slots_(static_cast<std::size_t>(options.max_sequences), false) {
  load(path, options);
  create_context();
  batch_ = llama_batch_init(kBatchTokens, 0, 1);
}

LlamaCppModel::~LlamaCppModel() { llama_batch_free(batch_); }

void LlamaCppModel::load(const std::string& path, const LoadOptions& options) {
  struct Progress {
    const LoadOptions& options;
    float highest = 0;
  } progress{options};
  llama_model_params params = llama_model_default_params();
  params.load_mode = LLAMA_LOAD_MODE_MMAP;  // never locked: the system may take pages back
  if (options.gpu_layers >= 0) params.n_gpu_layers = options.gpu_layers;
  params.progress_callback = [](float part, void* data) {
    auto& p = *static_cast<Progress*>(data);
    if (p.options.progress && part >= p.highest) {
      p.highest = part;
      p.options.progress(std::min(part, 1.0f));
    }
    return !p.options.cancel.cancelled();
  };
  params.progress_callback_user_data = &progress;
  take_errors();
  model_.reset(llama_model_load_from_file(path.c_str(), params));
  options.cancel.check();
  if (!model_) throw Error(ErrorCode::kBadFile, with_reason("llama.cpp cannot load '" + path + "'"));
}

void LlamaCppModel::create_context() {
  llama_context_params params = llama_context_default_params();
  params.n_seq_max = static_cast<std::uint32_t>(slots_.size());
  // A recurrent model has no context to fill; llama.cpp only wants a number that it can divide among the sequences.
  params.n_ctx = 256 * params.n_seq_max;
  params.n_batch = kBatchTokens;
  params.n_ubatch = kBatchTokens;
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
  set_threads(info_.threads);
}

void LlamaCppModel::set_threads(int threads) {
  if (threads < 1 || threads > GGML_MAX_N_THREADS) {
    throw Error(ErrorCode::kInvalidArgument, "the number of threads is " + std::to_string(threads) + ", not 1 to " +
                                                 std::to_string(GGML_MAX_N_THREADS));
  }
  llama_detach_threadpool(context_.get());
  pool_.reset();
  llama_set_n_threads(context_.get(), threads, threads);
  info_.threads = threads;
  if (threads == 1) return;
  // Without a pool of its own ggml would start and end threads for every token.
  ggml_threadpool_params params = ggml_threadpool_params_default(threads);
  pool_.reset(ggml_threadpool_new(&params));
  if (pool_) llama_attach_threadpool(context_.get(), pool_.get(), nullptr);
}

std::unique_ptr<Sequence> LlamaCppModel::create_sequence() {
  const auto free = std::find(slots_.begin(), slots_.end(), false);
  if (free == slots_.end()) {
    throw Error(ErrorCode::kOutOfMemory, "all " + std::to_string(slots_.size()) +
                                             " sequences of the model are in use; load it with more or end one");
  }
  *free = true;
  return std::make_unique<LlamaCppSequence>(*this, static_cast<llama_seq_id>(free - slots_.begin()));
}

void LlamaCppModel::validate(std::span<const EvalItem> items) const {
  std::set<const Sequence*> seen;
  for (const EvalItem& item : items) {
    const auto* sequence = dynamic_cast<const LlamaCppSequence*>(item.sequence);
    if (sequence == nullptr || &sequence->model() != this) {
      throw Error(ErrorCode::kInvalidArgument, "a sequence to evaluate does not belong to this model");
    }
    if (!seen.insert(sequence).second) {
      throw Error(ErrorCode::kInvalidArgument, "a sequence occurs twice in one evaluation");
    }
    if (item.tokens.empty()) throw Error(ErrorCode::kInvalidArgument, "a sequence to evaluate has no tokens");
    const auto room = std::numeric_limits<llama_pos>::max() - sequence->position();
    if (item.tokens.size() > static_cast<std::uint64_t>(room)) {
      throw Error(ErrorCode::kInvalidArgument, "a sequence is longer than llama.cpp can count");
    }
    for (const TokenId token : item.tokens) {
      if (token >= 0 && token < info_.vocabulary) continue;
      throw Error(ErrorCode::kInvalidArgument, "token " + std::to_string(token) + " is outside the vocabulary of " +
                                                   std::to_string(info_.vocabulary) + " tokens");
    }
  }
}

void LlamaCppModel::evaluate(std::span<EvalItem> items, const CancelToken& cancel) {
  if (items.empty()) return;
  validate(items);
  cancel.check();
  cancel_ = &cancel;
  std::vector<std::size_t> done(items.size(), 0);  // tokens evaluated, by item
  kept_.assign(items.size(), {});
  try {
    const auto unfinished = [&] {
      for (std::size_t i = 0; i < items.size(); ++i) {
        if (done[i] < items[i].tokens.size()) return true;
      }
      return false;
    };
    while (unfinished()) {
      cancel.check();
      // A second decode overwrites the logits of the first; those are copied away before.
      for (const std::size_t i : outputs_) kept_[i].assign(items[i].logits.begin(), items[i].logits.end());
      for (const std::size_t i : outputs_) items[i].logits = kept_[i];
      decode(items, done);
    }
  } catch (const Error&) {
    outputs_.clear();
    cancel_ = nullptr;
    for (EvalItem& item : items) item.sequence->reset();
    throw;
  }
  outputs_.clear();
  cancel_ = nullptr;
}

// One llama.cpp call with as many tokens as fit, item after item.
void LlamaCppModel::decode(std::span<EvalItem> items, std::span<std::size_t> done) {
  batch_.n_tokens = 0;
  outputs_.clear();
  std::vector<std::size_t> taken(items.size(), 0);
  std::vector<int> output_rows;
  for (std::size_t i = 0; i < items.size() && batch_.n_tokens < kBatchTokens; ++i) {
    const auto& sequence = static_cast<const LlamaCppSequence&>(*items[i].sequence);
    const std::size_t left = items[i].tokens.size() - done[i];
    taken[i] = std::min(left, static_cast<std::size_t>(kBatchTokens - batch_.n_tokens));
    for (std::size_t t = 0; t < taken[i]; ++t) {
      const int row = batch_.n_tokens++;
      batch_.token[row] = items[i].tokens[done[i] + t];
      batch_.pos[row] = static_cast<llama_pos>(sequence.position() + static_cast<std::int64_t>(t));
      batch_.n_seq_id[row] = 1;
      batch_.seq_id[row][0] = sequence.id();
      const bool wanted = items[i].wants_logits && done[i] + t + 1 == items[i].tokens.size();
      batch_.logits[row] = wanted ? 1 : 0;
      if (wanted) {
        outputs_.push_back(i);
        output_rows.push_back(row);
      }
    }
  }
  take_errors();
  if (const int code = llama_decode(context_.get(), batch_); code != 0) throw_decode_error(code);
  for (std::size_t i = 0; i < items.size(); ++i) {
    static_cast<LlamaCppSequence&>(*items[i].sequence).advance(static_cast<std::int64_t>(taken[i]));
    done[i] += taken[i];
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const float* row = llama_get_logits_ith(context_.get(), output_rows[i]);
    if (row == nullptr) throw Error(ErrorCode::kEvaluation, with_reason("llama.cpp gave no logits"));
    items[outputs_[i]].logits = std::span<const float>(row, static_cast<std::size_t>(info_.vocabulary));
  }
}

void LlamaCppModel::throw_decode_error(int code) const {
  cancel_->check();
  if (code == -2) throw Error(ErrorCode::kOutOfMemory, with_reason("llama.cpp ran out of memory"));
  throw Error(ErrorCode::kEvaluation, with_reason("llama.cpp failed to evaluate (" + std::to_string(code) + ")"));
}

}  // namespace rwkv::llama_cpp
