// The speed and memory of an encoder: one picture of SigLIP's size, or one window of Whisper's, all zeros or noise
// alike. bench/encoder_peer.py writes random encoders of published sizes and measures PyTorch on the same threads.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "common.h"
#include "formats/gguf.h"
#include "media/encoders/audio_network.h"
#include "media/encoders/vision_network.h"

namespace rwkv::bench {
namespace {

using namespace media;

// Memory of the process that is not pages of files, in MB (Linux).
double anonymous_megabytes(const char* field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field)) return std::strtod(line.c_str() + std::string(field).size(), nullptr) / 1024;
  }
  return 0;
}

std::vector<float> noise(std::size_t count) {
  std::minstd_rand random(1);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random() % 1000) / 1000;
  return values;
}

template <class Compute>
void measure(const char* what, double before, std::uint64_t planned, int rounds, const Compute& compute) {
  std::vector<double> seconds;
  for (int i = 0; i < rounds; ++i) {
    const auto start = Clock::now();
    compute();
    seconds.push_back(seconds_since(start));
  }
  std::printf("%s: median %.3f s, best %.3f s; %.1f MB beside the weights (planned %.1f MB)\n", what, median(seconds),
              *std::min_element(seconds.begin(), seconds.end()), anonymous_megabytes("RssAnon:") - before,
              static_cast<double>(planned) / 1048576);
}

void run(const std::string& path, int count, int rounds, bool exact) {
  auto mapping = std::make_shared<const MappedFile>(path);
  const GgufFile file = GgufFile::parse(mapping->bytes(), path);
  const Threads threads(count);
  EncoderWeights weights(path);
  weights.add(file, mapping);
  const double before = anonymous_megabytes("RssAnon:");
  if (file.find("whisper.n_mels") != nullptr) {
    const AudioHeader header = read_audio_header(file, weights);
    AudioNetwork network(header, weights, exact, GraphPlan::Purpose::kCompute);
    const auto mel = noise(static_cast<std::size_t>(header.mel_bands * header.mel_frames()));
    measure("a window", before, network.bytes() + weights.owned_bytes(), rounds,
            [&] { network.compute(mel, header.encoder.positions, threads, {}, [] {}); });
  } else {
    const VisionHeader header = read_vision_header(file, nullptr, weights);
    VisionNetwork network(header, weights, exact, GraphPlan::Purpose::kCompute);
    const auto size = static_cast<std::size_t>(header.image_size);
    const auto pixels = noise(3 * size * size);
    measure("a tile", before, network.bytes() + weights.owned_bytes(), rounds,
            [&] { network.compute(pixels, threads, {}, [] {}); });
  }
}

}  // namespace
}  // namespace rwkv::bench

int main(int argc, char** argv) {
  rwkv::bench::end_with_usage(argc, argv, 1, "ENCODER.gguf [THREADS=1] [ROUNDS=5] [exact]");
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 5;
  rwkv::bench::run(argv[1], threads, std::max(1, rounds), argc > 4);
  return 0;
}
