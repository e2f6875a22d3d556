/* Errors of the reference plugin. */
#ifndef REFERENCE_FAIL_H
#define REFERENCE_FAIL_H

#include "rwkv_backend.h"

/* Writes the text, cut to fit and never in the middle of a character, and returns the code:
 * `return fail(error, RWKV_BACKEND_BAD_FILE, "'%s' is cut off", path);` */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
rwkv_backend_code fail(rwkv_backend_error* error, rwkv_backend_code code, const char* format, ...);

/* Copies a text into a field of `room` bytes of an info structure, cut in the same way. */
void copy_text(char* field, size_t room, const char* text, size_t length);

#endif
