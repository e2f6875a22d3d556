// One head of RWKV-7's token mixing (Peng et al., "RWKV-7 Goose", 2025), from the raw products to what the output
// matrix takes.
#pragma once

#include "backends/native/kernels/vectors.h"

namespace rwkv::native {
namespace {

// state <- diag(w) state + b (k' state) + k v and y = r state, with keys as rows and b = -k' a; `removed` is k' state.
// The lanes are values i, each of which has its own sums over the keys, in their order.
template <class L, std::size_t N>
void update_lanes(float* state, std::size_t size, const float* r, const float* w, const float* k, const float* v,
                  const float* kk, const float* b, float* y) {
  typename L::Float removed[N];
  typename L::Float sum[N];
  typename L::Float value[N];
  RWKV_UNROLL
  for (std::size_t n = 0; n < N; ++n) {
    removed[n] = sum[n] = L::zero();
    value[n] = L::load(v + 16 * n);
  }
  for (std::size_t j = 0; j < size; ++j) {
    RWKV_UNROLL
    for (std::size_t n = 0; n < N; ++n) {
      removed[n] = L::fma(L::load(state + j * size + 16 * n), L::splat(kk[j]), removed[n]);
    }
  }
  for (std::size_t j = 0; j < size; ++j) {
    float* row = state + j * size;
    RWKV_UNROLL
    for (std::size_t n = 0; n < N; ++n) {
      const auto kept = L::fma(removed[n], L::splat(b[j]), L::multiply(L::load(row + 16 * n), L::splat(w[j])));
      const auto next = L::fma(value[n], L::splat(k[j]), kept);
      L::store(row + 16 * n, next);
      sum[n] = L::fma(next, L::splat(r[j]), sum[n]);
    }
  }
  RWKV_UNROLL
  for (std::size_t n = 0; n < N; ++n) L::store(y + 16 * n, sum[n]);
}

// The same for a single value.
inline void update_value(float* state, std::size_t size, const float* r, const float* w, const float* k, float value,
                         const float* kk, const float* b, float* y) {
  float removed = 0;
  float sum = 0;
  for (std::size_t j = 0; j < size; ++j) removed = fmaf(state[j * size], kk[j], removed);
  for (std::size_t j = 0; j < size; ++j) {
    const float kept = fmaf(removed, b[j], state[j * size] * w[j]);
    const float next = fmaf(value, k[j], kept);
    state[j * size] = next;
    sum = fmaf(next, r[j], sum);
  }
  *y = sum;
}

template <class L>
void update(float* state, std::size_t size, const float* r, const float* w, const float* k, const float* v,
            const float* kk, const float* b, float* y) {
  std::size_t i = 0;
  for (; i + 64 <= size; i += 64) update_lanes<L, 4>(state + i, size, r, w, k, v + i, kk, b, y + i);
  for (; i + 16 <= size; i += 16) update_lanes<L, 1>(state + i, size, r, w, k, v + i, kk, b, y + i);
  for (; i < size; ++i) update_value(state + i, size, r, w, k, v[i], kk, b, y + i);
}

template <class L>
void head(const HeadWeights& weights, const HeadVectors& x, std::size_t size, std::size_t tokens, float* state) {
  constexpr float kGroupEpsilon = 64e-5f;
  float w[kMostHeadSize], k[kMostHeadSize], v[kMostHeadSize], kk[kMostHeadSize], b[kMostHeadSize], y[kMostHeadSize];
  for (std::size_t t = 0; t < tokens; ++t) {
    const std::size_t at = t * x.stride;
    const float* r = x.r + at;
    for (std::size_t i = 0; i < size; ++i) {
      const float rate = sigmoid_of(weights.rate[i] + x.a[at + i]);
      // exp(-exp(-1/2) s), as engines round it
      w[i] = exponential(-0.606531f * sigmoid_of(weights.decay[i] + x.w[at + i]));
      kk[i] = x.k[at + i] * weights.k_k[i];
      k[i] = x.k[at + i] * (1.0f + (rate - 1.0f) * weights.k_a[i]);
      b[i] = rate;
    }
    if (x.residual == nullptr) {
      for (std::size_t i = 0; i < size; ++i) x.first_value[at + i] = v[i] = x.v[at + i];
    } else {
      for (std::size_t i = 0; i < size; ++i) {
        const float share = sigmoid_of(weights.residual[i] + x.residual[at + i]);
        v[i] = x.v[at + i] + (x.first_value[at + i] - x.v[at + i]) * share;
      }
    }
    const float length = sqrtf(sum_of(size, [&](std::size_t i) { return kk[i] * kk[i]; }));
    const float scale = 1.0f / (length > 1e-12f ? length : 1e-12f);
    for (std::size_t i = 0; i < size; ++i) {
      kk[i] *= scale;
      b[i] *= -kk[i];
    }
    update<L>(state, size, r, w, k, v, kk, b, y);
    const float bonus = sum_of(size, [&](std::size_t i) { return r[i] * k[i] * weights.r_k[i]; });
    normalise(y, size, kGroupEpsilon, weights.norm, y);
    for (std::size_t i = 0; i < size; ++i) x.y[at + i] = (y[i] + bonus * v[i]) * x.g[at + i];
  }
}

}  // namespace
}  // namespace rwkv::native
