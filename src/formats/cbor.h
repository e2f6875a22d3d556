// CBOR (RFC 8949) of definite lengths, as serde writes it: read without trusting a byte of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/byte_reader.h"

namespace rwkv {

/// Goes forward through one CBOR text. Every method throws Error(kBadFile) with the place where something else stands,
/// where it is cut off, and for indefinite lengths and tags.
class CborReader {
 public:
  enum class Kind { kUnsigned, kNegative, kBytes, kText, kArray, kMap, kOther };

  explicit CborReader(ByteReader reader) : reader_(reader) {}

  /// Of what comes next.
  Kind kind() const;
  /// How many values follow, which are to be read next; of a map pairs of values.
  std::uint64_t array() { return take(Kind::kArray, "a list"); }
  std::uint64_t map() { return take(Kind::kMap, "a map"); }
  std::uint64_t number() { return take(Kind::kUnsigned, "a number"); }
  std::string_view text() { return reader_.take_text(take(Kind::kText, "a text"), "a text"); }
  std::span<const std::byte> bytes() { return reader_.take(take(Kind::kBytes, "bytes"), "bytes"); }
  /// One value with all that is in it.
  void skip() { skip(0); }

  const ByteReader& reader() const noexcept { return reader_; }
  bool at_end() const noexcept { return reader_.remaining() == 0; }

 private:
  std::uint64_t take(Kind kind, std::string_view what);
  void skip(int depth);

  ByteReader reader_;
};

}  // namespace rwkv
