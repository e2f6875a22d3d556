// WAV files byte by byte, right and wrong ones.
#pragma once

#include <cstdint>
#include <string>

namespace rwkv::test {

inline std::string little(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xFF);
  return text;
}

/// Padded to an even size.
inline std::string chunk(const std::string& kind, const std::string& content) {
  return kind + little(content.size(), 4) + content + std::string(content.size() % 2, '\0');
}

inline std::string riff(const std::string& chunks) { return "RIFF" + little(chunks.size() + 4, 4) + "WAVE" + chunks; }

struct Wav {
  int coding = 1;
  int channels = 1;
  std::uint32_t rate = 16000;
  int bits = 16;
  int frame_bytes = 2;
  std::string data{};

  std::string format() const {
    return chunk("fmt ",
                 little(static_cast<std::uint64_t>(coding), 2) + little(static_cast<std::uint64_t>(channels), 2) +
                     little(rate, 4) + little(std::uint64_t{rate} * static_cast<std::uint64_t>(frame_bytes), 4) +
                     little(static_cast<std::uint64_t>(frame_bytes), 2) + little(static_cast<std::uint64_t>(bits), 2));
  }
  std::string samples() const { return chunk("data", data); }
  std::string file() const { return riff(format() + samples()); }
};

}  // namespace rwkv::test
