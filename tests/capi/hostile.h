/* Every function with arguments of all kinds, by number. */
#ifndef RWKV_TESTS_HOSTILE_H
#define RWKV_TESTS_HOSTILE_H

#include "c_test.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The runtime and model that harmless arguments name, and a handle that was released. */
void hostile_begin(struct client* client);

int hostile_count(void);
const char* hostile_name(int function);
/* Calls it; each argument is chosen by some bits of `choice`. Returns what it returns if that is an `int`, else 0. */
int hostile_call(int function, unsigned long long choice);

#ifdef __cplusplus
}
#endif
#endif
