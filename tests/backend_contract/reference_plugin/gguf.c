#include "gguf.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"

/* The types of values, as the GGUF specification numbers them. */
enum { U8, I8, U16, I16, U32, I32, F32, BOOL, TEXT, LIST, U64, I64, F64 };

static const size_t kTypeBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

typedef struct reader {
  const uint8_t* at;
  const uint8_t* end;
  int failed; /* something did not fit; what was read since is zeros */
} reader;

static const uint8_t* take(reader* r, uint64_t bytes) {
  const uint8_t* begin = r->at;
  if (r->failed || bytes > (uint64_t)(r->end - r->at)) {
    r->failed = 1;
    return NULL;
  }
  r->at += (size_t)bytes;
  return begin;
}

/* GGUF is little-endian whatever the machine is. */
static uint64_t take_number(reader* r, size_t bytes) {
  const uint8_t* begin = take(r, bytes);
  uint64_t value = 0;
  size_t i;
  for (i = bytes; begin != NULL && i-- > 0;) value = value << 8 | begin[i];
  return value;
}

static gguf_text take_text(reader* r) {
  gguf_text text = {NULL, 0};
  const uint64_t length = take_number(r, 8);
  const uint8_t* data = take(r, length);
  if (data == NULL) return text;
  text.data = (const char*)data;
  text.length = (size_t)length;
  return text;
}

static int equals(gguf_text text, const char* other) {
  return text.data != NULL && text.length == strlen(other) && memcmp(text.data, other, text.length) == 0;
}

/* Steps over a value of this type; lists of lists are not skipped but refused, no model has them. */
static void skip_value(reader* r, uint64_t type) {
  uint64_t count = 1;
  if (type == LIST) {
    type = take_number(r, 4);
    count = take_number(r, 8);
  }
  if (type == TEXT) {
    while (count-- > 0 && !r->failed) take_text(r);
  } else if (type <= F64 && type != LIST && count <= UINT64_MAX / 8) {
    take(r, count * kTypeBytes[type]);
  } else {
    r->failed = 1;
  }
}

/* The key without "ARCHITECTURE.", or null when it is another's. */
static const char* own_key(const gguf_file* file, gguf_text key, size_t* length) {
  const size_t prefix = file->architecture.length;
  if (file->architecture.data == NULL || key.length <= prefix || key.data[prefix] != '.') return NULL;
  if (memcmp(key.data, file->architecture.data, prefix) != 0) return NULL;
  *length = key.length - prefix - 1;
  return key.data + prefix + 1;
}

static void read_key(gguf_file* file, reader* r, uint64_t* alignment) {
  const gguf_text key = take_text(r);
  const uint64_t type = take_number(r, 4);
  gguf_text rest = {NULL, 0};
  uint64_t* number = NULL;
  if (r->failed) return;
  rest.data = own_key(file, key, &rest.length);
  if (equals(key, "general.alignment")) number = alignment;
  if (equals(rest, "block_count")) number = &file->block_count;
  if (equals(rest, "embedding_length")) number = &file->embedding_length;
  if (equals(rest, "feed_forward_length")) number = &file->feed_forward_length;
  if (equals(rest, "wkv.head_size")) number = &file->head_size;
  if (number != NULL && (type == U32 || type == U64)) {
    *number = take_number(r, kTypeBytes[type]);
  } else if (type == TEXT && equals(key, "general.architecture")) {
    file->architecture = take_text(r);
  } else if (type == TEXT && equals(key, "general.name")) {
    file->name = take_text(r);
  } else if (type == F32 && equals(rest, "attention.layer_norm_epsilon")) {
    const uint32_t bits = (uint32_t)take_number(r, 4);
    memcpy(&file->epsilon, &bits, sizeof bits);
  } else {
    skip_value(r, type);
  }
}

/* `offset` of the tensor's data counts from the end of the header, which is known only later. */
static void read_tensor(gguf_tensor* tensor, uint64_t* offset, reader* r) {
  uint64_t dimensions;
  uint64_t i;
  tensor->name = take_text(r);
  tensor->values = 1;
  dimensions = take_number(r, 4);
  if (dimensions < 1 || dimensions > 4) r->failed = 1;
  for (i = 0; i < dimensions && !r->failed; ++i) {
    const uint64_t size = take_number(r, 8);
    if (size == 0 || tensor->values > UINT64_MAX / 8 / size) {
      r->failed = 1;
      return;
    }
    tensor->values *= size;
    if (i == 0) tensor->row = size;
  }
  tensor->type = (uint32_t)take_number(r, 4);
  *offset = take_number(r, 8);
}

/* Where the tensors' data lie, for the types that this plugin reads; 0: not within the file. */
static int place_tensor(gguf_tensor* tensor, uint64_t offset, const uint8_t* data, const uint8_t* end) {
  const uint64_t room = (uint64_t)(end - data);
  uint64_t bytes;
  if (tensor->type != GGUF_F32 && tensor->type != GGUF_F16) return 1;
  bytes = tensor->values * (tensor->type == GGUF_F32 ? 4 : 2);
  if (offset % 4 != 0 || offset > room || bytes > room - offset) return 0;
  tensor->data = data + (size_t)offset;
  return 1;
}

int gguf_is(const rwkv_backend_source* source) {
  return !source->is_folder && source->size >= 8 && memcmp(source->bytes, "GGUF", 4) == 0;
}

rwkv_backend_code gguf_open(gguf_file* file, const rwkv_backend_source* source, rwkv_backend_error* error) {
  const uint8_t* begin = (const uint8_t*)source->bytes;
  const uint8_t* data;
  reader r = {NULL, NULL, 0};
  uint64_t version, tensors, keys, i, header;
  uint64_t alignment = 32;
  uint64_t* offsets;
  memset(file, 0, sizeof *file);
  file->path = source->path;
  if (source->is_folder) return fail(error, RWKV_BACKEND_IO, "'%s' is a folder, not a file", source->path);
  if (!gguf_is(source)) return fail(error, RWKV_BACKEND_BAD_FILE, "'%s' is not a GGUF file", source->path);
  r.at = begin + 4;
  r.end = begin + (size_t)source->size;
  version = take_number(&r, 4);
  if (version != 2 && version != 3) {
    return fail(error, RWKV_BACKEND_UNSUPPORTED, "'%s' is GGUF of version %lu, not 2 or 3", source->path,
                (unsigned long)version);
  }
  tensors = take_number(&r, 8);
  keys = take_number(&r, 8);
  for (i = 0; i < keys && !r.failed; ++i) read_key(file, &r, &alignment);
  /* A tensor takes 24 bytes of header at least, so this bounds what is allocated by the size of the file. */
  if (r.failed || tensors > (uint64_t)(r.end - r.at) / 24) goto damaged;
  file->tensors = calloc((size_t)tensors + 1, sizeof *file->tensors);
  offsets = calloc((size_t)tensors + 1, sizeof *offsets);
  if (file->tensors == NULL || offsets == NULL) {
    free(offsets);
    return fail(error, RWKV_BACKEND_OUT_OF_MEMORY, "not enough memory for the list of tensors of '%s'", source->path);
  }
  file->tensor_count = (size_t)tensors;
  for (i = 0; i < tensors && !r.failed; ++i) read_tensor(&file->tensors[i], &offsets[i], &r);
  if (alignment < 4 || alignment > 65536 || (alignment & (alignment - 1)) != 0) r.failed = 1;
  if (!r.failed) {
    header = (uint64_t)(r.at - begin);
    header = (header + alignment - 1) / alignment * alignment;
    data = header <= source->size ? begin + (size_t)header : r.end;
    for (i = 0; i < tensors; ++i) {
      if (!place_tensor(&file->tensors[i], offsets[i], data, r.end)) r.failed = 1;
    }
  }
  free(offsets);
  if (!r.failed) return RWKV_BACKEND_OK;
damaged:
  return fail(error, RWKV_BACKEND_BAD_FILE, "'%s' is cut off or damaged: download it again", source->path);
}

void gguf_close(gguf_file* file) {
  free(file->tensors);
  file->tensors = NULL;
}

const gguf_tensor* gguf_find(const gguf_file* file, const char* name) {
  size_t i;
  for (i = 0; i < file->tensor_count; ++i) {
    if (equals(file->tensors[i].name, name)) return &file->tensors[i];
  }
  return NULL;
}
