#include "weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

/* No model is larger; keeps all products of two of them far below 2^64. */
enum { MOST_LAYERS = 4096, MOST_WIDTH = 1 << 20 };

/* Looks up tensors until one is wrong: the first error stays, later calls do nothing. */
typedef struct lookup {
  weights* w;
  const gguf_file* file;
  rwkv_backend_error* error;
  rwkv_backend_code code;
  char prefix[32]; /* of names, for example "blk.3." */
} lookup;

static float half_to_float(uint16_t half) {
  const uint32_t sign = (uint32_t)(half >> 15) << 31;
  const uint32_t exponent = half >> 10 & 31;
  uint32_t bits = (uint32_t)(half & 1023) << 13;
  float value;
  if (exponent == 0) { /* zero and subnormals: multiples of 2^-24 */
    value = (float)(half & 1023) / 16777216.0f;
    memcpy(&bits, &value, sizeof bits);
  } else {
    bits |= (exponent == 31 ? 255u : exponent + 112u) << 23;
  }
  bits |= sign;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static const float* convert(lookup* l, const gguf_tensor* tensor) {
  float* values = malloc((size_t)tensor->values * sizeof *values);
  uint64_t i;
  if (values == NULL) {
    l->code = fail(l->error, RWKV_BACKEND_OUT_OF_MEMORY, "not enough memory for the weights of '%s'", l->file->path);
    return NULL;
  }
  l->w->owned[l->w->owned_count++] = values;
  l->w->halves += tensor->values;
  for (i = 0; i < tensor->values; ++i) {
    const uint8_t* half = tensor->data + 2 * i;
    values[i] = half_to_float((uint16_t)(half[0] | half[1] << 8));
  }
  return values;
}

static void mix(uint64_t* hash, uint64_t value) {
  *hash = (*hash ^ value) * 0x100000001B3u;
  *hash ^= *hash >> 31;
}

/* A tuned copy of a model has the same names and sizes, so a few values of each tensor go into the fingerprint. */
static void mix_samples(uint64_t* hash, const gguf_tensor* tensor) {
  const uint64_t bytes = tensor->values * (tensor->type == GGUF_F32 ? 4 : 2);
  uint64_t at = bytes / 2;
  const uint64_t end = at + 64 < bytes ? at + 64 : bytes;
  mix(hash, tensor->values);
  for (; at < end; ++at) mix(hash, tensor->data[at]);
}

/* The values of tensor PREFIX NAME, `rows` rows of `columns` of them; rows 0: any number, given back. */
static const float* find(lookup* l, const char* name, uint64_t* rows, uint64_t columns) {
  char whole[96];
  const gguf_tensor* tensor;
  if (l->code != RWKV_BACKEND_OK) return NULL;
  snprintf(whole, sizeof whole, "%s%s", l->prefix, name);
  tensor = gguf_find(l->file, whole);
  if (tensor == NULL) {
    l->code = fail(l->error, RWKV_BACKEND_BAD_FILE, "'%s' lacks the tensor %s: convert it anew", l->file->path, whole);
    return NULL;
  }
  if (*rows == 0) *rows = tensor->values / columns;
  if (tensor->values != *rows * columns || *rows > MOST_WIDTH) {
    l->code = fail(l->error, RWKV_BACKEND_BAD_FILE, "'%s': tensor %s has %llu values, not %llu: convert it anew",
                   l->file->path, whole, (unsigned long long)tensor->values, (unsigned long long)(*rows * columns));
    return NULL;
  }
  mix_samples(&l->w->fingerprint, tensor);
  l->w->parameters += tensor->values;
  if (tensor->type == GGUF_F16) return convert(l, tensor);
  return (const float*)(const void*)tensor->data; /* aligned to 4: gguf_open has looked */
}

static const float* vector(lookup* l, const char* name, uint64_t values) {
  uint64_t rows = 1;
  return find(l, name, &rows, values);
}

static matrix find_matrix(lookup* l, const char* name, size_t rows, size_t columns) {
  uint64_t found = rows;
  matrix m = {NULL, 0, columns};
  m.values = find(l, name, &found, columns);
  m.rows = (size_t)found;
  return m;
}

static norm_weights find_norm(lookup* l, const char* name) {
  norm_weights norm;
  char whole[64];
  snprintf(whole, sizeof whole, "%s.weight", name);
  norm.weight = vector(l, whole, l->w->width);
  snprintf(whole, sizeof whole, "%s.bias", name);
  norm.bias = vector(l, whole, l->w->width);
  return norm;
}

static lora find_lora(lookup* l, char letter, int with_offset) {
  const size_t width = l->w->width;
  lora found = {NULL, {NULL, 0, 0}, {NULL, 0, 0}};
  char name[32];
  if (with_offset) {
    snprintf(name, sizeof name, "time_mix_%c0.weight", letter);
    found.offset = vector(l, name, width);
  }
  snprintf(name, sizeof name, "time_mix_%c1.weight", letter);
  found.first = find_matrix(l, name, 0, width);
  snprintf(name, sizeof name, "time_mix_%c2.weight", letter);
  if (l->code == RWKV_BACKEND_OK) found.second = find_matrix(l, name, width, found.first.rows);
  if (found.first.rows > l->w->longest_rank) l->w->longest_rank = found.first.rows;
  return found;
}

static void find_layer(lookup* l, size_t index) {
  layer_weights* layer = &l->w->layer[index];
  const size_t width = l->w->width;
  snprintf(l->prefix, sizeof l->prefix, "blk.%lu.", (unsigned long)index);
  layer->attention_norm = find_norm(l, "attn_norm");
  layer->feed_forward_norm = find_norm(l, "attn_norm_2");
  layer->group_norm = find_norm(l, "time_mix_ln");
  layer->lerp = vector(l, "time_mix_lerp_fused.weight", 6 * (uint64_t)width);
  layer->receptance = find_matrix(l, "time_mix_receptance.weight", width, width);
  layer->key = find_matrix(l, "time_mix_key.weight", width, width);
  layer->value = find_matrix(l, "time_mix_value.weight", width, width);
  layer->output = find_matrix(l, "time_mix_output.weight", width, width);
  layer->decay = find_lora(l, 'w', 1);
  layer->rate = find_lora(l, 'a', 1);
  if (index > 0) layer->residual = find_lora(l, 'v', 1);
  layer->gate = find_lora(l, 'g', 0);
  layer->k_k = vector(l, "time_mix_k_k.weight", width);
  layer->k_a = vector(l, "time_mix_k_a.weight", width);
  layer->r_k = vector(l, "time_mix_r_k.weight", width);
  layer->feed_forward_lerp = vector(l, "channel_mix_lerp_k.weight", width);
  layer->feed_forward_key = find_matrix(l, "channel_mix_key.weight", l->w->feed_forward, width);
  layer->feed_forward_value = find_matrix(l, "channel_mix_value.weight", width, l->w->feed_forward);
}

rwkv_backend_code weights_measure(const gguf_file* file, uint64_t* mapped, uint64_t* owned, rwkv_backend_error* error) {
  size_t i;
  const gguf_text a = file->architecture;
  *mapped = *owned = 0;
  if (a.data == NULL || a.length != 5 || memcmp(a.data, "rwkv7", 5) != 0) {
    return fail(error, RWKV_BACKEND_UNSUPPORTED, "'%s' holds a model of architecture '%.*s'; this backend runs rwkv7",
                file->path, (int)(a.length < 32 ? a.length : 32), a.data == NULL ? "" : a.data);
  }
  if (file->block_count < 1 || file->block_count > MOST_LAYERS || file->embedding_length < 1 ||
      file->embedding_length > MOST_WIDTH || file->feed_forward_length < 1 || file->feed_forward_length > MOST_WIDTH ||
      file->head_size < 1 || file->embedding_length % file->head_size != 0 || !(file->epsilon >= 0)) {
    return fail(error, RWKV_BACKEND_BAD_FILE, "'%s': the numbers of its header do not fit together: convert it anew",
                file->path);
  }
  for (i = 0; i < file->tensor_count; ++i) {
    const gguf_tensor* tensor = &file->tensors[i];
    if (tensor->data == NULL) {
      return fail(error, RWKV_BACKEND_UNSUPPORTED,
                  "'%s' has quantised tensors (type %lu of ggml); this backend reads F32 and F16: convert it to one of "
                  "those",
                  file->path, (unsigned long)tensor->type);
    }
    if (tensor->type == GGUF_F32) *mapped += 4 * tensor->values;
    if (tensor->type == GGUF_F16) *owned += 4 * tensor->values;
  }
  return RWKV_BACKEND_OK;
}

rwkv_backend_code weights_read(weights* w, const gguf_file* file, int (*go_on)(void* user, float share), void* user,
                               rwkv_backend_error* error) {
  lookup l = {NULL, NULL, NULL, RWKV_BACKEND_OK, ""};
  uint64_t mapped, owned;
  size_t i;
  memset(w, 0, sizeof *w);
  l.w = w;
  l.file = file;
  l.error = error;
  l.code = weights_measure(file, &mapped, &owned, error);
  if (l.code != RWKV_BACKEND_OK) return l.code;
  w->layers = (size_t)file->block_count;
  w->width = (size_t)file->embedding_length;
  w->head_size = (size_t)file->head_size;
  w->heads = w->width / w->head_size;
  w->feed_forward = (size_t)file->feed_forward_length;
  w->epsilon = file->epsilon;
  w->fingerprint = 0xCBF29CE484222325u;
  mix(&w->fingerprint, w->head_size);
  w->layer = calloc(w->layers, sizeof *w->layer);
  w->owned = calloc(file->tensor_count, sizeof *w->owned);
  if (w->layer == NULL || w->owned == NULL) {
    return fail(error, RWKV_BACKEND_OUT_OF_MEMORY, "not enough memory for the weights of '%s'", file->path);
  }
  w->embedding = find_matrix(&l, "token_embd.weight", 0, w->width);
  w->embedding_norm = find_norm(&l, "token_embd_norm");
  w->output_norm = find_norm(&l, "output_norm");
  w->head = find_matrix(&l, "output.weight", w->embedding.rows, w->width);
  w->vocabulary = w->embedding.rows;
  for (i = 0; i < w->layers && l.code == RWKV_BACKEND_OK; ++i) {
    if (go_on(user, (float)i / (float)w->layers) != 0) {
      return fail(error, RWKV_BACKEND_CANCELLED, "cancelled by the caller");
    }
    find_layer(&l, i);
  }
  return l.code;
}

void weights_free(weights* w) {
  size_t i;
  for (i = 0; i < w->owned_count; ++i) free(w->owned[i]);
  free(w->owned);
  free(w->layer);
  memset(w, 0, sizeof *w);
}
