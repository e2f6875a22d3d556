#include "formats/cbor.h"

#include <string>

namespace rwkv {
namespace {

constexpr int kDeepest = 32;

}  // namespace

CborReader::Kind CborReader::kind() const {
  ByteReader ahead = reader_;
  const auto major = ahead.read<std::uint8_t>("a value") >> 5;
  return major < 6 ? static_cast<Kind>(major) : Kind::kOther;
}

std::uint64_t CborReader::take(Kind wanted, std::string_view what) {
  if (kind() != wanted) reader_.fail("something else stands where " + std::string(what) + " should");
  const int info = reader_.read<std::uint8_t>("a value") & 31;
  if (info < 24) return static_cast<std::uint64_t>(info);
  if (info > 27) reader_.fail("a length is left open, which no model's file does");
  std::uint64_t value = 0;
  for (const std::byte byte : reader_.take(std::uint64_t{1} << (info - 24), "a length")) {
    value = value << 8 | std::to_integer<std::uint64_t>(byte);
  }
  return value;
}

void CborReader::skip(int depth) {
  if (depth == kDeepest) reader_.fail("values lie deeper in each other than in any model");
  switch (kind()) {
    case Kind::kUnsigned: number(); break;
    case Kind::kNegative: take(Kind::kNegative, "a number"); break;
    case Kind::kBytes: bytes(); break;
    case Kind::kText: text(); break;
    case Kind::kArray:
      for (std::uint64_t left = array(); left > 0; --left) skip(depth + 1);
      break;
    case Kind::kMap:
      for (std::uint64_t left = 2 * map(); left > 0; --left) skip(depth + 1);
      break;
    case Kind::kOther: {
      const int head = reader_.read<std::uint8_t>("a value");
      const int info = head & 31;
      if (head >> 5 == 6 || info > 27) reader_.fail("a tag or an open end, which no model's file has");
      if (info >= 24) reader_.take(std::uint64_t{1} << (info - 24), "a number");
      break;
    }
  }
}

}  // namespace rwkv
