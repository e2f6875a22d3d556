#include "backends/native/native_model.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <thread>
#include <utility>

#include "backends/check_items.h"
#include "backends/native/select_kernels.h"
#include "backends/native/state_form.h"
#include "backends/state_blob.h"
#include "base/error.h"

namespace rwkv::native {
namespace {

constexpr std::uint64_t kOneThreadIsEnough = 20'000'000;  // parameters
constexpr unsigned kMostThreadsByDefault = 16;
constexpr int kMostThreads = 256;

int processors() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

void check_thread_count(int threads) {
  if (threads >= 1 && threads <= kMostThreads) return;
  throw Error(ErrorCode::kInvalidArgument,
              "the number of threads is " + std::to_string(threads) + ", not 1 to " + std::to_string(kMostThreads));
}

int threads_for(const RwkvPassport& passport, const LoadOptions& options) {
  if (options.threads == 0) {
    if (passport.parameters < kOneThreadIsEnough) return 1;
    return std::min(processors(), static_cast<int>(kMostThreadsByDefault));
  }
  check_thread_count(options.threads);
  return std::min(options.threads, processors());
}

int rows_of_logits(const RwkvPassport& passport, std::size_t rows) {
  constexpr std::size_t kBytes = std::size_t{8} << 20;
  const std::size_t a_row = static_cast<std::size_t>(passport.vocabulary) * sizeof(float);
  return static_cast<int>(std::clamp(kBytes / a_row, std::size_t{16}, std::max(rows, std::size_t{16})));
}

}  // namespace

ModelInfo model_info(const GgufFile& file, const RwkvPassport& passport, const LoadOptions& options) {
  const Geometry geometry = geometry_of(file, passport);
  ModelInfo info;
  info.backend = "native";
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
  info.state_bytes = StateLayout(geometry).values() * sizeof(float);
  for (int size = 1; size <= options.max_sequences; ++size) info.batch_sizes.push_back(size);
  info.threads = threads_for(passport, options);
  info.device = processor_device();
  info.takes_embeddings = true;
  info.logit_rows = rows_of_logits(passport, rows_at_once(geometry));
  info.gives_hidden = true;
  info.decode_equals_prefill = true;
  info.stable_chunk = 1;
  info.stable_grid = 1;
  return info;
}

Vocabulary vocabulary_in(const GgufFile& file, const RwkvPassport& passport) {
  try {
    return Vocabulary::from_gguf_tokens(passport.token_texts, passport.token_types);
  } catch (const Error& error) {
    throw Error(error.code(),
                "'" + file.name() + "': " + error.what() + "; download the file again or convert it anew");
  }
}

MemoryNeed memory_need(const GgufFile& file, const RwkvPassport& passport, const LoadOptions& options) {
  const Geometry geometry = geometry_of(file, passport);
  constexpr std::uint64_t kTokenBytes = 200;  // texts, ids and look-up tables
  const auto slots = static_cast<std::uint64_t>(options.max_sequences);
  const std::uint64_t state = StateLayout(geometry).values() * sizeof(float);
  const auto vocabulary = static_cast<std::uint64_t>(passport.vocabulary);
  MemoryNeed need;
  need.mapped = file.find_tensor("token_embd.weight")->data.size();
  // One more state on its way in or out.
  need.owned = packed_bytes(file) + workspace_bytes(geometry, geometry.width, rows_at_once(geometry)) +
               (slots + 1) * state + slots * vocabulary * sizeof(float) + vocabulary * kTokenBytes;
  // What was packed is forgotten, but for a matrix.
  need.reserved = file.file_bytes() - need.mapped;
  constexpr std::uint64_t kStack = std::uint64_t{8} << 20;
  need.reserved += static_cast<std::uint64_t>(threads_for(passport, options)) * kStack;
  return need;
}

NativeModel::NativeModel(const ModelSource& source, const LoadOptions& options)
    : file_(source.mapping()),
      stamp_(source.path()),
      info_(model_info(source.gguf(), source.passport(), options)),
      vocabulary_(vocabulary_in(source.gguf(), source.passport())),
      pool_(std::make_unique<ThreadPool>(info_.threads)),
      weights_(source, *pool_, options.cancel,
               [&](float part) {
                 if (options.progress) options.progress(0.95f * part);
               }),
      space_(weights_, rows_at_once(weights_.geometry())),
      forward_(weights_, space_, fastest_kernels()),
      layout_(weights_.geometry()) {
  info_.fingerprint = model_fingerprint(source.gguf(), source.passport());
  state_form_ = std::make_shared<NativeStateForm>(info_);
  check_file();
  if (options.progress) options.progress(0.99f);
  options.cancel.check();
  if (options.progress) options.progress(1.0f);
}

std::unique_ptr<Sequence> NativeModel::create_sequence() {
  const int slots = info_.batch_sizes.back();
  if (sequences_ == slots) {
    throw Error(ErrorCode::kOutOfMemory,
                "all " + std::to_string(slots) + " sequences of the model are in use; load it with more or end one");
  }
  try {
    return std::make_unique<NativeSequence>(*this);
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kOutOfMemory, "not enough memory for another sequence");
  }
}

void NativeModel::set_threads(int threads) {
  check_thread_count(threads);
  if (threads == pool_->threads()) return;
  pool_ = std::make_unique<ThreadPool>(threads);
  info_.threads = threads;
}

void NativeModel::evaluate(std::span<EvalItem> items, const CancelToken& cancel) {
  for (EvalItem& item : items) item.output = {};
  if (items.empty()) return;
  check_items(items, info_, [this](const Sequence* sequence) {
    const auto* own = dynamic_cast<const NativeSequence*>(sequence);
    return own != nullptr && &own->model() == this;
  });
  cancel.check();
  check_file();
  handed_.assign(items.size(), 0);
  const auto clean_up = [&] {
    for (std::size_t i = 0; i < items.size(); ++i) {
      items[i].output = {};
      if (handed_[i] > 0) items[i].sequence->reset();
    }
  };
  try {
    run(items, cancel);
    check_file();
  } catch (const Error&) {
    clean_up();
    throw;
  } catch (const std::bad_alloc&) {
    clean_up();
    throw Error(ErrorCode::kOutOfMemory, "not enough memory to evaluate");
  }
}

void NativeModel::run(std::span<EvalItem> items, const CancelToken& cancel) {
  place_outputs(items);
  logits_done_ = 0;
  const auto is_done = [&](std::size_t i) { return handed_[i] == length_of(items[i], info_.width); };
  std::size_t first = 0;
  while (first < items.size()) {
    run_rows(items, cancel);
    while (first < items.size() && is_done(first)) ++first;
  }
}

// Logits lie item after item in the order in which they are computed, so that those of a pass are one matrix.
void NativeModel::place_outputs(std::span<EvalItem> items) {
  std::size_t all = 0;
  for (const EvalItem& item : items) all += output_values(item, info_);
  outputs_.resize(all);
  std::size_t at = 0;
  for (const bool hidden : {false, true}) {
    for (EvalItem& item : items) {
      if ((item.wants == Output::kLastHidden) != hidden) continue;
      const std::size_t values = output_values(item, info_);
      item.output = std::span<const float>(outputs_).subspan(at, values);
      at += values;
    }
  }
}

// One pass with as many rows as there is room for, item after item.
void NativeModel::run_rows(std::span<EvalItem> items, const CancelToken& cancel) {
  segments_.clear();
  logit_rows_.clear();
  std::size_t rows = 0;
  std::vector<std::pair<std::size_t, float*>> hidden;  // rows, and where they go
  for (std::size_t i = 0; i < items.size() && rows < space_.rows(); ++i) {
    const EvalItem& item = items[i];
    const std::size_t count = take_rows(item, handed_[i], rows);
    if (count == 0) continue;
    auto& sequence = static_cast<NativeSequence&>(*item.sequence);
    segments_.push_back({sequence.state(), rows, count});
    sequence.advance(count);
    rows += count;
    if (item.wants == Output::kAllLogits) {
      for (std::size_t row = rows - count; row < rows; ++row) logit_rows_.push_back(row);
    }
    if (handed_[i] < length_of(item, info_.width)) continue;
    if (item.wants == Output::kLastLogits) logit_rows_.push_back(rows - 1);
    if (item.wants == Output::kLastHidden) {
      hidden.emplace_back(rows - 1, outputs_.data() + (item.output.data() - outputs_.data()));
    }
  }
  forward_.run(segments_, *pool_, cancel);
  for (const auto& [row, to] : hidden) forward_.read_hidden(row, to);
  const auto vocabulary = static_cast<std::size_t>(info_.vocabulary);
  forward_.read_logits(logit_rows_, outputs_.data() + logits_done_ * vocabulary, *pool_, cancel);
  logits_done_ += logit_rows_.size();
}

// Puts the item's next rows of embeddings into the workspace and says how many.
std::size_t NativeModel::take_rows(const EvalItem& item, std::size_t& handed, std::size_t row) {
  const auto width = static_cast<std::size_t>(info_.width);
  const std::size_t count = std::min(length_of(item, info_.width) - handed, space_.rows() - row);
  for (std::size_t t = 0; t < count; ++t) {
    float* to = space_.in[row + t];
    if (item.embeddings.empty()) {
      weights_.read_embedding(static_cast<std::size_t>(item.tokens[handed + t]), to);
    } else {
      std::copy_n(item.embeddings.begin() + static_cast<std::ptrdiff_t>((handed + t) * width), width, to);
    }
  }
  handed += count;
  return count;
}

// The table of embeddings lies in the file, which others may write to.
void NativeModel::check_file() {
  lost_ = lost_ || stamp_.is_written();
  try {
    file_->check_whole();
  } catch (const Error&) {
    lost_ = true;
  }
  if (!lost_) return;
  throw Error(ErrorCode::kBadFile, "'" + file_->path() +
                                       "' was cut or written over while the model was loaded; load it anew, and "
                                       "replace model files by renaming");
}

NativeSequence::NativeSequence(NativeModel& model) : model_(model), state_(model.layout_.values()) {
  ++model_.sequences_;
}

void NativeSequence::reset() {
  position_ = 0;
  std::fill(state_.begin(), state_.end(), 0.0f);
}

State NativeSequence::save() const {
  if (position_ == 0) return {};
  return wrap_numbers(state_, state_mark(model_.info_), position_);
}

void NativeSequence::restore(const State& state) {
  reset();
  if (state.is_zero()) return;
  const auto numbers = unwrap_numbers(state, state_mark(model_.info_), state_.size());
  std::memcpy(state_.data(), numbers.data(), numbers.size());
  position_ = state.position();
}

}  // namespace rwkv::native
