// Large blocks of their own from the system, back with it as soon as they are freed.
#pragma once

#include <cstddef>
#include <new>

namespace rwkv {

/// At least so many bytes. Throws std::bad_alloc.
void* allocate_pages(std::size_t bytes);
void free_pages(void* memory, std::size_t bytes) noexcept;

/// For containers of which there are many that come and go: malloc keeps what is freed below or, in threads, beside a
/// block that is in use (malloc_trim too), so that a process never shrinks.
template <class T>
struct PageAllocator {
  using value_type = T;

  /// Less than this is malloc's.
  static constexpr std::size_t kLeastBytes = std::size_t{64} << 10;

  PageAllocator() = default;
  template <class U>
  PageAllocator(const PageAllocator<U>&) noexcept {}

  T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    return static_cast<T*>(bytes < kLeastBytes ? ::operator new(bytes) : allocate_pages(bytes));
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    const std::size_t bytes = count * sizeof(T);
    bytes < kLeastBytes ? ::operator delete(memory) : free_pages(memory, bytes);
  }
  bool operator==(const PageAllocator&) const = default;
};

}  // namespace rwkv
