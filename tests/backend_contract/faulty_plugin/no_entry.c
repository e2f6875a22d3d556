/* A library that is no plugin. */
#include "rwkv_backend.h"

RWKV_BACKEND_EXPORT int something_else(void);
int something_else(void) { return 1; }
