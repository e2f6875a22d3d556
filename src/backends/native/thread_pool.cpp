#include "backends/native/thread_pool.h"

#include <chrono>
#include <exception>
#include <string>

#include "base/error.h"
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace rwkv::native {
namespace {

constexpr int kBits = 22;  // more than any phase has pieces, see thread_pool.h
constexpr std::uint64_t kMostPieces = (std::uint64_t{1} << kBits) - 1;

std::uint64_t count_of(std::uint64_t phase) { return phase >> kBits & kMostPieces; }
std::uint64_t taken_of(std::uint64_t phase) { return phase & kMostPieces; }
bool has_pieces(std::uint64_t phase) { return taken_of(phase) < count_of(phase); }

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  try {
    for (int i = 1; i < threads; ++i) others_.emplace_back([this] { serve(); });
  } catch (const std::exception&) {
    const auto got = others_.size() + 1;
    ends_ = true;
    phase_.fetch_add(std::uint64_t{1} << 2 * kBits);
    {
      const std::lock_guard lock(mutex_);
    }
    wake_.notify_all();
    for (std::thread& thread : others_) thread.join();
    throw Error(ErrorCode::kOutOfMemory, "the system gives this process " + std::to_string(got) + " of " +
                                             std::to_string(threads) + " threads; load the model with fewer");
  }
}

ThreadPool::~ThreadPool() {
  ends_ = true;
  phase_.fetch_add(std::uint64_t{1} << 2 * kBits);
  {
    const std::lock_guard lock(mutex_);
  }
  wake_.notify_all();
  for (std::thread& thread : others_) thread.join();
}

void ThreadPool::share(std::size_t count, const Work& work) {
  if (others_.empty() || count == 1) {
    for (std::size_t i = 0; i < count && !work.cancel->cancelled(); ++i) work.call(work.function, i);
    return;
  }
  work_ = work;
  done_.store(0, std::memory_order_relaxed);
  may_poll_.store(true, std::memory_order_relaxed);
  const std::uint64_t number = (phase_.load(std::memory_order_relaxed) >> 2 * kBits) + 1;
  phase_.store(number << 2 * kBits | std::uint64_t{count} << kBits);
  if (sleepers_.load() > 0) {
    {
      const std::lock_guard lock(mutex_);
    }
    wake_.notify_all();
  }
  while (take_and_do_one()) {
  }
  for (int turn = 0; done_.load(std::memory_order_acquire) < count; ++turn) {
    // Whoever has the last piece may need this processor to go on.
    turn < 2000 ? pause() : std::this_thread::yield();
  }
}

bool ThreadPool::take_and_do_one() {
  std::uint64_t phase = phase_.load(std::memory_order_acquire);
  do {
    if (!has_pieces(phase)) return false;
  } while (!phase_.compare_exchange_weak(phase, phase + 1, std::memory_order_acq_rel, std::memory_order_acquire));
  // The phase lasts until this piece is done.
  if (!work_.cancel->cancelled()) work_.call(work_.function, static_cast<std::size_t>(taken_of(phase)));
  done_.fetch_add(1, std::memory_order_release);
  return true;
}

void ThreadPool::serve() {
  while (!ends_.load(std::memory_order_relaxed)) {
    const std::uint64_t seen = phase_.load(std::memory_order_acquire);
    if (has_pieces(seen)) {
      take_and_do_one();
    } else {
      wait_for_work(seen);
    }
  }
}

void ThreadPool::wait_for_work(std::uint64_t seen) {
  // Between two tokens the caller samples for some 100 microseconds.
  constexpr std::chrono::microseconds kPolls{300};
  // The end may have come before `seen` was read.
  const auto has_changed = [&] { return phase_.load() != seen || ends_.load(); };
  const auto start = std::chrono::steady_clock::now();
  while (may_poll_.load(std::memory_order_relaxed)) {
    for (int i = 0; i < 64; ++i) {
      if (has_changed()) return;
      pause();
    }
    if (std::chrono::steady_clock::now() - start > kPolls) break;
  }
  std::unique_lock lock(mutex_);
  sleepers_.fetch_add(1);
  wake_.wait(lock, has_changed);
  sleepers_.fetch_sub(1);
}

}  // namespace rwkv::native
