#include "backends/scripted/scripted_backend.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <span>
#include <thread>
#include <utility>

#include "backends/check_items.h"
#include "backends/scripted/script.h"
#include "base/checksum.h"

namespace rwkv {
namespace {

constexpr TokenId kBlankLine = 257;
constexpr int kRows = 258;
constexpr int kWidth = 1;  // an embedding is the number of its token
constexpr int kLogitRows = 64;
constexpr float kCertain = 1000.0f;  // beyond what any penalty takes away

// Every byte is a token; a blank line is one as well.
Vocabulary byte_vocabulary() {
  std::string text;
  constexpr const char* digits = "0123456789abcdef";
  for (int b = 0; b < 256; ++b) {
    text += std::to_string(b + 1) + " b'\\x" + digits[b / 16] + digits[b % 16] + "' 1\n";
  }
  text += std::to_string(kBlankLine) + " '\\n\\n' 2\n";
  return Vocabulary::from_text(text, "scripted vocabulary");
}

// Sleeps in small pieces, so that a cancel takes effect at once.
void wait(std::chrono::microseconds time, const CancelToken& cancel) {
  const auto end = std::chrono::steady_clock::now() + time;
  cancel.check();
  for (auto now = std::chrono::steady_clock::now(); now < end; now = std::chrono::steady_clock::now()) {
    std::this_thread::sleep_for(
        std::min(std::chrono::duration_cast<std::chrono::microseconds>(end - now), std::chrono::microseconds(5000)));
    cancel.check();
  }
}

class ScriptedStateForm final : public StateForm {
 public:
  explicit ScriptedStateForm(std::uint64_t fingerprint) : mark_("scripted " + std::to_string(fingerprint) + ":") {}

  // A single layer without matrices; byte b of the text is the number b + 1.
  StateTensors tensors_of(const State& state) const override {
    const std::string text = text_of(state);
    StateTensors tensors{1, static_cast<std::uint32_t>((text.size() + 1) / 2), 0, 0, {}};
    for (const char c : text) tensors.values.push_back(static_cast<float>(static_cast<unsigned char>(c) + 1));
    tensors.values.resize(2 * std::size_t{tensors.width});
    return tensors;
  }
  State state_of(const StateTensors& tensors, std::int64_t position) const override {
    std::string text;
    for (const float value : tensors.values) {
      if (value < 0 || value > 256 || tensors.layers != 1) {
        throw Error(ErrorCode::kInvalidArgument, "the state is not one of a script's");
      }
      if (value >= 1) text += static_cast<char>(static_cast<int>(value) - 1);
    }
    return state_of(text, position);
  }
  State state_of(const std::string& text, std::int64_t position) const {
    const std::string whole = mark_ + text;
    StateBytes bytes(whole.size());
    std::memcpy(bytes.data(), whole.data(), whole.size());
    return State(std::move(bytes), position);
  }
  std::string text_of(const State& state) const {
    if (state.is_zero()) return "";
    const auto* data = state.as<HostState>();
    const std::span<const std::byte> bytes = data ? data->host() : std::span<const std::byte>();
    const std::string_view whole(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!whole.starts_with(mark_)) throw Error(ErrorCode::kInvalidArgument, "the state belongs to another model");
    return std::string(whole.substr(mark_.size()));
  }

 private:
  const std::string mark_;  // at the head of each state, so that those of others are known
};

class ScriptedModel;

// Its state is the text it has absorbed.
class ScriptedSequence final : public Sequence {
 public:
  explicit ScriptedSequence(ScriptedModel& model) : model_(model) {}
  ~ScriptedSequence() override;

  std::int64_t position() const noexcept override { return position_; }
  void reset() override {
    text_.clear();
    position_ = 0;
  }
  State save() const override;
  void restore(const State& state) override;

  ScriptedModel& model() const noexcept { return model_; }
  const std::string& text() const noexcept { return text_; }
  void absorb(std::string_view bytes) {
    text_ += bytes;
    ++position_;
  }

 private:
  ScriptedModel& model_;
  std::string text_;
  std::int64_t position_ = 0;
};

class ScriptedModel final : public Model {
 public:
  ScriptedModel(Script script, int max_sequences) : script_(std::move(script)), vocabulary_(byte_vocabulary()) {
    info_.backend = "scripted";
    info_.architecture = "script";
    info_.name = script_.name;
    info_.weight_type = "none";
    info_.vocabulary = kRows;
    info_.width = kWidth;
    info_.device = processor_device();
    info_.takes_embeddings = true;
    info_.logit_rows = kLogitRows;
    info_.gives_hidden = true;
    info_.decode_equals_prefill = true;
    info_.threads = script_.threads;
    info_.fingerprint = checksum(std::as_bytes(std::span(info_.name)));
    state_form_ = std::make_shared<const ScriptedStateForm>(info_.fingerprint);
    info_.stable_chunk = 1;
    info_.stable_grid = 1;
    for (int size = 1; size <= max_sequences; ++size) info_.batch_sizes.push_back(size);
  }

  const ModelInfo& info() const noexcept override { return info_; }
  const Vocabulary* embedded_vocabulary() const noexcept override { return &vocabulary_; }
  void set_threads(int) override {}

  std::unique_ptr<Sequence> create_sequence() override {
    if (sequences_ >= info_.batch_sizes.back()) {
      throw Error(ErrorCode::kOutOfMemory, "all " + std::to_string(sequences_) + " sequences are in use");
    }
    ++sequences_;
    return std::make_unique<ScriptedSequence>(*this);
  }
  void forget_sequence() noexcept { --sequences_; }

  std::shared_ptr<const StateForm> state_form() const override { return state_form_; }
  const ScriptedStateForm& form() const noexcept { return *state_form_; }

  void evaluate(std::span<EvalItem> items, const CancelToken& cancel) override {
    for (EvalItem& item : items) item.output = {};
    if (items.empty()) return;
    validate(items);
    cancel.check();
    outputs_.assign(items.size(), {});
    try {
      spend_time(items, cancel);
      for (std::size_t i = 0; i < items.size(); ++i) {
        evaluate(items[i], outputs_[i]);
        items[i].output = outputs_[i];
      }
    } catch (...) {
      for (EvalItem& item : items) {
        item.sequence->reset();
        item.output = {};
      }
      throw;
    }
  }

 private:
  static Tokens tokens_of(const EvalItem& item) {
    Tokens tokens(item.tokens.begin(), item.tokens.end());
    for (const float value : item.embeddings) tokens.push_back(static_cast<TokenId>(value));
    return tokens;
  }

  void evaluate(const EvalItem& item, std::vector<float>& output) const {
    auto& sequence = static_cast<ScriptedSequence&>(*item.sequence);
    for (const TokenId token : tokens_of(item)) {
      sequence.absorb(vocabulary_.bytes(token));
      if (item.wants == Output::kAllLogits) append_logits(sequence, output);
    }
    if (script_.fail_after >= 0 && sequence.position() >= script_.fail_after) {
      throw Error(ErrorCode::kEvaluation, "the script fails here (fail_after)");
    }
    if (item.wants == Output::kLastLogits) append_logits(sequence, output);
    if (item.wants == Output::kLastHidden) output.push_back(static_cast<float>(next_token(sequence)));
  }

  TokenId next_token(const ScriptedSequence& sequence) const {
    const int byte = script_.next_byte(sequence.text());
    return byte < 0 ? kBlankLine : byte + 1;
  }

  void append_logits(const ScriptedSequence& sequence, std::vector<float>& output) const {
    const std::size_t begin = output.size();
    output.resize(begin + kRows, 0.0f);
    float* row = output.data() + begin;
    const TokenId next = next_token(sequence);
    row[next] = kCertain;
    // An answer that must not begin with a blank line (an empty reply) may still end.
    if (next == kBlankLine) row[' ' + 1] = kCertain / 2;
  }

  void validate(std::span<const EvalItem> items) const {
    check_items(items, info_, [this](const Sequence* sequence) {
      const auto* own = dynamic_cast<const ScriptedSequence*>(sequence);
      return own != nullptr && &own->model() == this;
    });
    for (const EvalItem& item : items) {
      for (const float value : item.embeddings) {
        if (value >= 0 && value < kRows) continue;
        throw Error(ErrorCode::kInvalidArgument, "an embedding is not the number of a token");
      }
    }
  }

  void spend_time(std::span<const EvalItem> items, const CancelToken& cancel) const {
    std::size_t longest = 0;
    for (const EvalItem& item : items) longest = std::max(longest, item.tokens.size() + item.embeddings.size());
    const bool is_prefill = longest > 1 || items.front().wants == Output::kNone;
    const auto a_token = is_prefill ? script_.prefill_us : script_.decode_us;
    wait(std::chrono::microseconds(static_cast<std::int64_t>(longest) * a_token), cancel);
  }

  Script script_;
  Vocabulary vocabulary_;
  ModelInfo info_;
  std::shared_ptr<const ScriptedStateForm> state_form_;
  int sequences_ = 0;
  std::vector<std::vector<float>> outputs_;  // of the last evaluation, by item
};

ScriptedSequence::~ScriptedSequence() { model_.forget_sequence(); }

State ScriptedSequence::save() const { return position_ == 0 ? State() : model_.form().state_of(text_, position_); }

void ScriptedSequence::restore(const State& state) {
  reset();
  text_ = model_.form().text_of(state);
  position_ = state.position();
}

class ScriptedBackend final : public Backend {
 public:
  std::string_view name() const noexcept override { return "scripted"; }
  std::string description() const override { return "replies from a script instead of a model, for tests"; }
  std::optional<std::string> unavailable_reason() const override { return std::nullopt; }

  std::vector<Device> devices() const override { return {processor_device()}; }
  std::vector<Setting> settings() const override { return {}; }

  int match(const ModelSource& source) const override {
    constexpr int kMadeForIt = 100;
    try {
      if (source.is_folder()) return 0;
      script_in(source);
      return kMadeForIt;
    } catch (const Error&) {
      return 0;
    }
  }

  MemoryNeed estimate(const ModelSource& source, const LoadOptions& options) const override {
    check_options(*this, options);
    MemoryNeed need;
    need.owned = static_cast<std::uint64_t>(script_in(source).needs_mb) << 20;
    return need;
  }

  std::unique_ptr<Model> load(const ModelSource& source, const LoadOptions& options) const override {
    check_options(*this, options);
    Script script = script_in(source);
    constexpr int kSteps = 20;
    for (int step = 0; step < kSteps; ++step) {
      if (options.progress) options.progress(static_cast<float>(step) / kSteps);
      wait(std::chrono::microseconds(script.load_ms * 1000 / kSteps), options.cancel);
    }
    if (!script.load_error.empty())
      throw Error(ErrorCode::kBadFile, "'" + source.path() + "': " + script.load_error, source.path());
    if (options.progress) options.progress(1.0f);
    return std::make_unique<ScriptedModel>(std::move(script), options.max_sequences);
  }

 private:
  static Script script_in(const ModelSource& source) {
    const std::span<const std::byte> bytes = source.bytes();
    return Script::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, source.path());
  }
};

}  // namespace

std::unique_ptr<Backend> make_scripted_backend() { return std::make_unique<ScriptedBackend>(); }

}  // namespace rwkv
