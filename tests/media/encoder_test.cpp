// Encoders as the runtime uses them: files in, rows out.
#include <gtest/gtest.h>

#include <random>

#include "base/error_of.h"
#include "media/encoder_fixture.h"
#include "media/encoders/open_encoder.h"
#include "media/log_mel.h"
#include "support/refusal.h"

namespace rwkv::test {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

class Encoders : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  std::string written(const std::string& name, const std::string& bytes) const {
    write_file(path(name), bytes);
    return path(name);
  }

  GgufWriter whole(const std::string& kind = "auto_siglip2") const {
    GgufWriter file = siglip_gguf(siglip_, kTypeF16);
    add_vision_adapter(file, siglip_, kind, kTypeF16);
    return file;
  }
  GgufWriter adapter_alone() const {
    GgufWriter file;
    file.text("general.architecture", "clip");
    add_vision_adapter(file, siglip_, "auto_siglip2", kTypeF16);
    return file;
  }

  /// A picture as the simplest of all formats has it.
  static std::string ppm(int width, int height, int seed) {
    std::string bytes = "P6 " + std::to_string(width) + " " + std::to_string(height) + " 255\n";
    for (int i = 0; i < width * height * 3; ++i) bytes += static_cast<char>((i * 7 + seed * 31) % 256);
    return bytes;
  }

  /// 16 kHz, mono, 16 bit: noise.
  static std::string wav(int samples, int seed) {
    const auto bytes = static_cast<std::uint32_t>(samples * 2);
    std::string out = "RIFF" + raw(36 + bytes) + "WAVEfmt " + raw<std::uint32_t>(16) + raw<std::uint16_t>(1) +
                      raw<std::uint16_t>(1) + raw<std::uint32_t>(16000) + raw<std::uint32_t>(32000) +
                      raw<std::uint16_t>(2) + raw<std::uint16_t>(16) + "data" + raw(bytes);
    std::minstd_rand random(static_cast<unsigned>(seed));
    for (int i = 0; i < samples; ++i) out += raw(static_cast<std::int16_t>(random() % 20000 - 10000));
    return out;
  }

  ScratchFolder folder_;
  const EncoderFixture siglip_{"siglip.safetensors"};
  const EncoderFixture whisper_{"whisper.safetensors"};
  const std::string picture_ = ppm(64, 64, 1);
};

TEST_F(Encoders, SayWhatTheyAreByTheirHeaders) {
  const auto [info, memory] = describe_encoder({written("e.gguf", whole().bytes()), ""}, {});
  EXPECT_EQ(info.architecture, "siglip");
  EXPECT_EQ(info.takes, EncoderInfo::Takes::kPicture);
  EXPECT_EQ(info.adapter, "auto_siglip2");
  EXPECT_EQ(info.weight_type, "F16");
  EXPECT_EQ(info.layers, 2);
  EXPECT_EQ(info.width, 48);
  EXPECT_EQ(info.heads, 3);
  EXPECT_EQ(info.row_width, 32);
  EXPECT_GT(memory.mapped, info.parameters);  // two bytes each, most of them
  EXPECT_GT(memory.owned, 0u);
  const auto sound = describe_encoder({written("w.bin", whisper_ggml(whisper_, kTypeF16)), ""}, {});
  EXPECT_EQ(sound.info.architecture, "whisper");
  EXPECT_EQ(sound.info.takes, EncoderInfo::Takes::kSound);
  EXPECT_EQ(sound.info.row_width, 32);
  EXPECT_GT(sound.memory.owned, sound.info.parameters * 2 - sound.memory.mapped);
}

TEST_F(Encoders, APictureGivesTheRowsThatItsHeaderPromises) {
  const auto encoder = load_encoder({written("e.gguf", whole().bytes()), ""}, {.threads = 1});
  std::vector<float> shares;
  EncodeOptions options;
  options.progress = [&](float share) { shares.push_back(share); };
  const auto rows = encoder->encode(bytes_of(picture_), "p", options);
  EXPECT_EQ(encoder->count_rows(bytes_of(picture_), "p"), 12u);
  EXPECT_EQ(rows.size(), 12u * 32);
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_EQ(shares.back(), 1.0f);
  EXPECT_EQ(encoder->encode(bytes_of(picture_), "p", {}), rows);
  EXPECT_NE(encoder->encode(bytes_of(ppm(64, 64, 2)), "p", {}), rows);
  EXPECT_EQ(encoder->encode(bytes_of(ppm(3, 500, 2)), "p", {}).size(), 12u * 32) << "squeezed into one square";
}

TEST_F(Encoders, TilesComeOneAfterTheOtherAndTheWholePictureFirst) {
  GgufWriter file = whole();
  file.u32("rwkv.vision.tiles", 1).u32("rwkv.vision.max_side", 128);
  const auto encoder = load_encoder({written("e.gguf", file.bytes()), ""}, {.threads = 1});
  const std::string wide = ppm(128, 64, 3);
  EXPECT_EQ(encoder->count_rows(bytes_of(wide), "p"), 3 * 12u);
  const auto rows = encoder->encode(bytes_of(wide), "p", {});
  ASSERT_EQ(rows.size(), 3u * 12 * 32);
  // The right half alone, in a file for one square, is the last tile.
  std::string right = "P6 64 64 255\n";
  for (std::size_t y = 0; y < 64; ++y) right += wide.substr(wide.size() - (64 - y) * 128 * 3 + 64 * 3, 64 * 3);
  const auto square = load_encoder({written("s.gguf", whole().bytes()), ""}, {.threads = 1});
  const auto last = square->encode(bytes_of(right), "p", {});
  EXPECT_TRUE(std::equal(last.begin(), last.end(), rows.end() - 12 * 32));
}

TEST_F(Encoders, AnAdapterMayLieInAFileOfItsOwn) {
  const std::string encoder = written("e.gguf", siglip_gguf(siglip_, kTypeF16).bytes());
  const std::string adapter = written("a.gguf", adapter_alone().bytes());
  const auto both = load_encoder({encoder, adapter}, {});
  const auto one = load_encoder({written("both.gguf", whole().bytes()), ""}, {});
  EXPECT_EQ(both->encode(bytes_of(picture_), "p", {}), one->encode(bytes_of(picture_), "p", {}));
  EXPECT_NE(both->info().fingerprint, one->info().fingerprint);
  expect_words(refusal(ErrorCode::kUnsupported, [&] { load_encoder({encoder, ""}, {}); }), {"without an adapter"});
  expect_words(refusal(ErrorCode::kUnsupported, [&] { load_encoder({adapter, ""}, {}); }), {"without an encoder"});
}

TEST_F(Encoders, OneValueOfAWeightMakesAnotherFingerprint) {
  GgufWriter file = whole();
  const auto first = load_encoder({written("a.gguf", file.bytes()), ""}, {})->info().fingerprint;
  EXPECT_EQ(load_encoder({written("b.gguf", file.bytes()), ""}, {})->info().fingerprint, first);
  std::string& data = file.find("v.blk.1.attn_v.weight").data;
  data[data.size() / 2] = static_cast<char>(data[data.size() / 2] ^ 1);
  EXPECT_NE(load_encoder({written("c.gguf", file.bytes()), ""}, {})->info().fingerprint, first);
}

TEST_F(Encoders, WeightsThatAreNoNumbersAreFoundBeforeAModelReadsThem) {
  GgufWriter file = whole();
  std::string& data = file.find("rwkv_adapter.proj.2.bias").data;
  const float infinite = std::numeric_limits<float>::infinity();
  std::memcpy(data.data(), &infinite, sizeof infinite);
  const auto encoder = load_encoder({written("e.gguf", file.bytes()), ""}, {});
  expect_words(refusal(ErrorCode::kEvaluation, [&] { encoder->encode(bytes_of(picture_), "p", {}); }), {"not finite"});
}

TEST_F(Encoders, ARecordingGivesARowForEachPositionThatItFillsAndOneMore) {
  // Windows of two seconds, 100 positions; the adapter keeps their number.
  const auto encoder =
      load_encoder({written("w.gguf", whisper_gguf(whisper_, kTypeF16, 1, 1).bytes()), ""}, {.threads = 1});
  for (const auto& [samples, rows] : {std::pair{16000, 51u}, {1600, 6u}, {1, 2u}, {32000, 100u}}) {
    const std::string sound = wav(samples, 1);
    EXPECT_EQ(encoder->count_rows(bytes_of(sound), "s"), rows) << samples;
    const auto values = encoder->encode(bytes_of(sound), "s", {});
    EXPECT_EQ(values.size(), rows * 32u) << samples;
    EXPECT_EQ(encoder->encode(bytes_of(sound), "s", {}), values);
  }
  EXPECT_NE(encoder->encode(bytes_of(wav(16000, 1)), "s", {}), encoder->encode(bytes_of(wav(16000, 2)), "s", {}));
  EXPECT_EQ(error_of([&] { encoder->encode(bytes_of(picture_), "s", {}); })->code(), ErrorCode::kBadFile);
}

TEST_F(Encoders, ALongRecordingIsHeardInWindowsOfWhichEachIsTheOldResult) {
  const auto encoder =
      load_encoder({written("w.gguf", whisper_gguf(whisper_, kTypeF16, 2, 2).bytes()), ""}, {.threads = 1});
  std::vector<float> shares;
  EncodeOptions options;
  options.progress = [&](float share) { shares.push_back(share); };
  const std::string sound = wav(100000, 3);  // 6.25 s
  const auto rows = encoder->encode(bytes_of(sound), "s", options);
  EXPECT_EQ(rows.size(), encoder->count_rows(bytes_of(sound), "s") * 32);
  EXPECT_GT(rows.size() / 32, 6.25 * 25 - 8);
  EXPECT_EQ(shares.back(), 1.0f);
}

TEST_F(Encoders, AFileOfWhisperCppHearsTheSameWithItsOwnFilters) {
  std::string file = whisper_ggml(whisper_, kTypeF16);
  const MelFilters filters = slaney_filters(80);
  const std::size_t at = 4 + 13 * 4 + 8;  // behind magic, header and the sizes of the filters
  std::memcpy(file.data() + at, filters.weights.data(), filters.weights.size() * sizeof(float));
  const auto own = load_encoder({written("w.bin", file), ""}, {.threads = 1});
  const auto ours =
      load_encoder({written("w.gguf", whisper_gguf(whisper_, kTypeF16, 1, 1).bytes()), ""}, {.threads = 1});
  EXPECT_EQ(own->encode(bytes_of(wav(9000, 1)), "s", {}), ours->encode(bytes_of(wav(9000, 1)), "s", {}));
}

TEST_F(Encoders, FilesOfOtherKindsAreCalledWhatTheyAre) {
  const std::string onnx("\x08\x0A\x12\x07pytorch\x1A\x05", 12);
  const auto refused = [&](const std::string& bytes, const std::vector<std::string>& words) {
    const std::string file = written("x", bytes);
    expect_words(refusal(ErrorCode::kUnsupported, [&] { load_encoder({file, ""}, {}); }), words);
  };
  refused(onnx, {"ONNX", "rwkv convert --kind vision"});
  refused("PK\x03\x04 and so on", {"PyTorch", "rwkv convert --kind vision"});
  expect_words(refusal(ErrorCode::kUnsupported, [&] { load_encoder({kModel.string(), ""}, {}); }), {"language model"});
  EXPECT_FALSE(is_encoder(ModelSource(kModel.string())));
  EXPECT_TRUE(is_encoder(ModelSource(written("e.gguf", whole().bytes()))));
  EXPECT_EQ(error_of([&] { load_encoder({path("none"), ""}, {}); })->code(), ErrorCode::kNotFound);
  expect_words(refusal(ErrorCode::kInvalidArgument,
                       [&] { load_encoder({written("e.gguf", whole().bytes()), ""}, {.threads = 100000}); }),
               {"number of threads"});
}

}  // namespace
}  // namespace rwkv::test
