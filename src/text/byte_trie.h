// Byte strings -> ids, for finding the longest one that a text begins with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/token.h"

namespace rwkv {

/// A double-array trie: the child of a node for byte c lives in slot `base ^ c`, so a step costs one load and one
/// comparison. No two nodes share a base, so the byte a slot was reached by is enough to tell whose child it is.
class ByteTrie {
 public:
  struct Entry {
    std::string_view bytes;  // not empty; needed only while building
    TokenId id;              // 1 .. 2^23 - 1
  };
  /// `entries` in any order, their bytes all different.
  explicit ByteTrie(std::vector<Entry> entries);

  struct Match {
    TokenId id = 0;          // 0: no entry is a prefix
    std::size_t length = 0;  // in bytes
  };
  /// The longest entry that begins [`begin`, `end`). Looks at no more bytes than the longest entry has, plus one.
  Match longest_prefix(const char* begin, const char* end) const noexcept {
    Match match;
    std::uint32_t base = root_base_;
    for (const char* at = begin; at != end;) {
      const std::uint32_t byte = static_cast<unsigned char>(*at++);
      const Slot slot = slots_[base ^ byte];
      if (slot.label() != byte) break;
      base = slot.base;
      if (slot.id() != 0) match = {slot.id(), static_cast<std::size_t>(at - begin)};
    }
    return match;
  }

 private:
  friend class ByteTrieBuilder;

  struct Slot {
    std::uint32_t base;    // of the children
    std::uint32_t packed;  // id << kLabelBits | label
    std::uint32_t label() const noexcept { return packed & ((1U << kLabelBits) - 1); }
    TokenId id() const noexcept { return static_cast<TokenId>(packed >> kLabelBits); }
  };
  static constexpr unsigned kLabelBits = 9;
  static constexpr std::uint32_t kNoLabel = 256;  // an empty slot, equal to no byte
  static constexpr std::uint32_t kBlock = 256;    // base ^ byte stays inside one aligned block of this many slots
  static constexpr std::uint32_t kLeafBase = 0;   // the first block stays empty: nothing is found below a leaf

  std::vector<Slot> slots_;
  std::uint32_t root_base_ = kLeafBase;
};

}  // namespace rwkv
