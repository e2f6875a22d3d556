#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/utf8_path.h"
#include "convert/checkpoint.h"
#include "convert/convert.h"
#include "convert/gguf_header.h"
#include "convert/weight_types.h"

namespace rwkv::convert {
namespace {

constexpr std::uint32_t kQuantisationVersion = 2;  // of ggml's block layouts
constexpr float kSiglipEpsilon = 1e-6f;
constexpr std::uint32_t kTilesASide = 2;  // what models are trained with: the longer side becomes two tiles

/// One checkpoint out of two.
Checkpoint joined(Checkpoint encoder, Checkpoint adapter) {
  const ByteReader reader({}, encoder.weights.name());
  std::vector<WeightStorage> storages = encoder.weights.storages();
  for (const auto& [name, tensor] : adapter.weights.tensors()) encoder.weights.add(reader, tensor);
  const auto& more = adapter.weights.storages();
  storages.insert(storages.end(), more.begin(), more.end());
  std::sort(storages.begin(), storages.end(),
            [](const auto& a, const auto& b) { return std::less<>()(a.data.data(), b.data.data()); });
  encoder.weights.set_storages(std::move(storages));
  for (MappedFile& file : adapter.files) encoder.files.push_back(std::move(file));
  return encoder;
}

/// What the configuration beside a checkpoint of transformers says; nothing where there is none.
std::optional<std::uint32_t> configured_heads(const std::string& source, EncoderKind kind) {
  const auto given = path_from_utf8(source);
  std::error_code ignored;
  const auto folder = std::filesystem::is_directory(given, ignored) ? given : given.parent_path();
  const auto path = folder / "config.json";
  if (!std::filesystem::is_regular_file(path, ignored)) return std::nullopt;
  const MappedFile file(utf8_from_path(path));
  const auto* text = reinterpret_cast<const char*>(file.bytes().data());
  const auto json = nlohmann::json::parse(text, text + file.bytes().size(), nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const bool vision = kind == EncoderKind::kVision;
  const auto part = json.find("vision_config");
  const auto& config = vision && part != json.end() && part->is_object() ? *part : json;
  const auto heads = config.find(vision ? "num_attention_heads" : "encoder_attention_heads");
  if (heads == config.end() || !heads->is_number_unsigned() || heads->get<std::uint64_t>() > 4096) return std::nullopt;
  return heads->get<std::uint32_t>();
}

void add_vision(GgufHeader& header, const EncoderPlan& plan) {
  header.text("general.architecture", "clip");
  header.flag("clip.has_vision_encoder", true);
  header.flag("clip.has_rwkv_adapter", plan.has_adapter);
  header.flag("clip.use_gelu", true);
  header.number("clip.vision.image_size", plan.image_size);
  header.number("clip.vision.patch_size", plan.patch_size);
  header.number("clip.vision.block_count", plan.layers);
  header.number("clip.vision.embedding_length", plan.width);
  header.number("clip.vision.feed_forward_length", plan.feed_forward);
  header.number("clip.vision.attention.head_count", plan.heads);
  header.real("clip.vision.attention.layer_norm_epsilon", kSiglipEpsilon);
  // Tiles are trained on colours from 0 to 1, single squares on -1 to 1.
  const float middle = plan.tiles ? 0.0f : 0.5f;
  const float deviation = plan.tiles ? 1.0f : 0.5f;
  header.reals("clip.vision.image_mean", std::array{middle, middle, middle});
  header.reals("clip.vision.image_std", std::array{deviation, deviation, deviation});
  header.number("rwkv.vision.tiles", plan.tiles ? 1 : 0);
  if (plan.tiles) header.number("rwkv.vision.max_side", kTilesASide * plan.image_size);
  if (!plan.has_adapter) return;
  header.text("rwkv.adapter.kind", plan.adapter);
  if (plan.stride > 0) header.number("rwkv.adapter.stride", plan.stride);
}

void add_audio(GgufHeader& header, const EncoderPlan& plan) {
  header.text("general.architecture", "whisper-rwkv");
  header.number("whisper.n_mels", plan.mel_bands);
  header.number("whisper.audio_ctx", plan.positions);
  header.number("whisper.width", plan.width);
  header.number("whisper.heads", plan.heads);
  header.number("whisper.layers", plan.layers);
  header.number("rwkv.adapter.stride", plan.stride);
  header.number("rwkv.adapter.padding", plan.padding);
  header.number("rwkv.adapter.hidden", plan.hidden);
}

}  // namespace

Report convert_encoder(const EncoderRequest& request) {
  Checkpoint checkpoint = open_weights(request.source);
  if (!request.adapter.empty()) checkpoint = joined(std::move(checkpoint), open_weights(request.adapter));
  EncoderWishes wishes = request.wishes;
  if (!wishes.heads) wishes.heads = configured_heads(request.source, request.kind);
  EncoderPlan plan = request.kind == EncoderKind::kVision ? plan_vision(checkpoint.weights, wishes, request.format)
                                                          : plan_audio(checkpoint.weights, wishes, request.format);
  GgufHeader header;
  plan.kind == EncoderKind::kVision ? add_vision(header, plan) : add_audio(header, plan);
  header.text("general.name", request.name.empty() ? name_of_source(request.source) : request.name);
  header.number("general.file_type", file_type(request.format));
  header.number("general.quantization_version", kQuantisationVersion);

  Report report;
  report.architecture = plan.kind == EncoderKind::kVision ? "siglip" : "whisper";
  report.tensors = plan.tensors.size();
  report.source_bytes = checkpoint.bytes();
  AtomicFile file(request.output);
  file.write_at(0, header.finish(plan.tensors));
  write_tensors(checkpoint, plan.tensors, file, request.options);
  for (const PlannedTensor& tensor : plan.tensors) {
    report.parameters += tensor.rows() * tensor.row_length();
    report.output_bytes = std::max(report.output_bytes, tensor.offset + tensor.bytes());
  }
  file.commit();
  return report;
}

}  // namespace rwkv::convert
