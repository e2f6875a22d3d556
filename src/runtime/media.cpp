#include "runtime/media.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

namespace rwkv {
namespace {

// How soon who waits for another's encoding notices that it is cancelled itself.
constexpr std::chrono::milliseconds kLook{10};

}  // namespace

void Embeddings::encode(const CancelToken& cancel, const Progress& progress) const {
  std::unique_lock lock(mutex_);
  while (encoding_) {
    cancel.check();
    changed_.wait_for(lock, kLook);
  }
  if (encoded_) return;
  cancel.check();
  encoding_ = true;
  lock.unlock();
  const auto end = [&] {
    lock.lock();
    encoding_ = false;
    changed_.notify_all();
  };
  try {
    encode_now(cancel, progress);
  } catch (...) {
    end();
    throw;
  }
  end();
}

void Embeddings::encode_now(const CancelToken& cancel, const Progress& progress) const {
  std::vector<float> values = encode_(cancel, progress);
  if (values.size() != rows_ * width_ ||
      !std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) {
    throw Error(ErrorCode::kEvaluation, "the encoder made " + std::to_string(values.size()) + " values, not " +
                                            std::to_string(rows_) + " rows of " + std::to_string(width_) +
                                            " finite numbers: its weights are damaged");
  }
  values_ = std::move(values);
  encode_ = nullptr;
  encoded_ = true;
}

void encode_after(std::span<const MediaPlace> media, std::size_t known, const CancelToken& cancel) {
  for (const MediaPlace& place : media) {
    if (place.position + place.embeddings->rows() > known) place.embeddings->encode(cancel);
  }
}

TokenId media_token(std::uint64_t content, std::size_t row) noexcept {
  // The finaliser of splitmix64: neighbouring rows have nothing in common.
  std::uint64_t x = content + (static_cast<std::uint64_t>(row) + 1) * 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  x ^= x >> 31;
  return -1 - static_cast<TokenId>(x & 0x7FFFFFFF);
}

std::span<const float> media_rows(std::span<const MediaPlace> media, std::size_t begin, std::size_t end) noexcept {
  for (const MediaPlace& place : media) {
    if (begin < place.position || end > place.position + place.embeddings->rows()) continue;
    const std::size_t width = place.embeddings->width();
    return place.embeddings->values().subspan((begin - place.position) * width, (end - begin) * width);
  }
  return {};
}

EvalItem item_of(std::span<const TokenId> text, std::span<const MediaPlace> media, std::size_t begin,
                 std::size_t count) noexcept {
  const std::span<const float> rows = media_rows(media, begin, begin + count);
  if (!rows.empty()) return {.embeddings = rows};
  return {.tokens = text.subspan(begin, count)};
}

bool ends_media(std::span<const MediaPlace> media, std::size_t count) noexcept {
  return std::any_of(media.begin(), media.end(),
                     [&](const MediaPlace& place) { return place.position + place.embeddings->rows() == count; });
}

std::vector<std::size_t> media_borders(std::span<const MediaPlace> media) {
  std::vector<std::size_t> borders;
  for (const MediaPlace& place : media) {
    if (place.position > 0 && (borders.empty() || borders.back() != place.position)) borders.push_back(place.position);
    borders.push_back(place.position + place.embeddings->rows());
  }
  return borders;
}

}  // namespace rwkv
