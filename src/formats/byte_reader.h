// Little-endian values out of bytes, never past their end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace rwkv {

/// Reads forward through bytes that nobody vouches for. Running out of them throws Error(kBadFile) with file and
/// offset.
class ByteReader {
 public:
  /// `name` stands for the file in messages and must outlive the reader.
  ByteReader(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(&name) {}

  const std::string& name() const noexcept { return *name_; }
  std::size_t offset() const noexcept { return offset_; }
  std::size_t remaining() const noexcept { return bytes_.size() - offset_; }

  template <class T>
  T read(std::string_view what) {
    static_assert(std::is_trivially_copyable_v<T>);
    static_assert(std::endian::native == std::endian::little, "the readers are written for little-endian machines");
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  /// The next `count` bytes, not copied.
  std::span<const std::byte> take(std::uint64_t count, std::string_view what) {
    if (count > remaining()) {
      fail(std::string(what) + " needs " + std::to_string(count) + " bytes, but only " + std::to_string(remaining()) +
           " are left: the file is cut off or damaged, get it again");
    }
    const auto taken = bytes_.subspan(offset_, static_cast<std::size_t>(count));
    offset_ += static_cast<std::size_t>(count);
    return taken;
  }

  std::string_view take_text(std::uint64_t count, std::string_view what) {
    const auto bytes = take(count, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(ErrorCode::kBadFile, "'" + *name_ + "' at byte " + std::to_string(offset_) + ": " + reason, *name_);
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string* name_;  // a pointer, so that readers can be assigned
  std::size_t offset_ = 0;
};

}  // namespace rwkv
