// Sixteen numbers at once in four registers of NEON; bytes with the instructions for dot products.
#pragma once

#include "backends/native/kernels/lanes_neon.h"

namespace rwkv::native {
namespace {

struct NeonDotLanes : NeonLanes {
  static Int dot(const Int& sum, const Bytes& w, Group x) {
    return each<Int>([&](int i) { return vdotq_s32(sum.at[i], vreinterpretq_s8_u8(w.at[i]), x); });
  }
  static Int dot_wide(const Int& sum, const Wide& w, Group x) {
    return each<Int>([&](int i) { return vdotq_s32(sum.at[i], w.at[i], x); });
  }
};

}  // namespace
}  // namespace rwkv::native
