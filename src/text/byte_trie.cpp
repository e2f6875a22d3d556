#include "text/byte_trie.h"

#include <algorithm>
#include <array>
#include <span>

namespace rwkv {

/// Places the nodes level by level: the upper levels, which every lookup visits, end up close together, and the many
/// single children further down fill the gaps that wide nodes leave.
class ByteTrieBuilder {
 public:
  using Slot = ByteTrie::Slot;

  ByteTrieBuilder(ByteTrie& trie, std::span<const ByteTrie::Entry> sorted) : trie_(trie), entries_(sorted) {
    add_block();  // of the leaves: nothing may ever be placed there
  }

  void build() {
    std::vector<Node> level{{0, entries_.size(), kNone}};
    std::vector<Node> below;
    for (std::size_t depth = 0; !level.empty(); ++depth) {
      below.clear();
      for (const Node& node : level) place_children(node, depth, below);
      level.swap(below);
    }
  }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  /// Free slots tried for a node before a new block is begun: bounds the work, costs a little space.
  static constexpr int kTries = 64;

  /// The entries [first, last) share the bytes that lead to `slot` (kNone: the root).
  struct Node {
    std::size_t first;
    std::size_t last;
    std::uint32_t slot;
  };

  void place_children(Node node, std::size_t depth, std::vector<Node>& below) {
    // Sorted, so an entry that ends at this node comes first; its id is in the slot already.
    if (entries_[node.first].bytes.size() == depth) ++node.first;
    if (node.first == node.last) return;

    children_ = 0;
    for (std::size_t i = node.first; i < node.last; ++i) {
      const auto byte = static_cast<unsigned char>(entries_[i].bytes[depth]);
      if (children_ == 0 || labels_[children_ - 1] != byte) {
        labels_[children_] = byte;
        firsts_[children_] = i;
        ++children_;
      }
    }

    const std::uint32_t base = find_base();
    base_used_[base] = true;
    (node.slot == kNone ? trie_.root_base_ : trie_.slots_[node.slot].base) = base;
    for (std::size_t c = 0; c < children_; ++c) {
      const std::uint32_t slot = base ^ labels_[c];
      take(slot);
      const ByteTrie::Entry& entry = entries_[firsts_[c]];
      const TokenId id = entry.bytes.size() == depth + 1 ? entry.id : 0;
      trie_.slots_[slot] = {ByteTrie::kLeafBase, static_cast<std::uint32_t>(id) << ByteTrie::kLabelBits | labels_[c]};
      below.push_back({firsts_[c], c + 1 < children_ ? firsts_[c + 1] : node.last, slot});
    }
  }

  /// A base that no node has, with free slots for all of labels_. Each search goes on where the last one ended, so that
  /// slots that fit nothing are not tried again for every node.
  std::uint32_t find_base() {
    std::uint32_t slot = free_;
    for (int tries = 0; tries < kTries && slot != kNone; ++tries) {
      const std::uint32_t base = slot ^ labels_[0];
      if (fits(base)) {
        free_ = slot;
        return base;
      }
      slot = next_[slot];
      if (slot == free_) break;
    }
    return add_free_block();
  }

  bool fits(std::uint32_t base) const {
    if (base_used_[base]) return false;
    return std::all_of(labels_.begin(), labels_.begin() + static_cast<std::ptrdiff_t>(children_),
                       [&](unsigned char c) { return trie_.slots_[base ^ c].label() == ByteTrie::kNoLabel; });
  }

  std::uint32_t add_block() {
    const auto first = static_cast<std::uint32_t>(trie_.slots_.size());
    const std::size_t end = std::size_t{first} + ByteTrie::kBlock;
    trie_.slots_.resize(end, Slot{ByteTrie::kLeafBase, ByteTrie::kNoLabel});
    base_used_.resize(end, false);
    next_.resize(end, kNone);
    previous_.resize(end, kNone);
    return first;
  }

  /// Puts a new block of free slots before the others and returns its first.
  std::uint32_t add_free_block() {
    const std::uint32_t first = add_block();
    const std::uint32_t last = first + ByteTrie::kBlock - 1;
    for (std::uint32_t slot = first; slot < last; ++slot) link(slot, slot + 1);
    if (free_ != kNone) link(previous_[free_], first);
    link(last, free_ == kNone ? first : free_);
    free_ = first;
    return first;
  }

  void link(std::uint32_t slot, std::uint32_t next) {
    next_[slot] = next;
    previous_[next] = slot;
  }

  void take(std::uint32_t slot) {
    const std::uint32_t next = next_[slot];
    if (slot == free_) free_ = next == slot ? kNone : next;
    link(previous_[slot], next);
  }

  ByteTrie& trie_;
  std::span<const ByteTrie::Entry> entries_;

  // The free slots, as a ring in two arrays; free_ is where the next search begins.
  std::vector<std::uint32_t> next_;
  std::vector<std::uint32_t> previous_;
  std::uint32_t free_ = kNone;
  std::vector<bool> base_used_;

  // The children of the node being placed: their bytes, and the first entry of each.
  std::array<unsigned char, 256> labels_{};
  std::array<std::size_t, 256> firsts_{};
  std::size_t children_ = 0;
};

ByteTrie::ByteTrie(std::vector<Entry> entries) {
  // string_view compares bytes as unsigned characters.
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.bytes < b.bytes; });
  ByteTrieBuilder builder(*this, entries);
  if (!entries.empty()) builder.build();
  slots_.shrink_to_fit();
}

}  // namespace rwkv
