// Sixteen numbers at once in a register of AVX-512; bytes with VNNI.
#pragma once

#include "backends/native/kernels/lanes_avx512.h"

namespace rwkv::native {
namespace {

struct Avx512VnniLanes : Avx512Lanes {
  using Wide = Bytes;
  static constexpr bool kWideHasOffset = true;

  static Wide widen(Bytes a) { return a; }
  static Int dot(Int sum, Bytes w, Group x) { return _mm512_dpbusd_epi32(sum, w, x); }
  static Int dot_wide(Int sum, Wide w, Group x) { return dot(sum, w, x); }
};

}  // namespace
}  // namespace rwkv::native
