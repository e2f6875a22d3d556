#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The longest beginning of `text` that fits into `room` bytes and ends where a character of UTF-8 does. */
static size_t whole_characters(const char* text, size_t length, size_t room) {
  if (length <= room) return length;
  length = room;
  while (length > 0 && ((unsigned char)text[length] & 0xC0u) == 0x80u) --length;
  return length;
}

void copy_text(char* field, size_t room, const char* text, size_t length) {
  length = whole_characters(text, length, room - 1);
  memcpy(field, text, length);
  field[length] = '\0';
}

rwkv_backend_code fail(rwkv_backend_error* error, rwkv_backend_code code, const char* format, ...) {
  char text[2 * sizeof error->text];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  copy_text(error->text, sizeof error->text, text, strlen(text));
  return code;
}
