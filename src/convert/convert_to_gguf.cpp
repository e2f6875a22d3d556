#include <filesystem>

#include "base/error.h"
#include "base/utf8_path.h"
#include "convert/checkpoint.h"
#include "convert/convert.h"
#include "convert/gguf_header.h"
#include "convert/token_list.h"
#include "convert/weight_types.h"
#include "formats/rwkv_passport.h"
#include "text/vocabulary.h"

namespace rwkv::convert {
namespace {

constexpr std::uint32_t kContextLength = 1u << 20;  // RWKV has no limit; tools want a number
constexpr float kLayerNormEpsilon = 1e-5f;
constexpr std::uint32_t kQuantisationVersion = 2;  // of ggml's block layouts
constexpr TokenId kBlankLine = 261;                // "\n\n" in the World vocabulary: ends a turn in chats

void add_geometry(GgufHeader& header, const RwkvPlan& plan) {
  const RwkvGeometry& g = plan.geometry;
  const std::string prefix = "rwkv" + std::to_string(g.version) + ".";
  const auto set = [&](std::string_view key, std::uint64_t value) {
    header.number(prefix + std::string(key), static_cast<std::uint32_t>(value));
  };
  set("context_length", kContextLength);
  set("embedding_length", g.width);
  set("block_count", g.layers);
  header.real(prefix + "attention.layer_norm_epsilon", kLayerNormEpsilon);
  set("wkv.head_size", g.head_size);
  set("feed_forward_length", g.feed_forward);
  set("attention.head_count", 0);
  if (g.version == 7) {
    set("attention.decay_lora_rank", g.decay_rank);
    set("attention.iclr_lora_rank", g.iclr_rank);
    set("attention.value_residual_mix_lora_rank", g.value_rank);
    set("attention.gate_lora_rank", g.gate_rank);
  } else {
    set("rescale_every_n_layers", plan.rescale_every);
    set("time_mix_extra_dim", g.mix_extra);
    set("time_decay_extra_dim", g.decay_extra);
  }
}

void add_vocabulary(GgufHeader& header, const Vocabulary& vocabulary, std::uint64_t rows) {
  const TokenList list = token_list(vocabulary, rows);
  header.text("tokenizer.ggml.model", "rwkv");
  header.texts("tokenizer.ggml.tokens", list.texts);
  header.numbers("tokenizer.ggml.token_type", list.types);
  header.number("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(kEndOfText));
  header.number("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(kEndOfText));
  if (vocabulary.bytes(kBlankLine) == "\n\n") {
    header.number("tokenizer.ggml.eot_token_id", static_cast<std::uint32_t>(kBlankLine));
  }
  header.text("tokenizer.chat_template", "rwkv-world");  // llama.cpp knows the format by this name
}

/// Whatever a checkpoint and a vocabulary come to, no file appears that would be refused.
void check_result(const AtomicFile& file) {
  const MappedFile written(file.temporary_path());
  check_rwkv_model(GgufFile::parse(written.bytes(), "the converted model"));
}

}  // namespace

Report convert_to_gguf(const GgufRequest& request) {
  const Checkpoint checkpoint = open_checkpoint(request.source);
  const std::string& vocabulary_path = request.vocabulary.empty() ? checkpoint.vocabulary : request.vocabulary;
  if (vocabulary_path.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "a GGUF file contains its vocabulary: name the World vocabulary file of the model (--vocab)");
  }
  const Vocabulary vocabulary = Vocabulary::from_file(vocabulary_path);
  RwkvPlan plan = plan_rwkv(checkpoint.weights, request.format);

  Report report;
  report.architecture = "rwkv" + std::to_string(plan.geometry.version);
  report.tensors = plan.tensors.size();
  report.source_bytes = checkpoint.bytes();

  GgufHeader header;
  header.text("general.architecture", report.architecture);
  header.text("general.type", "model");
  header.text("general.name", request.name.empty() ? name_of_source(request.source) : request.name);
  header.number("general.file_type", file_type(request.format));
  header.number("general.quantization_version", kQuantisationVersion);
  add_geometry(header, plan);
  add_vocabulary(header, vocabulary, plan.geometry.vocabulary);

  std::error_code not_there;
  if (std::filesystem::equivalent(path_from_utf8(request.output), path_from_utf8(vocabulary_path), not_there)) {
    throw Error(
        ErrorCode::kInvalidArgument,
        "'" + request.output + "' is the vocabulary, which the model would replace; give the model another name");
  }
  AtomicFile file(request.output);
  const std::vector<std::byte> bytes = header.finish(plan.tensors);
  file.write_at(0, bytes);
  write_tensors(checkpoint, plan.tensors, file, request.options);
  for (const PlannedTensor& tensor : plan.tensors) {
    report.parameters += tensor.rows() * tensor.row_length();
    report.output_bytes = std::max(report.output_bytes, tensor.offset + tensor.bytes());
  }
  check_result(file);
  file.commit();
  return report;
}

}  // namespace rwkv::convert
