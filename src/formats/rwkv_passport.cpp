#include "formats/rwkv_passport.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "formats/rwkv_tensors.h"

namespace rwkv {
namespace {

constexpr std::uint64_t kMaxLayers = 512;
constexpr std::uint64_t kMaxWidth = 65536;
constexpr std::uint64_t kMaxHeadSize = 1024;
constexpr std::uint64_t kMaxFeedForward = 1u << 20;
constexpr std::uint64_t kMaxVocabulary = 1u << 20;
constexpr std::uint32_t kLeastAlignment = 32;  // ggml asserts it of tensor data that it uses in place
constexpr std::uint64_t kMaxFileType = 1023;   // llama.cpp makes an enumeration of it that ends here
constexpr std::size_t kMaxProblems = 20;

// Keys after "rwkv7." or "rwkv6." that say nothing an engine could stumble over. Others could switch on parts that
// these models do not have (experts, prediction heads, rope), on which llama.cpp asserts.
constexpr std::array<std::string_view, 18> kKnownKeys{"context_length",
                                                      "embedding_length",
                                                      "block_count",
                                                      "vocab_size",
                                                      "feed_forward_length",
                                                      "token_shift_count",
                                                      "rescale_every_n_layers",
                                                      "time_mix_extra_dim",
                                                      "time_decay_extra_dim",
                                                      "wkv.head_size",
                                                      "attention.head_count",
                                                      "attention.head_count_kv",
                                                      "attention.layer_norm_epsilon",
                                                      "attention.layer_norm_rms_epsilon",
                                                      "attention.decay_lora_rank",
                                                      "attention.iclr_lora_rank",
                                                      "attention.value_residual_mix_lora_rank",
                                                      "attention.gate_lora_rank"};

class Checker {
 public:
  explicit Checker(const GgufFile& file) : file_(file) {}

  RwkvPassport run() {
    read_architecture();
    read_geometry();
    refuse_if_problems();  // shapes follow from the geometry, so a wrong one would only make noise
    check_tokens();
    check_tensors();
    refuse_if_problems();
    return std::move(passport_);
  }

 private:
  void problem(const std::string& text) { problems_.push_back(text); }

  void refuse_if_problems() const {
    if (problems_.empty()) return;
    std::string message = "'" + file_.name() + "' is not a sound " + passport_.architecture + " model: ";
    for (std::size_t i = 0; i < std::min(problems_.size(), kMaxProblems); ++i) {
      message += (i > 0 ? "; " : "") + problems_[i];
    }
    if (problems_.size() > kMaxProblems) {
      message += "; and " + std::to_string(problems_.size() - kMaxProblems) + " more problems";
    }
    throw Error(ErrorCode::kBadFile, message, file_.name());
  }

  std::string text(std::string_view key) const {
    const GgufValue* value = file_.find(key);
    const auto* view = value ? std::get_if<std::string_view>(&value->value) : nullptr;
    return view ? std::string(*view) : std::string();
  }

  // A u32 between 1 and `highest`; engines want exactly this type.
  std::uint64_t number(std::string_view key, std::uint64_t highest) {
    const std::string full = passport_.architecture + "." + std::string(key);
    const GgufValue* value = file_.find(full);
    if (value == nullptr) {
      problem("'" + full + "' is missing");
      return 0;
    }
    if (value->type != GgufValueType::kUint32) {
      problem("'" + full + "' is of type " + std::string(to_string(value->type)) + ", not u32");
      return 0;
    }
    const std::uint64_t n = std::get<std::uint64_t>(value->value);
    if (n < 1 || n > highest) {
      problem("'" + full + "' is " + std::to_string(n) + ", not 1 to " + std::to_string(highest));
      return 0;
    }
    return n;
  }

  void read_architecture() {
    passport_.architecture = text("general.architecture");
    passport_.name = text("general.name");
    if (passport_.architecture.empty()) {
      throw Error(ErrorCode::kBadFile, "'" + file_.name() + "' does not say which architecture it has", file_.name());
    }
    if (passport_.architecture != "rwkv6" && passport_.architecture != "rwkv7") {
      throw Error(ErrorCode::kUnsupported,
                  "'" + file_.name() + "' holds a model of architecture '" + passport_.architecture +
                      "'; this runtime runs rwkv6 and rwkv7",
                  file_.name());
    }
    const GgufValue* parts = file_.find("split.count");
    if (parts != nullptr && !(parts->type == GgufValueType::kUint16 && std::get<std::uint64_t>(parts->value) <= 1)) {
      throw Error(ErrorCode::kUnsupported,
                  "'" + file_.name() + "' is one part of a split model; merge the parts into one file first",
                  file_.name());
    }
    if (file_.alignment() < kLeastAlignment) {
      throw Error(ErrorCode::kUnsupported,
                  "'" + file_.name() + "' aligns its tensors to " + std::to_string(file_.alignment()) +
                      " bytes, engines need " + std::to_string(kLeastAlignment) + "; convert the model again",
                  file_.name());
    }
  }

  void read_geometry() {
    const bool v7 = passport_.architecture == "rwkv7";
    geometry_.version = v7 ? 7 : 6;
    geometry_.layers = number("block_count", kMaxLayers);
    geometry_.width = number("embedding_length", kMaxWidth);
    geometry_.head_size = number("wkv.head_size", kMaxHeadSize);
    geometry_.feed_forward = number("feed_forward_length", kMaxFeedForward);
    number("context_length", std::numeric_limits<std::int32_t>::max());
    if (v7) {
      geometry_.decay_rank = number("attention.decay_lora_rank", kMaxWidth);
      geometry_.iclr_rank = number("attention.iclr_lora_rank", kMaxWidth);
      geometry_.value_rank = number("attention.value_residual_mix_lora_rank", kMaxWidth);
      geometry_.gate_rank = number("attention.gate_lora_rank", kMaxWidth);
    } else {
      geometry_.mix_extra = number("time_mix_extra_dim", kMaxWidth);
      geometry_.decay_extra = number("time_decay_extra_dim", kMaxWidth);
      geometry_.fused_lerp = file_.find_tensor("blk.0.time_mix_lerp_fused.weight") != nullptr;
    }
    if (geometry_.head_size > 0 && geometry_.width % geometry_.head_size != 0) {
      problem("the width " + std::to_string(geometry_.width) + " is not a multiple of the head size " +
              std::to_string(geometry_.head_size));
    }
    if (file_.find(passport_.architecture + ".token_shift_count") != nullptr && number("token_shift_count", 2) != 2) {
      problem("'token_shift_count' is not 2");
    }
    check_head_count("attention.head_count");
    check_head_count("attention.head_count_kv");
    check_epsilon();
    check_keys();
  }

  // RWKV counts its heads by their size. Converters write 0; anything but the truth makes llama.cpp repeat heads of
  // version 6 as if the model had grouped queries, and assert.
  void check_head_count(std::string_view key) {
    const std::string full = passport_.architecture + "." + std::string(key);
    const GgufValue* value = file_.find(full);
    if (value == nullptr || geometry_.head_size == 0) return;
    const auto* count = value->type == GgufValueType::kUint32 ? std::get_if<std::uint64_t>(&value->value) : nullptr;
    if (count == nullptr || (*count != 0 && *count != geometry_.width / geometry_.head_size)) {
      problem("'" + full + "' is not a u32 of 0 or the number of heads");
    }
  }

  void check_epsilon() {
    const GgufValue* value = file_.find(passport_.architecture + ".attention.layer_norm_epsilon");
    const auto* epsilon = value ? std::get_if<double>(&value->value) : nullptr;
    if (epsilon == nullptr || !std::isfinite(*epsilon) || *epsilon <= 0 || *epsilon > 1) {
      problem("'attention.layer_norm_epsilon' is missing or not a small positive number");
    }
  }

  void check_keys() {
    const GgufValue* file_type = file_.find("general.file_type");
    if (file_type != nullptr &&
        (file_type->type != GgufValueType::kUint32 || std::get<std::uint64_t>(file_type->value) > kMaxFileType)) {
      problem("'general.file_type' is not a u32 up to " + std::to_string(kMaxFileType));
    }
    const std::string prefix = passport_.architecture + ".";
    for (const auto& [key, value] : file_.metadata()) {
      if (!key.starts_with(prefix)) continue;
      const std::string_view rest = key.substr(prefix.size());
      if (std::find(kKnownKeys.begin(), kKnownKeys.end(), rest) == kKnownKeys.end()) {
        problem("'" + std::string(key) + "' means nothing for this architecture");
      }
    }
  }

  void check_tokens() {
    if (text("tokenizer.ggml.model") != "rwkv") {
      problem("'tokenizer.ggml.model' is '" + text("tokenizer.ggml.model") + "', not 'rwkv'");
    }
    auto texts = file_.strings("tokenizer.ggml.tokens");
    if (!texts || texts->size() < 2 || texts->size() > kMaxVocabulary) {
      problem("'tokenizer.ggml.tokens' is missing or has an impossible length");
      return;
    }
    geometry_.vocabulary = texts->size();
    // Engines keep texts as C strings and want each to be different.
    std::set<std::string> seen;
    for (std::size_t i = 0; i < texts->size(); ++i) {
      std::string word((*texts)[i].substr(0, (*texts)[i].find('\0')));
      if (word.empty()) word = "[EMPTY_" + std::to_string(i) + "]";
      if (seen.insert(std::move(word)).second) continue;
      problem("token " + std::to_string(i) + " has the same text as another");
      break;
    }
    // llama.cpp tokenizes a newline while it loads, and never ends where tokens only begin with one.
    if (!seen.contains("\n") && !seen.contains("\\n") && !seen.contains("\\x0a")) {
      problem("no token is a newline");
    }
    if (file_.find("tokenizer.ggml.token_type") != nullptr) {
      auto types = file_.integers("tokenizer.ggml.token_type");
      if (!types || types->size() != texts->size()) {
        problem("'tokenizer.ggml.token_type' does not have one number a token");
      } else {
        passport_.token_types = std::move(*types);
      }
    }
    const GgufValue* scores = file_.find("tokenizer.ggml.scores");
    const auto* array = scores ? std::get_if<GgufArray>(&scores->value) : nullptr;
    if (scores != nullptr &&
        (array == nullptr || array->type != GgufValueType::kFloat32 || array->count != texts->size())) {
      problem("'tokenizer.ggml.scores' does not have one number a token");
    }
    passport_.token_texts = std::move(*texts);
  }

  void check_tensors() {
    if (geometry_.vocabulary == 0) return;
    std::map<std::string_view, std::uint64_t> parameters_by_type;
    const std::vector<ExpectedTensor> expected = expected_tensors(geometry_);
    for (const ExpectedTensor& wanted : expected) {
      const GgufTensor* tensor = file_.find_tensor(wanted.name);
      if (tensor == nullptr) {
        problem("tensor '" + wanted.name + "' is missing");
        continue;
      }
      if (!same_shape(tensor->dimensions, wanted.dimensions)) {
        problem("tensor '" + wanted.name + "' is " + tensor->describe() + ", the shape should be " +
                shape(wanted.dimensions));
      }
      if (!wanted.matrix && tensor->type != GgmlType::kF32) {
        problem("tensor '" + wanted.name + "' is " + tensor->describe() + ", the type should be F32");
      }
      parameters_by_type[tensor->traits->name] += tensor->elements;
      passport_.parameters += tensor->elements;
    }
    if (problems_.empty() && expected.size() != file_.tensors().size()) report_unknown_tensors(expected);

    passport_.layers = static_cast<int>(geometry_.layers);
    passport_.width = static_cast<int>(geometry_.width);
    passport_.head_size = static_cast<int>(geometry_.head_size);
    passport_.heads = static_cast<int>(geometry_.width / geometry_.head_size);
    passport_.feed_forward = static_cast<int>(geometry_.feed_forward);
    passport_.vocabulary = static_cast<int>(geometry_.vocabulary);
    const auto most = std::max_element(parameters_by_type.begin(), parameters_by_type.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most != parameters_by_type.end()) passport_.weight_type = std::string(most->first);
  }

  void report_unknown_tensors(const std::vector<ExpectedTensor>& expected) {
    std::set<std::string_view> names;
    for (const ExpectedTensor& tensor : expected) names.insert(tensor.name);
    for (const GgufTensor& tensor : file_.tensors()) {
      if (!names.contains(tensor.name))
        problem("tensor '" + std::string(tensor.name) + "' does not belong to the model");
    }
  }

  static bool same_shape(std::vector<std::uint64_t> a, std::vector<std::uint64_t> b) {
    a.resize(4, 1);
    b.resize(4, 1);
    return a == b;
  }

  static std::string shape(const std::vector<std::uint64_t>& dimensions) {
    std::string text = "[";
    for (std::size_t i = 0; i < dimensions.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(dimensions[i]);
    return text + "]";
  }

  const GgufFile& file_;
  RwkvPassport passport_;
  RwkvGeometry geometry_;
  std::vector<std::string> problems_;
};

}  // namespace

RwkvPassport check_rwkv_model(const GgufFile& file) { return Checker(file).run(); }

}  // namespace rwkv
