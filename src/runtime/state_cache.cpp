#include "runtime/state_cache.h"

#include <algorithm>
#include <new>
#include <utility>

namespace rwkv {
namespace {

// What a place of the tree costs beside its key and state: itself, its entry in the parent's map and in the list.
constexpr std::uint64_t kPlaceBytes = 256;

std::uint64_t key_bytes(std::size_t tokens) { return tokens * sizeof(TokenId); }

}  // namespace

StateCache::StateCache(std::uint64_t limit_bytes) { stats_.limit_bytes = limit_bytes; }

// Long conversations are deep trees: taken down one by one, not by destructors within each other. Takes no memory.
StateCache::~StateCache() {
  disk_.reset();
  while (!used_.empty()) forget(*used_.front());
}

State StateCache::longest_prefix(std::span<const TokenId> tokens, StableCut cut) {
  State known;
  std::shared_ptr<DiskCache> disk;
  {
    const std::lock_guard lock(mutex_);
    known = longest_in_memory(tokens, cut);
    disk = disk_;
  }
  State older;
  if (disk) older = disk->longest_prefix(tokens, static_cast<std::size_t>(known.position()), cut);
  const std::lock_guard lock(mutex_);
  if (!older.is_zero()) {
    known = std::move(older);
    store(tokens.first(static_cast<std::size_t>(known.position())), known, false);
    drop_to(stats_.limit_bytes);
  }
  ++(known.is_zero() ? stats_.misses : stats_.hits);
  stats_.saved_tokens += static_cast<std::uint64_t>(known.position());
  return known;
}

State StateCache::longest_in_memory(std::span<const TokenId> tokens, StableCut cut) {
  Place* at = &root_;
  Place* best = nullptr;
  while (true) {
    if (!at->state.is_zero() && can_begin_at(at->depth, tokens.size(), cut)) best = at;
    const std::span<const TokenId> rest = tokens.subspan(at->depth);
    if (rest.empty()) break;
    const auto next = at->children.find(rest.front());
    if (next == at->children.end()) break;
    const Tokens& edge = next->second->edge;
    if (edge.size() > rest.size() || !std::equal(edge.begin(), edge.end(), rest.begin())) break;
    at = next->second.get();
  }
  if (best == nullptr) return {};
  used_.splice(used_.begin(), used_, best->used);
  return best->state;
}

// The place with exactly this key, made where there is none. Where memory ends, here and below, the tree is as good as
// before: what takes memory comes first.
StateCache::Place& StateCache::place_of(std::span<const TokenId> tokens) {
  Place* at = &root_;
  while (at->depth < tokens.size()) {
    const std::span<const TokenId> rest = tokens.subspan(at->depth);
    const auto known = at->children.find(rest.front());
    if (known == at->children.end()) {
      auto made = std::make_unique<Place>();
      made->edge.assign(rest.begin(), rest.end());
      made->parent = at;
      made->depth = tokens.size();
      Place& place = *at->children.emplace(rest.front(), std::move(made)).first->second;
      stats_.bytes += kPlaceBytes + key_bytes(rest.size());
      return place;
    }
    const std::unique_ptr<Place>& next = known->second;
    const auto differs = std::mismatch(next->edge.begin(), next->edge.end(), rest.begin(), rest.end());
    const auto common = static_cast<std::size_t>(differs.first - next->edge.begin());
    at = common == next->edge.size() ? next.get() : &split(*next, common);
  }
  return *at;
}

// A new place after the first `length` tokens of the edge that leads to `place`.
StateCache::Place& StateCache::split(Place& place, std::size_t length) {
  auto& slot = place.parent->children.at(place.edge.front());
  auto upper = std::make_unique<Place>();
  upper->edge.assign(place.edge.begin(), place.edge.begin() + static_cast<std::ptrdiff_t>(length));
  upper->parent = place.parent;
  upper->depth = place.parent->depth + length;
  auto& below = upper->children[place.edge[length]];
  place.edge.erase(place.edge.begin(), place.edge.begin() + static_cast<std::ptrdiff_t>(length));
  place.parent = upper.get();
  below = std::move(slot);
  slot = std::move(upper);
  stats_.bytes += kPlaceBytes;
  return *slot;
}

// The place with exactly this key; with `or_longer` the one nearest to the root whose key begins so. Null: none.
StateCache::Place* StateCache::find(std::span<const TokenId> tokens, bool or_longer) {
  Place* at = &root_;
  while (at->depth < tokens.size()) {
    const std::span<const TokenId> rest = tokens.subspan(at->depth);
    const auto next = at->children.find(rest.front());
    if (next == at->children.end()) return nullptr;
    const Tokens& edge = next->second->edge;
    const std::size_t common = std::min(edge.size(), rest.size());
    if (common < edge.size() && !or_longer) return nullptr;
    if (!std::equal(edge.begin(), edge.begin() + static_cast<std::ptrdiff_t>(common), rest.begin())) return nullptr;
    at = next->second.get();
  }
  return at;
}

void StateCache::store(std::span<const TokenId> tokens, State state, bool pinned) {
  if (tokens.empty() || state.is_zero()) return;
  std::list<Place*> use{nullptr};
  Place& place = place_of(tokens);
  if (place.state.is_zero()) {
    use.front() = &place;
    used_.splice(used_.begin(), use);
    place.used = used_.begin();
    stats_.bytes += state.bytes();
    place.state = std::move(state);
    ++stats_.entries;
  } else {
    used_.splice(used_.begin(), used_, place.used);
  }
  if (!pinned || place.pinned) return;
  place.pinned = true;
  stats_.pinned_bytes += place.state.bytes();
}

void StateCache::insert(std::span<const TokenId> tokens, State state) {
  const std::lock_guard lock(mutex_);
  store(tokens, std::move(state), false);
  drop_to(stats_.limit_bytes);
}

void StateCache::insert_if_not_cleared(std::uint64_t clears, std::span<const TokenId> tokens, State state) {
  const std::lock_guard lock(mutex_);
  if (clears != stats_.clears) return;
  store(tokens, std::move(state), false);
  drop_to(stats_.limit_bytes);
}

void StateCache::pin(std::span<const TokenId> tokens, State state) {
  const std::lock_guard lock(mutex_);
  if (Place* known = find(tokens, false); known != nullptr && !known->state.is_zero()) forget(*known);
  store(tokens, std::move(state), true);
  drop_to(stats_.limit_bytes);
}

void StateCache::erase(std::span<const TokenId> tokens) {
  const std::lock_guard lock(mutex_);
  Place* const top = find(tokens, true);
  if (top == nullptr) return;
  std::vector<Place*> to_visit{top};
  std::vector<Place*> with_state;
  while (!to_visit.empty()) {
    Place* const place = to_visit.back();
    to_visit.pop_back();
    if (!place->state.is_zero()) with_state.push_back(place);
    for (const auto& [token, child] : place->children) to_visit.push_back(child.get());
  }
  // A place with a state goes with that and not before.
  for (Place* place : with_state) forget(*place);
}

// The state of a place goes, and the place with it where nothing needs it.
void StateCache::forget(Place& place) {
  stats_.bytes -= place.state.bytes();
  if (place.pinned) stats_.pinned_bytes -= place.state.bytes();
  --stats_.entries;
  used_.erase(place.used);
  place.state = State();
  place.pinned = false;
  Place* const parent = place.parent;
  tidy(place);
  if (parent != &root_ && parent->state.is_zero()) tidy(*parent);
}

// Removes a place without state that is a leaf or stands between two others. One between two others stays where there
// is no memory to join their keys.
void StateCache::tidy(Place& place) {
  if (place.children.size() > 1) return;
  const TokenId first = place.edge.front();
  if (place.children.empty()) {
    stats_.bytes -= kPlaceBytes + key_bytes(place.edge.size());
    place.parent->children.erase(first);
    return;
  }
  Tokens& lower = place.children.begin()->second->edge;
  try {
    lower.reserve(lower.size() + place.edge.size());
  } catch (const std::bad_alloc&) {
    return;
  }
  stats_.bytes -= kPlaceBytes;
  Place* const parent = place.parent;
  const std::unique_ptr<Place> gone = std::move(parent->children.at(first));
  std::unique_ptr<Place> child = std::move(gone->children.begin()->second);
  child->edge.insert(child->edge.begin(), gone->edge.begin(), gone->edge.end());
  child->parent = parent;
  parent->children.at(first) = std::move(child);
}

// Where there is no memory for that it is read again some day.
void StateCache::offer_to_disk(const Place& place) {
  try {
    disk_->offer(key_of(place), place.state);
  } catch (const std::bad_alloc&) {
  }
}

std::uint64_t StateCache::drop_to(std::uint64_t bytes, bool to_disk) {
  const std::uint64_t before = stats_.bytes;
  for (auto it = used_.end(); stats_.bytes > bytes && it != used_.begin();) {
    Place* const place = *--it;
    if (place->pinned) continue;
    ++it;  // stays valid when its predecessor goes
    if (disk_ && to_disk) offer_to_disk(*place);
    forget(*place);
  }
  return before - stats_.bytes;
}

void StateCache::clear() {
  const std::lock_guard lock(mutex_);
  ++stats_.clears;
  drop_to(0, false);
  if (disk_) disk_->clear();
}

void StateCache::set_limit(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  stats_.limit_bytes = bytes;
  drop_to(bytes);
}

// What waits to be written would take memory, and the last states of conversations are on disk already.
void StateCache::release() {
  const std::lock_guard lock(mutex_);
  ++stats_.clears;
  drop_to(0, false);
}

std::size_t StateCache::known_in_memory(std::span<const TokenId> tokens, StableCut cut) {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(longest_in_memory(tokens, cut).position());
}

DiskCache::Stats StateCache::disk_stats() const {
  const std::shared_ptr<DiskCache> of = disk();  // which looks into its folder, so not under the lock
  return of ? of->stats() : DiskCache::Stats{};
}

void StateCache::set_disk(std::shared_ptr<DiskCache> disk) {
  const std::lock_guard lock(mutex_);
  disk_.swap(disk);
}

std::shared_ptr<DiskCache> StateCache::disk() const {
  const std::lock_guard lock(mutex_);
  return disk_;
}

void StateCache::keep_on_disk(std::span<const TokenId> tokens) {
  const std::lock_guard lock(mutex_);
  if (!disk_) return;
  const Place* place = find(tokens, false);
  if (place != nullptr && !place->state.is_zero()) disk_->offer(tokens, place->state);
}

std::uint64_t StateCache::shrink_to(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  return drop_to(bytes);
}

StateCache::Stats StateCache::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

Tokens StateCache::key_of(const Place& place) const {
  Tokens tokens(place.depth);
  for (const Place* part = &place; part != &root_; part = part->parent) {
    std::copy(part->edge.begin(), part->edge.end(), tokens.begin() + static_cast<std::ptrdiff_t>(part->parent->depth));
  }
  return tokens;
}

std::vector<StateCache::Node> StateCache::nodes() const {
  const std::lock_guard lock(mutex_);
  std::vector<Node> nodes;
  nodes.reserve(used_.size());
  for (const Place* place : used_) {
    Node node;
    node.bytes = place->state.bytes() + kPlaceBytes + key_bytes(place->edge.size());
    node.pinned = place->pinned;
    node.tokens = key_of(*place);
    nodes.push_back(std::move(node));
  }
  return nodes;
}

}  // namespace rwkv
