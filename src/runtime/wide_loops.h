// Loops over all logits, which the compiler turns into vector code.
#pragma once

// On a lambda that is given to in_wide_registers(), and on functions that it calls.
#if defined(__GNUC__)
#define RWKV_WIDE __attribute__((always_inline))
#else
#define RWKV_WIDE
#endif

namespace rwkv {

#if defined(__x86_64__) && defined(__GNUC__)

template <class Loop>
[[gnu::target("avx2")]] void in_registers_of_avx2(const Loop& loop) {
  loop();
}

/// Runs a loop with AVX2 where the processor has it. The results are the same: numbers are computed twice as many at a
/// time, and multiplications are not joined with additions.
template <class Loop>
void in_wide_registers(const Loop& loop) {
  static const bool has_avx2 = [] {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") != 0;
  }();
  has_avx2 ? in_registers_of_avx2(loop) : loop();
}

#else

template <class Loop>
void in_wide_registers(const Loop& loop) {
  loop();
}

#endif

}  // namespace rwkv
