#include "rwkv7.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* In this many sums that the compiler can add up side by side; always in the same order, so always with the same bits.
 */
enum { LANES = 16 };

static float dot(const float* a, const float* b, size_t count) {
  float sums[LANES] = {0};
  size_t i = 0, lane;
  for (; i + LANES <= count; i += LANES) {
    for (lane = 0; lane < LANES; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < count; ++i) sums[0] += a[i] * b[i];
  for (lane = 1; lane < LANES; ++lane) sums[0] += sums[lane];
  return sums[0];
}

static void multiply(const matrix* m, const float* x, float* y) {
  size_t i;
  for (i = 0; i < m->rows; ++i) y[i] = dot(m->values + i * m->columns, x, m->columns);
}

static float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

/* To mean 0 and variance 1, then scaled and moved. `out` may be `x`. */
static void normalise(const float* x, size_t count, float epsilon, const float* weight, const float* bias, float* out) {
  double mean = 0, variance = 0;
  size_t i;
  for (i = 0; i < count; ++i) mean += x[i];
  mean /= (double)count;
  for (i = 0; i < count; ++i) variance += (x[i] - mean) * (x[i] - mean);
  variance /= (double)count;
  for (i = 0; i < count; ++i) {
    out[i] = (float)((x[i] - mean) / sqrt(variance + (double)epsilon)) * weight[i] + bias[i];
  }
}

/* x moved towards the input of the token before, by a share a value. */
static void shift(const float* x, const float* previous, const float* share, size_t count, float* out) {
  size_t i;
  for (i = 0; i < count; ++i) out[i] = x[i] + (previous[i] - x[i]) * share[i];
}

static float unchanged(float x) { return x; }

/* out = offset + W2 f(W1 in) */
static void low_rank(const lora* l, float (*f)(float), workspace* space, const float* in, float* out) {
  size_t i;
  multiply(&l->first, in, space->rank);
  for (i = 0; i < l->first.rows; ++i) space->rank[i] = f(space->rank[i]);
  multiply(&l->second, space->rank, out);
  if (l->offset == NULL) return;
  for (i = 0; i < l->second.rows; ++i) out[i] += l->offset[i];
}

/* One head of the recurrence: matrix <- matrix diag(w) - (matrix kk) (kk a)^T + v k^T, and y = matrix r.
 * All vectors have `size` values, the matrix has values as rows and keys as columns. */
static void head_step(float* head, size_t size, const float* r, const float* w, const float* k, const float* v,
                      const float* kk, const float* a, float* y) {
  size_t i, j;
  for (i = 0; i < size; ++i) {
    float* row = head + i * size;
    const float removed = dot(row, kk, size);
    for (j = 0; j < size; ++j) row[j] = row[j] * w[j] - removed * kk[j] * a[j] + v[i] * k[j];
    y[i] = dot(row, r, size);
  }
}

/* The recurrence of all heads over r, w, k, v, kk and a of `space`; the result in space->y. */
static void heads_step(const weights* m, const layer_weights* layer, workspace* space, float* heads) {
  const float group_epsilon = 64e-5f;
  const size_t size = m->head_size;
  size_t h, i;
  for (h = 0; h < m->heads; ++h) {
    const size_t at = h * size;
    float bonus = 0;
    float* kk = space->kk + at;
    const float length = sqrtf(dot(kk, kk, size));
    for (i = 0; i < size; ++i) kk[i] /= length > 1e-12f ? length : 1e-12f;
    head_step(heads + at * size, size, space->r + at, space->w + at, space->k + at, space->v + at, kk, space->a + at,
              space->y + at);
    for (i = 0; i < size; ++i) bonus += space->r[at + i] * space->k[at + i] * layer->r_k[at + i];
    normalise(space->y + at, size, group_epsilon, layer->group_norm.weight + at, layer->group_norm.bias + at,
              space->y + at);
    for (i = 0; i < size; ++i) space->y[at + i] += bonus * space->v[at + i];
  }
}

/* Adds to space->x what the time mixing makes of space->in. */
static void time_mixing(const weights* m, size_t index, workspace* space, const float* previous, float* heads) {
  enum { R, W, K, V, A, G };
  const layer_weights* layer = &m->layer[index];
  const size_t width = m->width;
  size_t i;
#define MIXED(which) (shift(space->in, previous, layer->lerp + (which) * width, width, space->mixed), space->mixed)
  multiply(&layer->receptance, MIXED(R), space->r);
  low_rank(&layer->decay, tanhf, space, MIXED(W), space->w);
  multiply(&layer->key, MIXED(K), space->k);
  multiply(&layer->value, MIXED(V), space->v);
  if (index > 0) low_rank(&layer->residual, unchanged, space, space->mixed, space->y);
  low_rank(&layer->rate, unchanged, space, MIXED(A), space->a);
  low_rank(&layer->gate, sigmoid, space, MIXED(G), space->g);
#undef MIXED
  if (index == 0) memcpy(space->first_value, space->v, width * sizeof *space->v);
  for (i = 0; i < width; ++i) {
    space->w[i] = expf(-0.606531f * sigmoid(space->w[i])); /* exp(-exp(-1/2) s), as engines round it */
    space->a[i] = sigmoid(space->a[i]);
    space->kk[i] = space->k[i] * layer->k_k[i];
    space->k[i] *= 1.0f + (space->a[i] - 1.0f) * layer->k_a[i];
    if (index > 0) space->v[i] += (space->first_value[i] - space->v[i]) * sigmoid(space->y[i]);
  }
  heads_step(m, layer, space, heads);
  for (i = 0; i < width; ++i) space->y[i] *= space->g[i];
  multiply(&layer->output, space->y, space->mixed);
  for (i = 0; i < width; ++i) space->x[i] += space->mixed[i];
}

/* Adds to space->x what the channel mixing makes of space->in. */
static void channel_mixing(const weights* m, const layer_weights* layer, workspace* space, const float* previous) {
  size_t i;
  shift(space->in, previous, layer->feed_forward_lerp, m->width, space->mixed);
  multiply(&layer->feed_forward_key, space->mixed, space->hidden);
  for (i = 0; i < m->feed_forward; ++i) {
    const float positive = space->hidden[i] > 0 ? space->hidden[i] : 0;
    space->hidden[i] = positive * positive;
  }
  multiply(&layer->feed_forward_value, space->hidden, space->mixed);
  for (i = 0; i < m->width; ++i) space->x[i] += space->mixed[i];
}

size_t values_of_state(const weights* w) { return w->layers * (2 * w->width + w->width * w->head_size); }

int rwkv7_step(const weights* w, workspace* space, float* state, const float* row, int32_t (*cancelled)(void* user),
               void* user) {
  const size_t width = w->width;
  size_t i;
  normalise(row, width, w->epsilon, w->embedding_norm.weight, w->embedding_norm.bias, space->x);
  for (i = 0; i < w->layers; ++i) {
    const layer_weights* layer = &w->layer[i];
    float* attention_previous = state + i * (2 * width + width * w->head_size);
    float* feed_forward_previous = attention_previous + width;
    if (cancelled(user) != 0) return 1;
    normalise(space->x, width, w->epsilon, layer->attention_norm.weight, layer->attention_norm.bias, space->in);
    time_mixing(w, i, space, attention_previous, feed_forward_previous + width);
    memcpy(attention_previous, space->in, width * sizeof *state);
    normalise(space->x, width, w->epsilon, layer->feed_forward_norm.weight, layer->feed_forward_norm.bias, space->in);
    channel_mixing(w, layer, space, feed_forward_previous);
    memcpy(feed_forward_previous, space->in, width * sizeof *state);
  }
  normalise(space->x, width, w->epsilon, w->output_norm.weight, w->output_norm.bias, space->x);
  return 0;
}

void rwkv7_logits(const weights* w, const float* row, float* logits) { multiply(&w->head, row, logits); }

int workspace_make(workspace* space, const weights* w) {
  float** const parts[] = {&space->x, &space->in, &space->mixed, &space->r,  &space->w, &space->k,
                           &space->v, &space->a,  &space->g,     &space->kk, &space->y, &space->first_value};
  const size_t count = sizeof parts / sizeof *parts;
  size_t i;
  space->all = calloc(count * w->width + w->longest_rank + w->feed_forward, sizeof *space->all);
  if (space->all == NULL) return 0;
  for (i = 0; i < count; ++i) *parts[i] = space->all + i * w->width;
  space->rank = space->all + count * w->width;
  space->hidden = space->rank + w->longest_rank;
  return 1;
}

void workspace_free(workspace* space) { free(space->all); }
