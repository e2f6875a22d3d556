// How fast the current or last run was; readable from any thread while it goes on.
#pragma once

#include <atomic>
#include <cstdint>

namespace rwkv {

class SpeedMeter {
 public:
  /// A run begins: forgets the last one's figures.
  void reset() noexcept {
    for (Total* total : {&prefill_, &decode_}) {
      total->tokens.store(0, std::memory_order_relaxed);
      total->nanoseconds.store(0, std::memory_order_relaxed);
    }
    done_.store(0, std::memory_order_relaxed);
    expected_.store(0, std::memory_order_relaxed);
  }

  void add_prefill(std::uint64_t tokens, double seconds) noexcept { prefill_.add(tokens, seconds); }
  /// One step of all sequences together counts as many tokens as it has sequences.
  void add_decode(std::uint64_t tokens, double seconds) noexcept { decode_.add(tokens, seconds); }
  void set_progress(std::uint64_t done, std::uint64_t expected) noexcept {
    expected_.store(expected, std::memory_order_relaxed);
    done_.store(done, std::memory_order_relaxed);
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
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> expected_{0};
};

}  // namespace rwkv
