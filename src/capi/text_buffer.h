// Text written into a buffer of the caller's.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>

#include "rwkv_mobile.h"

namespace rwkv::capi {

/// Writes `text` and a NUL into `size` bytes, 1 or more. Where it does not fit: as many whole characters as do, and
/// RWKV_ERROR_ALLOC.
inline int write_text(const std::string& text, char* buffer, int size) {
  std::size_t length = text.size();
  const bool fits = length < static_cast<std::size_t>(size);
  if (!fits) {
    length = static_cast<std::size_t>(size) - 1;
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  }
  std::memcpy(buffer, text.data(), length);
  buffer[length] = '\0';
  return fits ? RWKV_SUCCESS : RWKV_ERROR_ALLOC;
}

}  // namespace rwkv::capi
