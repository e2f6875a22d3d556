// Conversion of a file, or of random halves of a size, to q8_0 against a plain copy of it, rounds in turn, in the same
// run. Prints the times and the medians of the pairwise ratios (copy's time / conversion's; above 1: we are faster than
// a copy).
//
//   convert_bench [megabytes or checkpoint] [rounds] [threads]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "common.h"
#include "convert/convert.h"

namespace {

namespace fs = std::filesystem;
using rwkv::bench::Clock;
using rwkv::bench::median;
using rwkv::bench::seconds_since;

constexpr std::uint64_t kWidth = 1024;
constexpr std::uint64_t kTokens = 256;

struct Tensor {
  std::string name;
  std::vector<std::uint64_t> shape;
};

std::vector<Tensor> tensors_of(std::uint64_t layers) {
  const std::uint64_t c = kWidth;
  std::vector<Tensor> tensors{{"emb.weight", {kTokens, c}}, {"head.weight", {kTokens, c}}};
  const auto norm = [&](const std::string& name) {
    tensors.push_back({name + ".weight", {c}});
    tensors.push_back({name + ".bias", {c}});
  };
  norm("blocks.0.ln0");
  norm("ln_out");
  for (std::uint64_t layer = 0; layer < layers; ++layer) {
    const std::string block = "blocks." + std::to_string(layer) + ".";
    for (const char* name : {"ln1", "ln2", "att.ln_x"}) norm(block + name);
    for (const char* name : {"receptance", "key", "value", "output"}) {
      tensors.push_back({block + "att." + name + ".weight", {c, c}});
    }
    tensors.push_back({block + "ffn.key.weight", {4 * c, c}});
    tensors.push_back({block + "ffn.value.weight", {c, 4 * c}});
    for (const char* name : {"att.x_r", "att.x_w", "att.x_k", "att.x_v", "att.x_a", "att.x_g", "att.k_k", "att.k_a",
                             "ffn.x_k", "att.w0", "att.a0", "att.v0"}) {
      tensors.push_back({block + name, {1, 1, c}});
    }
    for (const char* name : {"w", "a", "v", "g"}) {
      tensors.push_back({block + "att." + name + "1", {c, 64}});
      tensors.push_back({block + "att." + name + "2", {64, c}});
    }
    tensors.push_back({block + "att.r_k", {c / 64, 64}});
  }
  return tensors;
}

void write_model(const std::string& path, std::uint64_t layers) {
  std::string header = "{";
  std::uint64_t at = 0;
  for (const Tensor& tensor : tensors_of(layers)) {
    std::uint64_t bytes = 2;
    header += (at > 0 ? ",\"" : "\"") + tensor.name + "\":{\"dtype\":\"F16\",\"shape\":[";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
      header += (i > 0 ? "," : "") + std::to_string(tensor.shape[i]);
      bytes *= tensor.shape[i];
    }
    header += "],\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(at + bytes) + "]}";
    at += bytes;
  }
  header += "}";
  std::ofstream file(path, std::ios::binary);
  const std::uint64_t size = header.size();
  file.write(reinterpret_cast<const char*>(&size), sizeof size)
      .write(header.data(), static_cast<std::streamsize>(size));
  // Halves of all sizes below 1.
  std::mt19937 random(1);
  std::vector<std::uint16_t> values(std::size_t{1} << 20);
  for (auto& value : values) value = static_cast<std::uint16_t>((random() & 0x8000u) | random() % (15u << 10));
  while (at > 0) {
    const std::uint64_t part = std::min<std::uint64_t>(at, values.size() * 2);
    file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(part));
    at -= part;
  }
}

void copy_plainly(const std::string& from, const std::string& to) {
  fs::copy_file(from, to, fs::copy_options::overwrite_existing);
}

// With what a converted file promises: on the disk, then renamed.
void copy_durably(const std::string& from, const std::string& to) {
  const rwkv::MappedFile source(from);
  rwkv::AtomicFile file(to);
  file.write_at(0, source.bytes());
  file.commit();
}

}  // namespace

int main(int argc, char** argv) {
  rwkv::bench::end_with_usage(argc, argv, 0, "[megabytes or checkpoint] [rounds] [threads]");
  const bool has_file = argc > 1 && fs::exists(argv[1]);
  const std::uint64_t megabytes = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 600;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  const fs::path folder =
      fs::temp_directory_path() / ("convert-bench-" + std::to_string(Clock::now().time_since_epoch().count()));
  fs::create_directory(folder);
  const std::string source = has_file ? argv[1] : (folder / "model.safetensors").string();
  if (!has_file) write_model(source, std::max<std::uint64_t>(1, megabytes * 1'000'000 / (26 * kWidth * kWidth)));
  std::ofstream vocabulary(folder / "vocab.txt");
  vocabulary << "1 '\\n' 1\n";
  vocabulary.close();

  rwkv::convert::GgufRequest request;
  request.source = source;
  request.output = (folder / "model.gguf").string();
  request.vocabulary = (folder / "vocab.txt").string();
  request.format = rwkv::convert::WeightFormat::kQ8_0;
  request.options.threads = argc > 3 ? std::atoi(argv[3]) : 0;
  const double size = static_cast<double>(fs::file_size(source)) / 1e6;
  std::printf("%.0f MB\n%10s %14s %10s\n", size, "copy", "durable copy", "q8_0");
  std::vector<double> plain_ratios;
  std::vector<double> durable_ratios;
  for (int round = 0; round < rounds; ++round) {
    const auto timed = [](auto work) {
      const auto start = Clock::now();
      work();
      return seconds_since(start);
    };
    const std::string copy = (folder / "copy").string();
    const double plain = timed([&] { copy_plainly(source, copy); });
    const double durable = timed([&] { copy_durably(source, copy); });
    const double converted = timed([&] { rwkv::convert::convert_to_gguf(request); });
    plain_ratios.push_back(plain / converted);
    durable_ratios.push_back(durable / converted);
    std::printf("%8.0f/s %12.0f/s %8.0f/s MB\n", size / plain, size / durable, size / converted);
  }
  std::printf("median of copy / q8_0: %.2f, of durable copy / q8_0: %.2f\n", median(plain_ratios),
              median(durable_ratios));
  fs::remove_all(folder);
}
