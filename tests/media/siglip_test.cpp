// SigLIP and its adapters against transformers and torch (tools/reference/encoders.py).
#include "media/encoders/vision_network.h"

#include <gtest/gtest.h>

#include "base/error_of.h"
#include "media/encoder_fixture.h"

namespace rwkv::media {
namespace {

using test::EncoderFixture;
using test::GgufWriter;
using test::largest_difference;

const char* const kKinds[] = {"siglip", "siglip_conv", "auto_siglip2", "siglip2"};

struct Rows {
  std::vector<float> hidden;
  std::vector<float> rows;
};

template <class Function>
std::optional<ErrorCode> code_of(Function&& function) {
  const auto error = error_of(function);
  return error ? std::optional(error->code()) : std::nullopt;
}

// A file, loaded and ready.
class Loaded {
 public:
  explicit Loaded(const GgufWriter& writer, bool exact = true, int threads = 1) : threads_(threads) {
    const auto path = folder_.path() / "encoder.gguf";
    test::write_file(path, writer.bytes());
    auto mapping = std::make_shared<const MappedFile>(path.string());
    const GgufFile file = GgufFile::parse(mapping->bytes(), mapping->path());
    weights_ = std::make_unique<EncoderWeights>(mapping->path());
    weights_->add(file, mapping);
    header_ = read_vision_header(file, nullptr, *weights_);
    network_ = std::make_unique<VisionNetwork>(header_, *weights_, exact, GraphPlan::Purpose::kCompute);
  }

  Rows compute(std::span<const float> pixels, const EncodeOptions& options = {}) {
    const auto rows = network_->compute(pixels, threads_, options, [] {});
    return {{network_->hidden().begin(), network_->hidden().end()}, {rows.begin(), rows.end()}};
  }
  const VisionHeader& header() const { return header_; }
  VisionNetwork& network() { return *network_; }
  const Threads& threads() const { return threads_; }

 private:
  test::ScratchFolder folder_;
  Threads threads_;
  std::unique_ptr<EncoderWeights> weights_;
  VisionHeader header_;
  std::unique_ptr<VisionNetwork> network_;
};

GgufWriter file_with(const EncoderFixture& fixture, const std::string& kind, std::uint32_t type, bool swapped = false) {
  GgufWriter file = test::siglip_gguf(fixture, type, swapped);
  test::add_vision_adapter(file, fixture, kind, type);
  return file;
}

class Siglip : public testing::Test {
 protected:
  const EncoderFixture fixture_{"siglip.safetensors"};
  static void expect_refused(const GgufWriter& file, ErrorCode code, const std::string& reason) {
    const auto error = error_of([&] { Loaded loaded(file); });
    ASSERT_TRUE(error) << reason;
    EXPECT_EQ(error->code(), code) << error->what();
    EXPECT_NE(std::string(error->what()).find(reason), std::string::npos) << error->what();
    EXPECT_FALSE(error->file().empty());
  }

  test::ScratchFolder folder_;
  const std::vector<float> pixels_ = fixture_.values("expected.pixels");
  const std::vector<float> hidden_ = fixture_.values("expected.hidden");
};

TEST_F(Siglip, FloatsAndExactAttentionGiveTheReferencesHiddenStatesAndRows) {
  for (const std::string kind : kKinds) {
    Loaded loaded(file_with(fixture_, kind, test::kTypeF32));
    const Rows got = loaded.compute(pixels_);
    EXPECT_LT(largest_difference(got.hidden, hidden_), 2e-5) << kind;
    EXPECT_LT(largest_difference(got.rows, fixture_.values("expected." + kind)), 1e-5) << kind;
  }
}

TEST_F(Siglip, HalvesAndFlashAttentionStayWithinTheirRounding) {
  for (const std::string kind : kKinds) {
    Loaded loaded(file_with(fixture_, kind, test::kTypeF16), false);
    const Rows got = loaded.compute(pixels_);
    EXPECT_LT(largest_difference(got.hidden, hidden_), 2e-3) << kind;
    // Rows are up to three times as large.
    EXPECT_LT(largest_difference(got.rows, fixture_.values("expected." + kind)), 1e-2) << kind;
  }
}

TEST_F(Siglip, FeedForwardMatricesAreToldByTheirShapesNotTheirNames) {
  Loaded plain(file_with(fixture_, "siglip", test::kTypeF32));
  Loaded swapped(file_with(fixture_, "siglip", test::kTypeF32, true));
  EXPECT_EQ(plain.compute(pixels_).rows, swapped.compute(pixels_).rows);
}

TEST_F(Siglip, TheKindOfAnAdapterIsItsKeyOrFollowsFromItsTensors) {
  for (const std::string kind : kKinds) {
    const auto registered = kind == "siglip_conv" ? "siglip" : kind;
    EXPECT_EQ(to_string(Loaded(file_with(fixture_, kind, test::kTypeF16)).header().adapter), registered);
  }
  GgufWriter file = file_with(fixture_, "siglip_conv", test::kTypeF16);
  file.text("rwkv.adapter.kind", "auto_siglip2").u32("rwkv.adapter.stride", 1);
  const VisionHeader header = Loaded(file).header();
  EXPECT_EQ(header.adapter, VisionAdapterKind::kAutoSiglip2);
  EXPECT_EQ(header.rows, 62);
  expect_refused(file.text("rwkv.adapter.kind", "perceiver"), ErrorCode::kUnsupported, "perceiver");
}

TEST_F(Siglip, TheSameWeightsGiveTheSameBitsWithAnyThreadsAndInAnyTurn) {
  Loaded one(file_with(fixture_, "auto_siglip2", test::kTypeF16), false, 1);
  Loaded two(file_with(fixture_, "auto_siglip2", test::kTypeF16), false, 2);
  const std::vector<float> other(pixels_.rbegin(), pixels_.rend());
  const Rows first = one.compute(pixels_);
  one.compute(other);
  EXPECT_EQ(one.compute(pixels_).rows, first.rows);
  EXPECT_EQ(two.compute(pixels_).rows, first.rows);
}

TEST_F(Siglip, EachStageTakesItsTurnOnTheCores) {
  Loaded loaded(file_with(fixture_, "siglip", test::kTypeF16), false);
  std::size_t turns = 0;
  EncodeOptions options;
  options.on_cores = [&](int threads, const std::function<void()>& piece) {
    EXPECT_EQ(threads, loaded.threads().count());
    ++turns;
    piece();
  };
  loaded.compute(pixels_, options);
  EXPECT_EQ(turns, loaded.network().stages());
  EXPECT_EQ(turns, 4u);  // patches, two layers, adapter
  options.on_cores = [](int, const std::function<void()>&) {};
  EXPECT_EQ(code_of([&] { loaded.compute(pixels_, options); }), ErrorCode::kCancelled);
}

TEST_F(Siglip, ACancelEndsAnEncodingAndLeavesTheNextOneWhole) {
  Loaded loaded(file_with(fixture_, "siglip", test::kTypeF32));
  const Rows whole = loaded.compute(pixels_);
  EncodeOptions options;
  int turns = 0;
  options.on_cores = [&](int, const std::function<void()>& piece) {
    if (++turns == 3) options.cancel.cancel();
    piece();
  };
  EXPECT_EQ(code_of([&] { loaded.compute(pixels_, options); }), ErrorCode::kCancelled);
  EXPECT_EQ(turns, 3);
  EXPECT_EQ(loaded.compute(pixels_).rows, whole.rows);
}

TEST_F(Siglip, MeasuringSaysWhatComputingTakes) {
  const auto path = folder_.path() / "encoder.gguf";
  test::write_file(path, file_with(fixture_, "auto_siglip2", test::kTypeF16).bytes());
  std::uint64_t bytes[2] = {};
  for (const auto purpose : {GraphPlan::Purpose::kMeasure, GraphPlan::Purpose::kCompute}) {
    auto mapping = std::make_shared<const MappedFile>(path.string());
    const GgufFile file = GgufFile::parse(mapping->bytes(), mapping->path());
    EncoderWeights weights(mapping->path());
    weights.add(file, mapping);
    VisionNetwork network(read_vision_header(file, nullptr, weights), weights, false, purpose);
    if (purpose == GraphPlan::Purpose::kCompute) network.compute(pixels_, Threads(1), {}, [] {});
    bytes[purpose == GraphPlan::Purpose::kMeasure ? 0 : 1] = network.bytes();
  }
  EXPECT_NEAR(static_cast<double>(bytes[0]), static_cast<double>(bytes[1]), 4096);  // scratch of the threads
}

TEST_F(Siglip, FilesThatDoNotFitAreRefusedWithWhatIsWrong) {
  const auto refused = [&](const std::function<void(GgufWriter&)>& spoil, ErrorCode code, const std::string& reason) {
    GgufWriter file = file_with(fixture_, "siglip", test::kTypeF16);
    spoil(file);
    expect_refused(file, code, reason);
  };
  using Writer = GgufWriter&;
  refused([](Writer f) { f.u32("clip.vision.block_count", 3); }, ErrorCode::kBadFile, "v.blk.2.ln1.weight");
  refused([](Writer f) { f.u32("clip.vision.attention.head_count", 5); }, ErrorCode::kBadFile, "5 heads");
  refused([](Writer f) { f.u32("clip.vision.image_size", 72); }, ErrorCode::kBadFile, "v.position_embd.weight");
  refused([](Writer f) { f.u32("clip.vision.image_size", 0xFFFFFFFF); }, ErrorCode::kBadFile, "image_size");
  refused([](Writer f) { f.u32("clip.vision.patch_size", 0); }, ErrorCode::kBadFile, "patch_size");
  refused([](Writer f) { f.remove("clip.vision.embedding_length"); }, ErrorCode::kBadFile, "embedding_length");
  refused([](Writer f) { f.u32("clip.vision.feed_forward_length", 65); }, ErrorCode::kBadFile, "ffn_up");
  refused([](Writer f) { f.list<float>("clip.vision.image_std", GgufWriter::kF32, {1, 0, 1}); }, ErrorCode::kBadFile,
          "divides colours");
  refused([](Writer f) { f.find("rwkv_adapter.proj.2.weight").dimensions = {64, 64}; }, ErrorCode::kBadFile,
          "rwkv_adapter.proj.2.weight");
  refused([](Writer f) { f.find("v.blk.0.attn_q.bias").name = "x"; }, ErrorCode::kBadFile, "v.blk.0.attn_q.bias");
  refused([](Writer f) { f.find("v.post_ln.weight").name = "v.class_embd"; }, ErrorCode::kUnsupported, "class token");
  refused([](Writer f) { f.text("clip.projector_type", "qwen3vl_merger"); }, ErrorCode::kUnsupported, "Qwen-VL");
  refused([](Writer f) { f.find("rwkv_adapter.proj.0.weight").name = "x"; }, ErrorCode::kUnsupported,
          "without an adapter");
}

}  // namespace
}  // namespace rwkv::media
