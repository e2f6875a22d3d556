// What all fuzz targets share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include "base/error.h"

/// Defined by each target.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace rwkv::fuzz {

inline std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const std::byte*>(data), size};
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Ends the program with the reason unless the condition holds.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

/// Runs `parse`, which may refuse the input with an Error of one of the kinds that bad input leads to.
template <class Parse>
void refuse_or_parse(Parse&& parse) {
  try {
    parse();
  } catch (const Error& error) {
    require(error.code() != ErrorCode::kInternal && error.code() != ErrorCode::kIo, error.what());
  }
}

inline volatile unsigned touched = 0;

/// Looks at the first and the last byte, so that a view beyond the input is seen.
inline void touch(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  touched = static_cast<unsigned>(bytes.front()) + static_cast<unsigned>(bytes.back());
}

}  // namespace rwkv::fuzz
