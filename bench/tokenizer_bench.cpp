// Encoding and decoding speed, and the time from a vocabulary file to a tokenizer that is ready.
//
// The vocabulary is the file that RWKV_VOCAB names, else ../shared/data's World vocabulary, else models/tiny/vocab.txt.
// RWKV_TEXT may name a text file to encode as well.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer.h"

namespace {

namespace fs = std::filesystem;
using rwkv::TokenId;
using rwkv::Tokenizer;
using rwkv::Tokens;
using rwkv::Vocabulary;

constexpr std::size_t kTextBytes = std::size_t{1} << 20;

std::string find_vocabulary() {
  if (const char* path = std::getenv("RWKV_VOCAB")) return path;
  const fs::path root = RWKV_SOURCE_DIR;
  const fs::path world = root / ".." / "shared" / "data" / "rwkv_vocab_v20230424.txt";
  return (fs::exists(world) ? world : root / "models" / "tiny" / "vocab.txt").string();
}

std::string read_whole(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// 1 MiB of the tokens that `wanted` accepts, some common and most rare as in natural text (Zipf's law): unlike a short
/// text said over and over, it does not fit the caches and the branch predictor by heart.
std::string sampled(const Vocabulary& vocabulary, const std::function<bool(std::string_view)>& wanted) {
  std::vector<TokenId> ids;
  for (TokenId id = 1; static_cast<std::size_t>(id) < vocabulary.size(); ++id) {
    if (const auto bytes = vocabulary.bytes(id); !bytes.empty() && wanted(bytes)) ids.push_back(id);
  }
  std::mt19937 random(1);
  std::shuffle(ids.begin(), ids.end(), random);
  std::vector<double> weights;
  for (std::size_t rank = 1; rank <= ids.size(); ++rank) weights.push_back(1.0 / static_cast<double>(rank));
  std::discrete_distribution<std::size_t> pick(weights.begin(), weights.end());
  std::string text;
  while (!ids.empty() && text.size() < kTextBytes) text += vocabulary.bytes(ids[pick(random)]);
  return text;
}

bool is_english(std::string_view bytes) {
  if (bytes == "." || bytes == "," || bytes == "\n") return true;
  if (bytes.size() < 2 || bytes[0] != ' ') return false;
  return std::all_of(bytes.begin() + 1, bytes.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

/// Whole characters of U+4000..U+9FFF and a little punctuation.
bool is_chinese(std::string_view bytes) {
  if (bytes == "\xE3\x80\x82" || bytes == "\xEF\xBC\x8C") return true;
  if (bytes.size() % 3 != 0) return false;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    if (lead < 0xE4 || lead > 0xE9) return false;
  }
  return true;
}

/// The sources of this project.
std::string code() {
  std::vector<fs::path> files;
  for (const char* folder : {"src", "tests", "bench"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(RWKV_SOURCE_DIR) / folder)) {
      if (entry.path().extension() == ".cpp" || entry.path().extension() == ".h") files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::string text;
  for (const auto& file : files) text += read_whole(file);
  return text;
}

/// Lines of code, each with a Chinese comment.
std::string mixed(const std::string& lines, const std::string& chinese) {
  constexpr std::size_t kComment = 60;  // bytes: 20 characters
  std::string text;
  std::size_t at = 0;
  for (std::size_t line = 0; line < lines.size() && at + kComment < chinese.size();) {
    const std::size_t end = std::min(lines.find('\n', line), lines.size());
    text += lines.substr(line, end - line) + "  // " + chinese.substr(at, kComment) + "\n";
    at += kComment;
    line = end + 1;
  }
  return text;
}

std::string random_bytes() {
  std::mt19937 random(2);
  std::string text;
  while (text.size() < kTextBytes) text.push_back(static_cast<char>(random() % 256));
  return text;
}

void encode(benchmark::State& state, const Tokenizer& tokenizer, const std::string& text) {
  Tokens out;
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(tokenizer.encode(text, out));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(text.size()));
  state.counters["bytes_per_token"] = static_cast<double>(text.size()) / static_cast<double>(out.size());
}

void decode(benchmark::State& state, const Tokenizer& tokenizer, const std::string& text) {
  Tokens tokens;
  tokenizer.encode(text, tokens);
  for (auto _ : state) benchmark::DoNotOptimize(tokenizer.decode(tokens));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(text.size()));
}

void load(benchmark::State& state, const std::string& path) {
  for (auto _ : state) {
    const Tokenizer tokenizer(Vocabulary::from_file(path));
    benchmark::DoNotOptimize(tokenizer.vocabulary().size());
  }
}

int run() {
  const std::string path = find_vocabulary();
  const Tokenizer tokenizer(Vocabulary::from_file(path));
  benchmark::AddCustomContext("vocabulary", path + ", " + std::to_string(tokenizer.vocabulary().size()) + " ids");

  const std::string chinese = sampled(tokenizer.vocabulary(), is_chinese);
  const std::string sources = code();
  std::vector<std::pair<std::string, std::string>> texts = {{"english", sampled(tokenizer.vocabulary(), is_english)},
                                                            {"chinese", chinese},
                                                            {"code", sources},
                                                            {"chinese_and_code", mixed(sources, chinese)},
                                                            {"random_bytes", random_bytes()}};
  if (const char* file = std::getenv("RWKV_TEXT")) texts.emplace_back("RWKV_TEXT", read_whole(file));

  benchmark::RegisterBenchmark("load", load, path)->Unit(benchmark::kMillisecond);
  for (const auto& [name, text] : texts) {
    if (text.empty()) continue;  // a small vocabulary may have no such tokens
    benchmark::RegisterBenchmark(("encode/" + name).c_str(), encode, std::cref(tokenizer), std::cref(text));
  }
  benchmark::RegisterBenchmark("decode/english", decode, std::cref(tokenizer), std::cref(texts.front().second));
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  try {
    return run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tokenizer_bench: %s\n", error.what());
    return 1;
  }
}
