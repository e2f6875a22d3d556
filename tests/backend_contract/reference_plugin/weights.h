/* The weights of an RWKV-7 model, as float32. */
#ifndef REFERENCE_WEIGHTS_H
#define REFERENCE_WEIGHTS_H

#include "gguf.h"

/* y = W x with W of rows x columns, row-major. */
typedef struct matrix {
  const float* values;
  size_t rows, columns;
} matrix;

typedef struct norm_weights {
  const float *weight, *bias; /* `width` values each */
} norm_weights;

/* A function of two small matrices, W2 f(W1 x), with an offset of `width` values: tensors w0, w1, w2 and so on. */
typedef struct lora {
  const float* offset; /* null: none */
  matrix first, second;
} lora;

typedef struct layer_weights {
  norm_weights attention_norm, feed_forward_norm, group_norm;
  const float* lerp; /* 6 x width, in the order r w k v a g */
  matrix receptance, key, value, output;
  lora decay, rate, residual, gate; /* w, a, v (not in the first layer), g */
  const float *k_k, *k_a, *r_k;
  const float* feed_forward_lerp;
  matrix feed_forward_key, feed_forward_value;
} layer_weights;

typedef struct weights {
  size_t layers, width, heads, head_size, feed_forward, vocabulary;
  size_t longest_rank; /* of all LoRAs */
  float epsilon;
  uint64_t parameters;
  uint64_t fingerprint;
  uint64_t halves; /* how many of the parameters are F16 in the file */
  matrix embedding, head;
  norm_weights embedding_norm, output_norm;
  layer_weights* layer;
  float** owned; /* what was converted from F16 */
  size_t owned_count;
} weights;

/* What reading the weights is going to take: bytes used where they lie in the file, and bytes of our own. Checks the
 * architecture, the numbers of the header and that no tensor is quantised. */
rwkv_backend_code weights_measure(const gguf_file* file, uint64_t* mapped, uint64_t* owned, rwkv_backend_error* error);

/* Looks up and checks all tensors. F32 is used where it lies in the file, which must outlive *w; F16 is converted.
 * `go_on(user, share)` is asked between layers with the share that is done; an answer other than 0 ends it as
 * cancelled. weights_free frees what was made, after a failure too. */
rwkv_backend_code weights_read(weights* w, const gguf_file* file, int (*go_on)(void* user, float share), void* user,
                               rwkv_backend_error* error);
void weights_free(weights* w);

#endif
