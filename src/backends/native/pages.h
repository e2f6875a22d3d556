// A large block of memory.
#pragma once

#include <cstddef>
#include <utility>

#include "base/page_allocator.h"
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace rwkv::native {

/// In large pages where the system has them, since looking up the address of each small one takes as long as reading
/// it.
class Pages {
 public:
  Pages() = default;
  /// Throws std::bad_alloc.
  explicit Pages(std::size_t bytes) : data_(static_cast<std::byte*>(allocate_pages(bytes))), bytes_(bytes) {
#if defined(__linux__)
    if (bytes >= kLarge) madvise(data_, bytes, MADV_HUGEPAGE);
#endif
  }
  Pages(Pages&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  Pages& operator=(Pages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Pages() {
    if (data_ != nullptr) free_pages(data_, bytes_);
  }

  std::byte* data() const noexcept { return data_; }

 private:
  static constexpr std::size_t kLarge = std::size_t{8} << 20;

  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace rwkv::native
