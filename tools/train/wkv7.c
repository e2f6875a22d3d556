/* SPDX-License-Identifier: Apache-2.0
 *
 * The RWKV-7 recurrence, forward and backward, for training on a CPU.
 *
 * All tensors are float32 and laid out [batch][time][head][64].  The state of
 * one head is kept transposed, S[key j][value i], so that every inner loop runs
 * over the 64 values without a horizontal reduction:
 *
 *   sa[i]    = sum_j S[j][i] * a[j]
 *   S[j][i]  = S[j][i] * w[j] + sa[i] * b[j] + v[i] * k[j]
 *   y[i]     = sum_j S[j][i] * r[j]
 *
 * with a = -kk and b = kk * (in-context learning rate).  The forward pass saves
 * the state every CHUNK steps; the backward pass recomputes the states of one
 * chunk from there, so that they stay in the second-level cache.
 *
 * model.py compiles this file for the machine it runs on.
 */
#include <stdlib.h>
#include <string.h>

#define N 64
#define CHUNK 16

/* One step of the recurrence; s_out may be the same memory as s_in. */
static inline void step(const float* restrict r, const float* restrict w, const float* restrict k,
                        const float* restrict v, const float* restrict a, const float* restrict b, const float* s_in,
                        float* s_out, float* restrict sa, float* restrict y) {
  float acc_sa[N] __attribute__((aligned(64)));
  float acc_y[N] __attribute__((aligned(64)));
  for (int i = 0; i < N; i++) {
    acc_sa[i] = 0.0f;
    acc_y[i] = 0.0f;
  }
  for (int j = 0; j < N; j++) {
    const float aj = a[j];
    const float* s = s_in + j * N;
#pragma omp simd
    for (int i = 0; i < N; i++) acc_sa[i] += s[i] * aj;
  }
  for (int j = 0; j < N; j++) {
    const float wj = w[j], bj = b[j], kj = k[j], rj = r[j];
    const float* s = s_in + j * N;
    float* o = s_out + j * N;
#pragma omp simd
    for (int i = 0; i < N; i++) {
      const float x = s[i] * wj + acc_sa[i] * bj + v[i] * kj;
      o[i] = x;
      acc_y[i] += x * rj;
    }
  }
  memcpy(sa, acc_sa, sizeof acc_sa);
  if (y) memcpy(y, acc_y, sizeof acc_y);
}

/* saved: [batch][head][ceil(time / CHUNK)][64][64], the state before each chunk. */
void wkv7_forward(int B, int T, int H, const float* r, const float* w, const float* k, const float* v, const float* a,
                  const float* b, float* y, float* saved) {
  const int chunks = (T + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static)
  for (int bh = 0; bh < B * H; bh++) {
    const int bi = bh / H, h = bh % H;
    float S[N * N] __attribute__((aligned(64)));
    float sa[N] __attribute__((aligned(64)));
    memset(S, 0, sizeof S);
    for (int t = 0; t < T; t++) {
      const size_t o = (((size_t)bi * T + t) * H + h) * N;
      if (t % CHUNK == 0) memcpy(saved + ((size_t)bh * chunks + t / CHUNK) * N * N, S, sizeof S);
      step(r + o, w + o, k + o, v + o, a + o, b + o, S, S, sa, y + o);
    }
  }
}

void wkv7_backward(int B, int T, int H, const float* r, const float* w, const float* k, const float* v, const float* a,
                   const float* b, const float* saved, const float* dy, float* dr, float* dw, float* dk, float* dv,
                   float* da, float* db) {
  const int chunks = (T + CHUNK - 1) / CHUNK;
#pragma omp parallel
  {
    /* states[c] is the state before step c of the chunk; the last one is after it. */
    float* states = aligned_alloc(64, sizeof(float) * N * N * (CHUNK + 1));
    float* D = aligned_alloc(64, sizeof(float) * N * N);
#pragma omp for schedule(static)
    for (int bh = 0; bh < B * H; bh++) {
      const int bi = bh / H, h = bh % H;
      float sas[CHUNK][N] __attribute__((aligned(64)));
      memset(D, 0, sizeof(float) * N * N);
      for (int c = chunks - 1; c >= 0; c--) {
        const int t0 = c * CHUNK;
        const int len = (T - t0) < CHUNK ? (T - t0) : CHUNK;
        memcpy(states, saved + ((size_t)bh * chunks + c) * N * N, sizeof(float) * N * N);
        for (int q = 0; q < len; q++) {
          const size_t o = (((size_t)bi * T + t0 + q) * H + h) * N;
          step(r + o, w + o, k + o, v + o, a + o, b + o, states + (size_t)q * N * N, states + (size_t)(q + 1) * N * N,
               sas[q], NULL);
        }
        for (int q = len - 1; q >= 0; q--) {
          const size_t o = (((size_t)bi * T + t0 + q) * H + h) * N;
          const float* restrict prev = states + (size_t)q * N * N;
          const float* restrict next = states + (size_t)(q + 1) * N * N;
          const float* restrict sa = sas[q];
          const float* restrict gy = dy + o;
          const float* restrict vv = v + o;
          float dsa[N] __attribute__((aligned(64)));
          float gv[N] __attribute__((aligned(64)));
          for (int i = 0; i < N; i++) {
            dsa[i] = 0.0f;
            gv[i] = 0.0f;
          }
          for (int j = 0; j < N; j++) {
            const float rj = r[o + j], bj = b[o + j], kj = k[o + j];
            float* restrict d = D + j * N;
            const float* restrict sp = prev + j * N;
            const float* restrict sn = next + j * N;
            float xr = 0, xw = 0, xb = 0, xk = 0;
#pragma omp simd reduction(+ : xr, xw, xb, xk)
            for (int i = 0; i < N; i++) {
              const float g = d[i] + gy[i] * rj;
              d[i] = g;
              xr += sn[i] * gy[i];
              xw += g * sp[i];
              xb += g * sa[i];
              xk += g * vv[i];
              dsa[i] += g * bj;
              gv[i] += g * kj;
            }
            dr[o + j] = xr;
            dw[o + j] = xw;
            db[o + j] = xb;
            dk[o + j] = xk;
          }
          memcpy(dv + o, gv, sizeof gv);
          for (int j = 0; j < N; j++) {
            const float wj = w[o + j], aj = a[o + j];
            float* restrict d = D + j * N;
            const float* restrict sp = prev + j * N;
            float xa = 0;
#pragma omp simd reduction(+ : xa)
            for (int i = 0; i < N; i++) {
              xa += sp[i] * dsa[i];
              d[i] = d[i] * wj + dsa[i] * aj;
            }
            da[o + j] = xa;
          }
        }
      }
    }
    free(states);
    free(D);
  }
}
