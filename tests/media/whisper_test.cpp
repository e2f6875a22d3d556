// Whisper's encoder and its adapter against transformers and torch (tools/reference/encoders.py).
#include <gtest/gtest.h>

#include <cstdlib>

#include "convert/convert.h"
#include "media/encoder_fixture.h"
#include "media/encoders/audio_network.h"

namespace rwkv::media {
namespace {

using test::EncoderFixture;
using test::GgufWriter;
using test::largest_difference;

constexpr std::int64_t kKept = 57;

class Loaded {
 public:
  Loaded(const std::string& bytes, bool exact) : threads_(1) {
    const auto path = folder_.path() / "encoder";
    test::write_file(path, bytes);
    auto mapping = std::make_shared<const MappedFile>(path.string());
    weights_ = std::make_unique<EncoderWeights>(mapping->path());
    if (is_whisper_ggml(mapping->bytes())) {
      const WhisperGgmlFile file = parse_whisper_ggml(mapping->bytes(), mapping->path());
      weights_->add(file, mapping);
      header_ = read_audio_header(file, *weights_);
    } else {
      const GgufFile file = GgufFile::parse(mapping->bytes(), mapping->path());
      weights_->add(file, mapping);
      header_ = read_audio_header(file, *weights_);
    }
    network_ = std::make_unique<AudioNetwork>(header_, *weights_, exact, GraphPlan::Purpose::kCompute);
  }

  std::vector<float> compute(std::span<const float> mel, std::int64_t kept) {
    const auto rows = network_->compute(mel, kept, threads_, {}, [] {});
    return {rows.begin(), rows.end()};
  }
  std::span<const float> hidden() const { return network_->hidden(); }

 private:
  test::ScratchFolder folder_;
  Threads threads_;
  std::unique_ptr<EncoderWeights> weights_;
  AudioHeader header_;
  std::unique_ptr<AudioNetwork> network_;
};

class Whisper : public testing::Test {
 protected:
  const EncoderFixture fixture_{"whisper.safetensors"};
  const std::vector<float> mel_ = fixture_.values("expected.mel");
  const std::vector<float> hidden_ = fixture_.values("expected.hidden");
};

TEST_F(Whisper, FloatsAndExactAttentionGiveTheReferencesHiddenStatesAndRows) {
  for (const auto& [stride, padding] : {std::pair{1u, 1u}, {2u, 0u}, {2u, 2u}}) {
    Loaded loaded(test::whisper_gguf(fixture_, test::kTypeF32, stride, padding).bytes(), true);
    const auto rows = loaded.compute(mel_, kKept);
    const std::string name = std::to_string(stride) + "_" + std::to_string(padding);
    EXPECT_LT(largest_difference(loaded.hidden(), hidden_), 5e-5);
    EXPECT_LT(largest_difference(rows, fixture_.values("expected.rows_" + name)), 1e-4) << name;
  }
}

TEST_F(Whisper, AFileOfWhisperCppWithAnAdapterIsReadAsItIs) {
  for (const std::uint32_t type : {test::kTypeF32, test::kTypeF16}) {
    Loaded loaded(test::whisper_ggml(fixture_, type), true);
    const auto rows = loaded.compute(mel_, kKept);
    const double bar = type == test::kTypeF32 ? 5e-5 : 2e-2;
    EXPECT_LT(largest_difference(loaded.hidden(), hidden_), bar);
    EXPECT_LT(largest_difference(rows, fixture_.values("expected.rows_1_1")), 2 * bar);
  }
}

TEST_F(Whisper, WindowsOfOtherLengthsInTurnGiveTheRowsOfTheirOwn) {
  Loaded loaded(test::whisper_gguf(fixture_, test::kTypeF16, 1, 1).bytes(), false);
  const auto first = loaded.compute(mel_, kKept);
  EXPECT_EQ(loaded.compute(mel_, 1).size(), 32u);
  EXPECT_EQ(loaded.compute(mel_, 100).size(), 100u * 32);
  EXPECT_EQ(loaded.compute(mel_, kKept), first);
}

// Made by tools/reference/real_whisper.py.
TEST_F(Whisper, RealWeightsGiveTheReferencesHiddenStates) {
  const char* path = std::getenv("RWKV_REAL_WHISPER");
  if (path == nullptr) GTEST_SKIP() << "RWKV_REAL_WHISPER names no file";
  const test::ScratchFolder folder;
  convert::EncoderRequest request;
  request.kind = convert::EncoderKind::kAudio;
  request.source = path;
  request.output = (folder.path() / "encoder.gguf").string();
  request.format = convert::WeightFormat::kF32;
  convert::convert_encoder(request);
  const EncoderFixture real(path);
  const auto mel = real.values("expected.mel");
  for (const bool exact : {true, false}) {
    Loaded loaded(test::read_file(request.output), exact);
    loaded.compute(mel, 400);
    const double difference = largest_difference(loaded.hidden(), real.values("expected.hidden"));
    EXPECT_LT(difference, exact ? 5e-4 : 2e-2);
    std::printf("%s: %.1e\n", exact ? "exact" : "flash", difference);
  }
}

}  // namespace
}  // namespace rwkv::media
