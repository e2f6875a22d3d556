// A recording read from its beginning, piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace rwkv {

class SoundDecoder {
 public:
  struct Format {
    std::uint32_t rate = 0;  // frames a second
    std::uint32_t channels = 0;
    std::uint64_t frames = 0;  // as the file says; 0 where it does not
  };

  virtual ~SoundDecoder() = default;

  /// Nobody has looked at these numbers yet.
  virtual Format format() const = 0;
  /// Fills `frames` (a multiple of the channels, interleaved) as far as there are any; gives how many values that are.
  virtual std::size_t read(std::span<float> frames) = 0;
};

/// Opens what `bytes` are, which must outlive the decoder. Throws Error as decode_sound does.
std::unique_ptr<SoundDecoder> open_sound(std::span<const std::byte> bytes, const std::string& name);

/// One kind each; null where the bytes are damaged so that there is no beginning.
std::unique_ptr<SoundDecoder> open_wav(std::span<const std::byte> bytes, const std::string& name);
std::unique_ptr<SoundDecoder> open_flac(std::span<const std::byte> bytes);
std::unique_ptr<SoundDecoder> open_mp3(std::span<const std::byte> bytes);

}  // namespace rwkv
