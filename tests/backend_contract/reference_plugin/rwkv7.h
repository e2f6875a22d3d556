/* RWKV-7 token by token, after the RWKV-7 paper (Peng et al., "RWKV-7 Goose", 2025). */
#ifndef REFERENCE_RWKV7_H
#define REFERENCE_RWKV7_H

#include "weights.h"

/* A state is values_of_state(w) floats in the order of RWKV_BACKEND_STATE_NUMBERS; all zeros before the first token. */
size_t values_of_state(const weights* w);

/* Buffers for one token; of one thread. */
typedef struct workspace {
  float* all; /* what the others point into */
  float *x, *in, *mixed, *r, *w, *k, *v, *a, *g, *kk, *y, *first_value, *rank, *hidden;
} workspace;

/* 0: no memory. workspace_free frees it. */
int workspace_make(workspace* space, const weights* w);
void workspace_free(workspace* space);

/* Absorbs one row of the embedding (`width` values) into `state`. `space->x` is then the token's row after the final
 * norm. `cancelled(user)` is asked before each layer; 1: it said yes and the state is spoilt. */
int rwkv7_step(const weights* w, workspace* space, float* state, const float* row, int32_t (*cancelled)(void* user),
               void* user);

/* The logits (`vocabulary` values) that belong to a row after the final norm. */
void rwkv7_logits(const weights* w, const float* row, float* logits);

#endif
