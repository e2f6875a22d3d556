#include "backends/scripted/scripted_backend.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <set>
#include <span>
#include <thread>
#include <utility>

#include "backends/scripted/script.h"
#include "base/checksum.h"

namespace rwkv {
namespace {

constexpr int kMaxSequences = 16;
constexpr TokenId kBlankLine = 257;
constexpr int kRows = 258;
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
  State import_state(std::span<const std::byte>, std::span<const TokenId>) const override {
    throw Error(ErrorCode::kUnsupported, "the existing engine has no scripts, so that it cannot have saved this state");
  }
  State state_of(const std::string& text, std::int64_t position) const {
    const std::string whole = mark_ + text;
    StateBytes bytes(whole.size());
    std::memcpy(bytes.data(), whole.data(), whole.size());
    return State(std::move(bytes), position);
  }
  std::string text_of(const State& state) const {
    if (state.is_zero()) return "";
    const std::string_view whole(reinterpret_cast<const char*>(state.bytes().data()), state.bytes().size());
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
    info_.threads = script_.threads;
    info_.fingerprint = checksum(std::as_bytes(std::span(info_.name)));
    state_form_ = std::make_shared<const ScriptedStateForm>(info_.fingerprint);
    info_.stable_piece = 1;
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
    for (EvalItem& item : items) item.logits = {};
    if (items.empty()) return;
    validate(items);
    cancel.check();
    try {
      spend_time(items, cancel);
      rows_.assign(items.size() * kRows, 0.0f);
      for (std::size_t i = 0; i < items.size(); ++i) {
        auto& sequence = static_cast<ScriptedSequence&>(*items[i].sequence);
        for (const TokenId token : items[i].tokens) sequence.absorb(vocabulary_.bytes(token));
        if (script_.fail_after >= 0 && sequence.position() >= script_.fail_after) {
          throw Error(ErrorCode::kEvaluation, "the script fails here (fail_after)");
        }
        if (!items[i].wants_logits) continue;
        float* row = rows_.data() + i * kRows;
        const int byte = script_.next_byte(sequence.text());
        row[byte < 0 ? kBlankLine : byte + 1] = kCertain;
        // An answer that must not begin with a blank line (an empty reply) may still end.
        if (byte < 0) row[' ' + 1] = kCertain / 2;
        items[i].logits = std::span<const float>(row, kRows);
      }
    } catch (...) {
      for (EvalItem& item : items) {
        item.sequence->reset();
        item.logits = {};
      }
      throw;
    }
  }

 private:
  void validate(std::span<const EvalItem> items) const {
    std::set<const Sequence*> seen;
    for (const EvalItem& item : items) {
      const auto* sequence = dynamic_cast<const ScriptedSequence*>(item.sequence);
      if (sequence == nullptr || &sequence->model() != this || !seen.insert(sequence).second || item.tokens.empty()) {
        throw Error(ErrorCode::kInvalidArgument, "evaluate needs different sequences of this model, each with tokens");
      }
      for (const TokenId token : item.tokens) {
        if (token < 0 || token >= kRows) {
          throw Error(ErrorCode::kInvalidArgument,
                      "token " + std::to_string(token) + " is outside the vocabulary of " + std::to_string(kRows));
        }
      }
    }
  }

  void spend_time(std::span<const EvalItem> items, const CancelToken& cancel) const {
    std::size_t longest = 0;
    for (const EvalItem& item : items) longest = std::max(longest, item.tokens.size());
    const auto a_token = longest > 1 || !items.front().wants_logits ? script_.prefill_us : script_.decode_us;
    wait(std::chrono::microseconds(static_cast<std::int64_t>(longest) * a_token), cancel);
  }

  Script script_;
  Vocabulary vocabulary_;
  ModelInfo info_;
  std::shared_ptr<const ScriptedStateForm> state_form_;
  int sequences_ = 0;
  std::vector<float> rows_;
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

  bool recognises(const std::string& path) const override {
    try {
      Script::from_file(path);
      return true;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kOutOfMemory) throw;
      return false;
    }
  }

  MemoryNeed estimate(const std::string& path, const LoadOptions&) const override {
    return {0, static_cast<std::uint64_t>(Script::from_file(path).needs_mb) << 20, 0};
  }

  std::unique_ptr<Model> load(const std::string& path, const LoadOptions& options) const override {
    if (options.max_sequences < 1 || options.max_sequences > kMaxSequences) {
      throw Error(ErrorCode::kInvalidArgument, "the number of sequences is " + std::to_string(options.max_sequences) +
                                                   ", not 1 to " + std::to_string(kMaxSequences));
    }
    Script script = Script::from_file(path);
    constexpr int kSteps = 20;
    for (int step = 0; step < kSteps; ++step) {
      if (options.progress) options.progress(static_cast<float>(step) / kSteps);
      wait(std::chrono::microseconds(script.load_ms * 1000 / kSteps), options.cancel);
    }
    if (!script.load_error.empty()) throw Error(ErrorCode::kBadFile, "'" + path + "': " + script.load_error);
    if (options.progress) options.progress(1.0f);
    return std::make_unique<ScriptedModel>(std::move(script), options.max_sequences);
  }
};

}  // namespace

std::unique_ptr<Backend> make_scripted_backend() { return std::make_unique<ScriptedBackend>(); }

}  // namespace rwkv
