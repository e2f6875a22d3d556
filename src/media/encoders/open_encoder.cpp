#include "media/encoders/open_encoder.h"

#include <cmath>

#include "base/error.h"
#include "formats/file_kind.h"
#include "ggml/processor.h"
#include "media/encoders/encoder_files.h"
#include "media/encoders/header_keys.h"

namespace rwkv::media {
namespace {

constexpr std::string_view kClip = "clip";
constexpr std::string_view kWhisper = "whisper-rwkv";
constexpr const char* kArchitecture = "general.architecture";

std::shared_ptr<const MappedFile> open(const std::string& path) {
  auto file = std::make_shared<const MappedFile>(path);
  if (const std::string mistake = mistaken_file(WantedFile::kEncoder, file->bytes()); !mistake.empty()) {
    throw Error(ErrorCode::kUnsupported, "'" + path + "' " + mistake, path);
  }
  return file;
}

std::string_view architecture_of(const GgufFile& file) { return HeaderKeys(file).text(kArchitecture); }

[[noreturn]] void refuse_gguf(const GgufFile& file, std::string_view architecture) {
  const std::string what =
      architecture.starts_with("rwkv") ? "is a language model" : "is '" + std::string(architecture.substr(0, 64)) + "'";
  throw Error(ErrorCode::kUnsupported,
              "'" + file.name() + "' " + what +
                  ", not an encoder of pictures ('clip') or sound ('whisper-rwkv'); name the encoder's file",
              file.name());
}

}  // namespace

OpenedEncoder open_files(const EncoderFiles& files) {
  OpenedEncoder opened;
  opened.weights = std::make_unique<EncoderWeights>(files.encoder);
  const auto mapping = open(files.encoder);
  const auto refuse_adapter = [&] {
    if (files.adapter.empty()) return;
    throw Error(ErrorCode::kUnsupported, "'" + files.encoder + "' has its adapter itself; leave out the other file",
                files.encoder);
  };
  if (is_whisper_ggml(mapping->bytes())) {
    refuse_adapter();
    const WhisperGgmlFile file = parse_whisper_ggml(mapping->bytes(), files.encoder);
    opened.weights->add(file, mapping);
    opened.audio = read_audio_header(file, *opened.weights);
    return opened;
  }
  const GgufFile file = GgufFile::parse(mapping->bytes(), files.encoder);
  opened.weights->add(file, mapping);
  const std::string_view architecture = architecture_of(file);
  if (architecture == kWhisper) {
    refuse_adapter();
    opened.audio = read_audio_header(file, *opened.weights);
  } else if (architecture != kClip) {
    refuse_gguf(file, architecture);
  } else if (files.adapter.empty()) {
    opened.vision = read_vision_header(file, nullptr, *opened.weights);
  } else {
    const auto adapter_mapping = open(files.adapter);
    const GgufFile adapter = GgufFile::parse(adapter_mapping->bytes(), files.adapter);
    if (const auto said = architecture_of(adapter); said != kClip) refuse_gguf(adapter, said);
    opened.weights->add(adapter, adapter_mapping);
    opened.vision = read_vision_header(file, &adapter, *opened.weights);
  }
  return opened;
}

EncoderInfo info_of(const OpenedEncoder& opened) {
  const EncoderWeights& weights = *opened.weights;
  EncoderInfo info;
  info.weight_type = weights.weight_type();
  info.parameters = weights.parameters();
  info.file_bytes = weights.file_bytes();
  info.fingerprint = weights.fingerprint();
  const TransformerShape& shape = opened.vision ? opened.vision->encoder : opened.audio->encoder;
  info.width = static_cast<int>(shape.width);
  info.heads = static_cast<int>(shape.heads);
  if (opened.vision) {
    info.takes = EncoderInfo::Takes::kPicture;
    info.architecture = "siglip";
    info.adapter = to_string(opened.vision->adapter);
    info.name = opened.vision->name;
    info.layers = static_cast<int>(opened.vision->layers);
    info.row_width = static_cast<int>(opened.vision->row_width);
  } else {
    info.takes = EncoderInfo::Takes::kSound;
    info.architecture = "whisper";
    info.adapter = "whisper";
    info.name = opened.audio->name;
    info.layers = static_cast<int>(opened.audio->layers);
    info.row_width = static_cast<int>(opened.audio->row_width);
  }
  return info;
}

int threads_for(const EncoderOptions& options, const OpenedEncoder& opened) {
  if (options.threads != 0) return options.threads;
  const TransformerShape& shape = opened.vision ? opened.vision->encoder : opened.audio->encoder;
  // Each weight is used once for each position: as much work as a token of a model that many times as large.
  return ggml::default_threads(opened.weights->parameters() * static_cast<std::uint64_t>(shape.positions));
}

void check_rows(std::span<const float> rows, const EncoderWeights& weights) {
  weights.check_whole();
  for (const float value : rows) {
    if (std::isfinite(value)) continue;
    throw Error(ErrorCode::kEvaluation,
                "'" + weights.name() + "' makes values that are not finite of this; its weights are probably damaged",
                weights.name());
  }
}

}  // namespace rwkv::media

namespace rwkv {

bool is_encoder(const ModelSource& source) {
  if (source.is_folder()) return false;
  if (is_whisper_ggml(source.bytes())) return true;
  if (!source.is_gguf()) return false;
  const std::string_view architecture = media::architecture_of(source.gguf());
  return architecture == media::kClip || architecture == media::kWhisper;
}

EncoderDescription describe_encoder(const EncoderFiles& files, const EncoderOptions& options) {
  const media::OpenedEncoder opened = media::open_files(files);
  std::uint64_t work = 0;
  const auto purpose = media::GraphPlan::Purpose::kMeasure;
  if (opened.vision) {
    work = media::VisionNetwork(*opened.vision, *opened.weights, options.exact_attention, purpose).bytes();
  } else {
    work = media::AudioNetwork(*opened.audio, *opened.weights, options.exact_attention, purpose).bytes();
  }
  EncoderDescription description;
  description.info = media::info_of(opened);
  description.memory.mapped = opened.weights->mapped_bytes();
  description.memory.owned = opened.weights->owned_bytes() + work;
  return description;
}

std::unique_ptr<Encoder> load_encoder(const EncoderFiles& files, const EncoderOptions& options) {
  media::OpenedEncoder opened = media::open_files(files);
  return opened.vision ? media::make_vision_encoder(std::move(opened), options)
                       : media::make_audio_encoder(std::move(opened), options);
}

}  // namespace rwkv
