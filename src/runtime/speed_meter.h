// How fast the current or last run was; readable from any thread while it goes on.
#pragma once

#include <atomic>
#include <cstdint>

namespace rwkv {

class SpeedMeter {
 public:
  /// A task with a prompt of so many tokens comes. The first one after all others have gone begins a run: the last
  /// run's figures are forgotten. From any thread, one at a time.
  void add_task(std::uint64_t prompt_tokens) noexcept {
    if (tasks_.fetch_add(1) == 0) {
      for (std::atomic<std::uint64_t>* figure :
           {&prefill_.tokens, &prefill_.nanoseconds, &decode_.tokens, &decode_.nanoseconds, &done_, &expected_}) {
        figure->store(0, std::memory_order_relaxed);
      }
    }
    expected_.fetch_add(prompt_tokens, std::memory_order_relaxed);
  }
  /// So many of its tokens are evaluated or known. This and what follows from the model's thread, while there is a
  /// task.
  void add_progress(std::uint64_t tokens) noexcept { done_.fetch_add(tokens, std::memory_order_relaxed); }
  void add_prefill(std::uint64_t tokens, double seconds) noexcept { prefill_.add(tokens, seconds); }
  /// One step of all sequences together counts as many tokens as it has sequences.
  void add_decode(std::uint64_t tokens, double seconds) noexcept { decode_.add(tokens, seconds); }
  /// A task goes, and so many of its tokens were not evaluated. The last one leaves the figures of the run as they are.
  void remove_task(std::uint64_t tokens_left) noexcept {
    if (tasks_.fetch_sub(1) > 1) expected_.fetch_sub(tokens_left, std::memory_order_relaxed);
  }

  /// Tokens per second, 0 before anything ran.
  double prefill_speed() const noexcept { return prefill_.speed(); }
  double decode_speed() const noexcept { return decode_.speed(); }
  /// Share of the prompt tokens that are evaluated, 0 to 1.
  double prefill_progress() const noexcept {
    const auto expected = expected_.load(std::memory_order_relaxed);
    if (expected == 0) return 0;
    const auto done = done_.load(std::memory_order_relaxed);
    return done >= expected ? 1.0 : static_cast<double>(done) / static_cast<double>(expected);
  }

 private:
  struct Total {
    std::atomic<std::uint64_t> tokens{0};
    std::atomic<std::uint64_t> nanoseconds{0};

    void add(std::uint64_t more, double seconds) noexcept {
      tokens.fetch_add(more, std::memory_order_relaxed);
      nanoseconds.fetch_add(static_cast<std::uint64_t>(seconds * 1e9), std::memory_order_relaxed);
    }
    double speed() const noexcept {
      const auto time = nanoseconds.load(std::memory_order_relaxed);
      return time > 0 ? static_cast<double>(tokens.load(std::memory_order_relaxed)) * 1e9 / static_cast<double>(time)
                      : 0;
    }
  };

  Total prefill_;
  Total decode_;
  std::atomic<std::size_t> tasks_{0};
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> expected_{0};
};

}  // namespace rwkv
