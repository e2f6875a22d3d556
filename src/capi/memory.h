// Memory that the caller frees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string_view>

namespace rwkv::capi {

/// Zeroed, at least one byte. Throws std::bad_alloc.
void* allocate(std::size_t bytes);
/// Null is fine.
void release(const void* memory) noexcept;
/// Blocks that were allocated and not released yet.
std::int64_t live_blocks() noexcept;

/// A copy with a NUL after it.
inline char* copy_text(std::string_view text) {
  auto* copy = static_cast<char*>(allocate(text.size() + 1));
  std::memcpy(copy, text.data(), text.size());
  return copy;
}

/// `count` zeros.
template <class T>
T* zeros(std::size_t count) {
  return static_cast<T*>(allocate(count * sizeof(T)));
}

/// A copy; null of nothing.
template <class T>
T* copy_array(std::span<const T> values) {
  if (values.empty()) return nullptr;
  T* copy = zeros<T>(values.size());
  std::memcpy(copy, values.data(), values.size_bytes());
  return copy;
}

}  // namespace rwkv::capi
