/* A bounded reader of GGUF files: numbers, short texts and tensors. Every count, size and offset is checked against the
 * file before it is used; a hostile file is refused, never read past its end. */
#ifndef REFERENCE_GGUF_H
#define REFERENCE_GGUF_H

#include "rwkv_backend.h"

enum { GGUF_F32 = 0, GGUF_F16 = 1 }; /* types of tensors that this plugin computes with */

typedef struct gguf_text {
  const char* data; /* in the file, no NUL at the end; null: absent */
  size_t length;
} gguf_text;

typedef struct gguf_tensor {
  gguf_text name;
  uint32_t type;       /* ggml's number */
  uint64_t values;     /* how many; the product of the dimensions */
  uint64_t row;        /* the first dimension, whose values lie side by side */
  const uint8_t* data; /* of tensors of type F32 and F16, whole and in the file; null: of another type */
} gguf_tensor;

typedef struct gguf_file {
  const char* path;
  gguf_text architecture;
  gguf_text name;
  /* Of the keys "ARCHITECTURE.NAME"; 0 where the file has none. */
  uint64_t block_count, embedding_length, feed_forward_length, head_size;
  float epsilon;
  gguf_tensor* tensors;
  size_t tensor_count;
} gguf_file;

/* Looks at the first bytes only: whether it is a GGUF file. */
int gguf_is(const rwkv_backend_source* source);

/* Reads the header. The file must outlive *file; gguf_close frees the list of tensors, after a failure too. */
rwkv_backend_code gguf_open(gguf_file* file, const rwkv_backend_source* source, rwkv_backend_error* error);
void gguf_close(gguf_file* file);

/* The tensor of this name, or null. */
const gguf_tensor* gguf_find(const gguf_file* file, const char* name);

#endif
