// The contract between the runtime and what turns pictures and sound into rows of embeddings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "engine/backend.h"

namespace rwkv {

/// What a loaded encoder is. Filled once at load, from the header of its file.
struct EncoderInfo {
  enum class Takes { kPicture, kSound };

  Takes takes = Takes::kPicture;
  std::string architecture;  // "siglip" or "whisper"
  std::string adapter;  // how rows are made of what it sees or hears: "siglip", "auto_siglip2", "siglip2", "whisper"
  std::string name;     // the file's own, may be empty
  std::string weight_type;  // dominant tensor type, for example "F16"
  int layers = 0;
  int width = 0;
  int heads = 0;
  int row_width = 0;  // of the rows that it gives: ModelInfo::width of the models that it is made for
  std::uint64_t parameters = 0;
  std::uint64_t file_bytes = 0;   // of all its files
  std::uint64_t fingerprint = 0;  // tells encoders apart whose rows differ
};

struct EncoderOptions {
  int threads = 0;  // 0: chosen from the machine
  /// Attention in floats instead of with keys and values as halves: slower, with more memory; for comparisons.
  bool exact_attention = false;
};

struct EncodeOptions {
  CancelToken cancel;  // looked at between pieces of some 30 ms of one core
  /// Called with the encoded share, 0 to 1, not decreasing and 1 at the end. What it throws ends the encoding.
  std::function<void(float)> progress;
  /// Runs a piece of work (a layer) that takes so many threads once there are cores for it, and throws where it gives
  /// up. Empty: at once.
  std::function<void(int threads, const std::function<void()>& piece)> on_cores;
};

/// A loaded encoder with its adapter. Methods are called by one thread at a time; the const ones by any at any time.
class Encoder {
 public:
  virtual ~Encoder() = default;

  virtual const EncoderInfo& info() const noexcept = 0;

  /// The number of rows that encode() gives for this picture or recording, by the file's header. Throws as encode().
  virtual std::size_t count_rows(std::span<const std::byte> file, const std::string& name) const = 0;

  /// A picture's or recording's file to rows x EncoderInfo::row_width values, row-major and finite. `name` stands for
  /// the file in messages. Throws Error(kBadFile, kUnsupported) for what cannot be decoded, kCancelled, kOutOfMemory,
  /// kEvaluation.
  virtual std::vector<float> encode(std::span<const std::byte> file, const std::string& name,
                                    const EncodeOptions& options) = 0;
};

}  // namespace rwkv
