// Sixteen numbers at once in two registers of AVX2; bytes with AVX-VNNI.
#pragma once

#include "backends/native/kernels/lanes_avx2.h"

namespace rwkv::native {
namespace {

struct AvxVnniLanes : Avx2Lanes {
  using Wide = Bytes;
  static constexpr bool kWideHasOffset = true;

  static Wide widen(Bytes a) { return a; }
  static Int dot(Int sum, Bytes w, Group x) {
    return {_mm256_dpbusd_avx_epi32(sum.low, w.low, x), _mm256_dpbusd_avx_epi32(sum.high, w.high, x)};
  }
  static Int dot_wide(Int sum, Wide w, Group x) { return dot(sum, w, x); }
};

}  // namespace
}  // namespace rwkv::native
