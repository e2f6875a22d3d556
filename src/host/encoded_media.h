// What was shown and heard lately, by content: the same picture is not encoded twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include "runtime/media.h"

namespace rwkv::host {

/// The most that it keeps where nobody says: some fifty pictures of three tiles.
inline constexpr std::uint64_t kEncodedMediaBytes = std::uint64_t{64} << 20;

/// Bounded in bytes, the one used longest ago goes first. What is in use stays alive with its users. Safe from any
/// thread.
class EncodedMedia {
 public:
  explicit EncodedMedia(std::uint64_t limit_bytes = kEncodedMediaBytes) : limit_bytes_(limit_bytes) {}

  /// What is known under `content`, or what `make` makes, which is known from then on. `source_bytes` is what it keeps
  /// beside its rows until it is encoded.
  std::shared_ptr<const Embeddings> find_or_make(std::uint64_t content, std::uint64_t source_bytes,
                                                 const std::function<std::shared_ptr<const Embeddings>()>& make);

  void shrink_to(std::uint64_t bytes);
  std::uint64_t bytes() const;

 private:
  struct Entry {
    std::shared_ptr<const Embeddings> embeddings;
    std::uint64_t source_bytes = 0;

    std::uint64_t bytes() const noexcept {
      const auto rows = std::uint64_t{embeddings->rows()} * embeddings->width() * sizeof(float);
      return rows + (embeddings->encoded() ? 0 : source_bytes);
    }
  };

  std::uint64_t bytes_with_lock() const;
  void shrink_with_lock(std::uint64_t bytes);

  const std::uint64_t limit_bytes_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the one used last first
};

}  // namespace rwkv::host
