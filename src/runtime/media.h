// Pictures and sound in a text: rows of embeddings in the place of tokens.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/token.h"
#include "engine/model.h"

namespace rwkv {

/// What an encoder makes of a picture or a recording: rows that a model reads in the place of tokens. How many they are
/// is known from the beginning; their values are encoded when something first wants them, so never where a remembered
/// state stands for them. Safe from any thread.
class Embeddings {
 public:
  /// Hears of the encoded share, 0 to 1.
  using Progress = std::function<void(float)>;
  /// Makes rows x width finite values, row-major. May take long; throws what the encoder throws, and Error(kCancelled).
  using Encode = std::function<std::vector<float>(const CancelToken&, const Progress&)>;

  /// `content`: the checksum of what is encoded and of what encodes it; the same one means the same values.
  Embeddings(std::size_t rows, std::size_t width, std::uint64_t content, Encode encode)
      : rows_(rows), width_(width), content_(content), encode_(std::move(encode)) {}

  std::size_t rows() const noexcept { return rows_; }
  std::size_t width() const noexcept { return width_; }
  std::uint64_t content() const noexcept { return content_; }

  /// Encodes unless that is done; where another thread does, waits for it. Throws what Encode throws, after which the
  /// next call tries again, and Error(kEvaluation) for values that are too few or not finite.
  void encode(const CancelToken& cancel, const Progress& progress = [](float) {}) const;
  bool encoded() const noexcept { return encoded_; }
  /// rows x width values once it is encoded, none before.
  std::span<const float> values() const noexcept {
    return encoded_ ? std::span<const float>(values_) : std::span<const float>();
  }

 private:
  void encode_now(const CancelToken& cancel, const Progress& progress) const;

  const std::size_t rows_;
  const std::size_t width_;
  const std::uint64_t content_;
  mutable Encode encode_;              // with what it holds gone once it has done its work
  mutable std::vector<float> values_;  // once encoded_ is true they stay
  mutable std::atomic<bool> encoded_{false};
  mutable std::mutex mutex_;  // of encoding_
  mutable std::condition_variable changed_;
  mutable bool encoding_ = false;
};

/// Embeddings that stand for the `rows` places of a text from `position` on.
struct MediaPlace {
  std::size_t position = 0;
  std::shared_ptr<const Embeddings> embeddings;
};

/// What stands in a list of tokens for row `row` of that content: a negative number, so that states after it are found
/// under it as under text, and it is never taken for a token.
TokenId media_token(std::uint64_t content, std::size_t row) noexcept;

inline bool is_media(TokenId token) noexcept { return token < 0; }

/// Encodes what stands behind the first `known` tokens of a text. Throws what Embeddings::encode throws.
void encode_after(std::span<const MediaPlace> media, std::size_t known, const CancelToken& cancel);

/// The values of the rows that stand for tokens [begin, end) of a text: of one place, which is encoded, or empty if
/// these are tokens.
std::span<const float> media_rows(std::span<const MediaPlace> media, std::size_t begin, std::size_t end) noexcept;

/// What an evaluation of `count` tokens of a text from `begin` on takes: tokens, or the rows of one place.
EvalItem item_of(std::span<const TokenId> text, std::span<const MediaPlace> media, std::size_t begin,
                 std::size_t count) noexcept;

/// Whether the last of `count` tokens is the last row of a place.
bool ends_media(std::span<const MediaPlace> media, std::size_t count) noexcept;

/// Where tokens and rows meet, ascending: no evaluation goes across.
std::vector<std::size_t> media_borders(std::span<const MediaPlace> media);

}  // namespace rwkv
