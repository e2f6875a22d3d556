// The cache is whole whichever allocation fails.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <optional>

#include "runtime/state_cache.h"

// Below, operator new and delete are replaced together; where GCC sees only one of them inlined (under sanitizers) it
// takes the two for a pair that does not match.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace {

// Allocations of this thread until one fails; below 0: none does.
thread_local long allocations_left = -1;

void* allocate(std::size_t bytes) {
  if (allocations_left >= 0 && allocations_left-- == 0) throw std::bad_alloc();
  if (void* const memory = std::malloc(bytes > 0 ? bytes : 1)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate(bytes); }
void* operator new[](std::size_t bytes) { return allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace rwkv {
namespace {

// Does `work` with its allocation number n failing. False: it has no more than n.
template <class Work>
bool fails_at(long n, const Work& work) {
  allocations_left = n;
  bool has_failed = false;
  try {
    work();
  } catch (const std::bad_alloc&) {
    has_failed = true;
  }
  const bool was_reached = allocations_left < 0;
  allocations_left = -1;
  return has_failed || was_reached;
}

State state_of(const Tokens& tokens) { return State(StateBytes(50), static_cast<std::int64_t>(tokens.size())); }

TEST(StateCacheMemory, WhicheverAllocationOfAChangeFailsWhatWasThereIsFoundAndEverythingGoes) {
  const std::vector<Tokens> before{{1, 2, 3, 4}, {1, 2, 3, 9}, {1, 2, 5}, {7}};
  const std::vector<Tokens> changes{{1, 2}, {1, 2, 3, 4, 5}, {1, 2, 3}, {7, 8}, {1, 8}, {6, 6}, {1, 2, 3, 9, 1}};
  for (const Tokens& added : changes) {
    const State state = state_of(added);
    for (long n = 0;; ++n) {
      std::optional<StateCache> cache(std::uint64_t{1} << 20);
      const std::uint64_t empty = cache->stats().bytes;
      for (const Tokens& tokens : before) cache->insert(tokens, state_of(tokens));
      const bool has_failed = fails_at(n, [&] { cache->insert(added, state); });
      for (const Tokens& tokens : before) {
        EXPECT_EQ(cache->longest_prefix(tokens).position(), static_cast<std::int64_t>(tokens.size())) << n;
      }
      cache->insert(added, state);
      EXPECT_EQ(cache->longest_prefix(added).position(), static_cast<std::int64_t>(added.size())) << n;
      EXPECT_EQ(cache->nodes().size(), cache->stats().entries);
      fails_at(n, [&] { cache->erase(Tokens{1}); });
      cache->clear();
      EXPECT_EQ(cache->stats().entries, 0u);
      EXPECT_EQ(cache->stats().bytes, empty) << n;
      cache->insert(added, state);
      allocations_left = 0;  // the end takes no memory
      cache.reset();
      allocations_left = -1;
      if (!has_failed) break;
    }
  }
}

}  // namespace
}  // namespace rwkv
