// Damaged encoders are refused with a reason or computed. Nothing else.
#include <gtest/gtest.h>

#include "media/encoder_fixture.h"
#include "media/encoders/audio_network.h"
#include "media/encoders/vision_network.h"
#include "support/hostile.h"

namespace rwkv::media {
namespace {

using test::GgufWriter;

constexpr std::uint64_t kWidth = 4;

// Small enough to flip every bit of: values do not matter here.
void zeros(GgufWriter& file, const std::string& name, std::vector<std::uint64_t> dimensions) {
  std::uint64_t elements = 1;
  for (const std::uint64_t size : dimensions) elements *= size;
  file.tensor(name, std::move(dimensions), test::kTypeF32, std::string(elements * 4, '\0'));
}

void zeros_both(GgufWriter& file, const std::string& name, std::uint64_t row, std::uint64_t rows) {
  zeros(file, name + ".weight", row == 0 ? std::vector{rows} : std::vector{row, rows});
  zeros(file, name + ".bias", {rows});
}

GgufWriter small_siglip() {
  GgufWriter file;
  file.alignment = 8;
  file.u32("general.alignment", 8).text("general.architecture", "clip");
  file.u32("clip.vision.image_size", 4).u32("clip.vision.patch_size", 2).u32("clip.vision.block_count", 1);
  file.u32("clip.vision.embedding_length", kWidth).u32("clip.vision.feed_forward_length", 5);
  file.u32("clip.vision.attention.head_count", 2);
  zeros_both(file, "v.patch_embd", 12, kWidth);
  zeros(file, "v.position_embd.weight", {kWidth, 4});
  zeros_both(file, "v.blk.0.ln1", 0, kWidth);
  zeros_both(file, "v.blk.0.ln2", 0, kWidth);
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_out"}) {
    zeros_both(file, std::string("v.blk.0.") + name, kWidth, kWidth);
  }
  zeros_both(file, "v.blk.0.ffn_up", kWidth, 5);
  zeros_both(file, "v.blk.0.ffn_down", 5, kWidth);
  zeros_both(file, "v.post_ln", 0, kWidth);
  zeros(file, "rwkv_adapter.conv.weight", {2, kWidth, kWidth});
  zeros_both(file, "rwkv_adapter.proj.0", kWidth, 3);
  zeros_both(file, "rwkv_adapter.proj.2", 3, 2);
  return file;
}

GgufWriter small_whisper() {
  GgufWriter file;
  file.alignment = 8;
  file.u32("general.alignment", 8).text("general.architecture", "whisper-rwkv");
  file.u32("whisper.n_mels", 2).u32("whisper.audio_ctx", 3).u32("whisper.width", kWidth);
  file.u32("whisper.heads", 2).u32("whisper.layers", 1).u32("rwkv.adapter.stride", 1);
  file.u32("rwkv.adapter.padding", 1).u32("rwkv.adapter.hidden", 3);
  const std::string layer = "encoder.blocks.0.";
  zeros_both(file, "encoder.conv1", 6, kWidth);
  zeros_both(file, "encoder.conv2", 3 * kWidth, kWidth);
  zeros(file, "encoder.positional_embedding", {kWidth, 3});
  zeros_both(file, layer + "attn_ln", 0, kWidth);
  zeros_both(file, layer + "mlp_ln", 0, kWidth);
  for (const char* name : {"attn.query", "attn.key", "attn.value", "attn.out"}) {
    zeros_both(file, layer + name, kWidth, kWidth);
  }
  zeros_both(file, layer + "mlp.0", kWidth, 5);
  zeros_both(file, layer + "mlp.2", 5, kWidth);
  zeros_both(file, "encoder.ln_post", 0, kWidth);
  zeros_both(file, "rwkv.adapter.conv", 3 * kWidth, 3);
  zeros_both(file, "rwkv.adapter.proj.0", 3, 3);
  zeros_both(file, "rwkv.adapter.proj.2", 3, 2);
  return file;
}

// The same tensors as whisper.cpp's file.
std::string small_whisper_ggml() {
  std::string out = test::raw<std::uint32_t>(0x67676d6c);
  for (const std::int32_t value : {1, 3, 4, 2, 1, 4, 4, 2, 1, 2, 2, 3, 0}) out += test::raw(value);
  out += test::raw<std::int32_t>(2) + test::raw<std::int32_t>(3) + std::string(24, '\0');
  out += test::raw<std::int32_t>(1) + test::raw<std::int32_t>(1) + "a";
  for (const GgufWriter::Tensor& tensor : small_whisper().tensors) {
    out += test::raw(static_cast<std::int32_t>(tensor.dimensions.size()));
    out += test::raw(static_cast<std::int32_t>(tensor.name.size())) + test::raw(tensor.type);
    for (const std::uint64_t size : tensor.dimensions) out += test::raw(static_cast<std::int32_t>(size));
    out += tensor.name + tensor.data;
  }
  return out;
}

// Not a file of its own: the weights hold views of `bytes`, and nothing is kept.
void load(std::span<const std::byte> bytes, const Threads& threads) {
  EncoderWeights weights("encoder");
  if (is_whisper_ggml(bytes)) {
    const WhisperGgmlFile file = parse_whisper_ggml(bytes, "encoder");
    weights.add(file, nullptr);
    const AudioHeader header = read_audio_header(file, weights);
    AudioNetwork network(header, weights, false, GraphPlan::Purpose::kCompute);
    network.compute(std::vector<float>(static_cast<std::size_t>(header.mel_bands * header.mel_frames())), 1, threads,
                    {}, [] {});
    return;
  }
  const GgufFile file = GgufFile::parse(bytes, "encoder");
  weights.add(file, nullptr);
  if (file.find("whisper.n_mels") != nullptr) {
    const AudioHeader header = read_audio_header(file, weights);
    AudioNetwork network(header, weights, false, GraphPlan::Purpose::kCompute);
    network.compute(std::vector<float>(static_cast<std::size_t>(header.mel_bands * header.mel_frames())),
                    header.encoder.positions, threads, {}, [] {});
    return;
  }
  const VisionHeader header = read_vision_header(file, nullptr, weights);
  VisionNetwork network(header, weights, false, GraphPlan::Purpose::kCompute);
  const auto size = static_cast<std::size_t>(header.image_size);
  network.compute(std::vector<float>(3 * size * size), threads, {}, [] {});
}

struct File {
  std::string bytes;
  std::size_t header;  // flips behind it change values alone
};

class EncoderFiles : public testing::TestWithParam<File (*)()> {};

TEST_P(EncoderFiles, AreReadWhole) {
  test::Outcomes outcomes;
  const Threads threads(1);
  test::parse_exactly(GetParam()().bytes, [&](auto bytes) { load(bytes, threads); }, outcomes);
  EXPECT_EQ(outcomes.read, 1);
}

TEST_P(EncoderFiles, AreRefusedWhereverTheyAreCut) {
  const Threads threads(1);
  // A GGUF file may end before the padding of its last tensor.
  const auto outcomes = test::cut_everywhere(GetParam()().bytes, [&](auto bytes) { load(bytes, threads); });
  EXPECT_LT(outcomes.read, 8);
}

TEST_P(EncoderFiles, AreRefusedOrComputedWhicheverBitIsFlipped) {
  const Threads threads(1);
  const File file = GetParam()();
  const auto outcomes =
      test::flip_everywhere(file.bytes, 0, file.header, [&](auto flipped) { load(flipped, threads); });
  EXPECT_GT(outcomes.refused, 500);
}

File of(const GgufWriter& file) { return {file.bytes(), file.header().size()}; }

INSTANTIATE_TEST_SUITE_P(, EncoderFiles,
                         testing::Values(
                             +[] { return of(small_siglip()); }, +[] { return of(small_whisper()); },
                             +[] {
                               const std::string bytes = small_whisper_ggml();
                               return File{bytes, bytes.size()};
                             }));

}  // namespace
}  // namespace rwkv::media
