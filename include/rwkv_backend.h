/* clang-format off */
/* A backend as a library of its own: what librwkv_backend_NAME.so (.dylib, .dll) offers to librwkv_mobile.
 *
 * A backend computes RWKV models. The library exports one C function, rwkv_backend_entry, that returns a table of
 * functions. Nothing else is shared: neither a C++ type nor an allocator crosses the border. docs/PLUGINS.md shows how to
 * write one; tests/backend_contract/reference_plugin is a complete one in plain C.
 *
 * Versions
 *  - RWKV_BACKEND_ABI_VERSION is raised when a function, a structure or the meaning of one changes. The host takes a table
 *    with exactly its own number.
 *  - Within a version only the structures that begin with `struct_size` grow, at their end. The side that makes one (the
 *    plugin: the table; the host: all others) sets `struct_size` to sizeof. The other side reads no field beyond that size,
 *    and a plugin that fills a structure writes none beyond it. Structures without the field never change within a version.
 *
 * Errors
 *  - A function that can fail returns an rwkv_backend_code and, unless that is RWKV_BACKEND_OK, has written a text into
 *    `error` that says what was wrong, where, and what to do about it; never text of a prompt.
 *  - Nothing is thrown across: C++ exceptions and Rust panics are caught in the plugin. Nothing aborts, exits, prints to
 *    stdout or stderr, or changes signal handlers. Other messages go to rwkv_backend_host.log.
 *
 * Ownership
 *  - Arguments belong to the host and are valid until the function returns, except where a comment says longer. Models and
 *    sequences belong to the plugin; the host gives each of them back, all sequences of a model before the model.
 *  - A pointer may be null only where a comment says so. Strings are UTF-8 and end with a NUL.
 *
 * Threads
 *  - Functions without a model or sequence may be called from any thread, several at once.
 *  - Functions of one model and its sequences are called by one thread at a time, not always the same one. Different models
 *    may be used at the same time.
 *  - The host's callbacks may be called from any thread, but only until the function that they were passed to returns; log
 *    at any time.
 *
 * Process
 *  - The host never unloads the library.
 */
/* clang-format on */
#ifndef RWKV_BACKEND_H
#define RWKV_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define RWKV_BACKEND_EXPORT __declspec(dllexport)
#else
#define RWKV_BACKEND_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define RWKV_BACKEND_ABI_VERSION 1u

/* The name of the one exported function. */
#define RWKV_BACKEND_ENTRY "rwkv_backend_entry"

/* What kind of thing went wrong. */
typedef int32_t rwkv_backend_code;
enum {
  RWKV_BACKEND_OK = 0,
  RWKV_BACKEND_INVALID_ARGUMENT = 1, /* the caller passed something that can never work */
  RWKV_BACKEND_NOT_FOUND = 2,        /* a file does not exist */
  RWKV_BACKEND_IO = 3,               /* reading failed */
  RWKV_BACKEND_BAD_FILE = 4,         /* a file is cut, damaged or not what it should be */
  RWKV_BACKEND_UNSUPPORTED = 5,      /* a valid wish that this backend, machine or model cannot fulfil */
  RWKV_BACKEND_OUT_OF_MEMORY = 6,    /* memory or another bounded resource, sequences for example, is used up */
  RWKV_BACKEND_CANCELLED = 7,        /* a callback of the host asked to stop */
  RWKV_BACKEND_EVALUATION = 8,       /* computing failed */
  RWKV_BACKEND_INTERNAL = 9          /* a defect of the backend */
};

/* Belongs to the host, which empties `text` before each call. */
typedef struct rwkv_backend_error {
  char text[1024]; /* cut to fit, on a border of characters */
} rwkv_backend_error;

enum { RWKV_BACKEND_LOG_DEBUG = 0, RWKV_BACKEND_LOG_INFO = 1, RWKV_BACKEND_LOG_WARN = 2, RWKV_BACKEND_LOG_ERROR = 3 };

/* What the host is. Valid as long as the process lives. */
typedef struct rwkv_backend_host {
  size_t struct_size;
  uint32_t abi_version; /* RWKV_BACKEND_ABI_VERSION of the host */
  void (*log)(int32_t level, const char* text);
} rwkv_backend_host;

/* A model on disk. The whole structure, `bytes` too, is valid until the model loaded from it is released. */
typedef struct rwkv_backend_source {
  size_t struct_size;
  const char* path;  /* of a file or a folder */
  int32_t is_folder; /* 1: a folder, 0: a file */
  /* The content of a file, mapped read-only, `size` bytes; null for a folder. Weights may be used where they lie. Pages
   * that another process cuts off meanwhile read as zeros; the host notices and makes the evaluation an error. */
  const void* bytes;
  uint64_t size;
} rwkv_backend_source;

enum { RWKV_BACKEND_DEVICE_CPU = 0, RWKV_BACKEND_DEVICE_GPU = 1, RWKV_BACKEND_DEVICE_NPU = 2 };

typedef struct rwkv_backend_device {
  size_t struct_size;
  char id[64];          /* a client selects the device by it: "cpu", "vulkan0"; stable while the process lives */
  char name[128];       /* for people */
  int32_t kind;         /* RWKV_BACKEND_DEVICE_* */
  uint64_t total_bytes; /* its own memory; 0 where it uses the host's, or unknown */
  uint64_t free_bytes;  /* of those, now */
} rwkv_backend_device;

/* An option that one backend has. */
typedef struct rwkv_backend_setting_info {
  const char* key;
  const char* meaning; /* for people, with the values that it can have */
} rwkv_backend_setting_info;

typedef struct rwkv_backend_setting {
  const char* key;
  const char* value;
} rwkv_backend_setting;

typedef struct rwkv_backend_options {
  size_t struct_size;
  const char* device;    /* id of one of the devices; null: the backend chooses */
  int32_t threads;       /* threads to compute with; 0: the backend chooses. It may use fewer */
  int32_t max_sequences; /* sequences that can exist at once, 1 or more */
  /* Keys that the table lists, each at most once. A bad value is RWKV_BACKEND_INVALID_ARGUMENT, with a text that names
   * the key and what it may be. Null when there are none. */
  const rwkv_backend_setting* settings;
  size_t setting_count;
  /* Both may be null. `progress` gets the share that is loaded, from 0 to 1, not decreasing. A value other than 0 from
   * either ends the load with RWKV_BACKEND_CANCELLED; `cancelled` is to be asked every few milliseconds. */
  int32_t (*progress)(void* user, float share);
  int32_t (*cancelled)(void* user);
  void* user;
} rwkv_backend_options;

/* Bytes that a loaded model takes once all its sequences are in use. */
typedef struct rwkv_backend_memory {
  size_t struct_size;
  uint64_t mapped;    /* weights that are used where they lie in the file */
  uint64_t owned;     /* the rest in the host's memory: states, buffers, weights in another form */
  uint64_t on_device; /* in the device's own memory */
  uint64_t reserved;  /* addresses beside those that are hardly written to, at the worst moment of a load */
} rwkv_backend_memory;

/* What an evaluation gives for one sequence. */
enum {
  RWKV_BACKEND_OUTPUT_NONE = 0,        /* nothing */
  RWKV_BACKEND_OUTPUT_LAST_LOGITS = 1, /* `vocabulary` values, of the last token */
  RWKV_BACKEND_OUTPUT_ALL_LOGITS = 2,  /* count x vocabulary values, row-major, a row a token */
  RWKV_BACKEND_OUTPUT_LAST_HIDDEN = 3  /* `width` values: the last token's row after the final norm, which the output
                                          matrix multiplies to make the logits */
};

enum {
  /* Bytes that mean something to this backend only. */
  RWKV_BACKEND_STATE_OPAQUE = 0,
  /* The numbers themselves, so that other backends can go on from the state: float32 of the host's byte order; for each
   * layer the last normalised input of the time mixing (`width` values), that of the channel mixing (`width`), then
   * `heads` matrices of head_size x head_size, row-major: rows are values and columns keys in RWKV-7, rows keys and
   * columns values in RWKV-6. */
  RWKV_BACKEND_STATE_NUMBERS = 1
};

typedef struct rwkv_backend_model_info {
  size_t struct_size;
  char architecture[16]; /* "rwkv6" or "rwkv7" */
  char name[256];        /* the file's own name for the model, may be empty */
  char weight_type[32];  /* dominant type of the weights, for example "F16" */
  char device[64];       /* id of the device that it runs on */
  int32_t layers;
  int32_t width; /* length of an embedding row */
  int32_t heads;
  int32_t head_size;
  int32_t vocabulary; /* rows of the embedding = number of logits */
  int32_t threads;    /* of the host that evaluate uses now, 1 or more */
  uint64_t parameters;
  uint64_t state_bytes; /* what save writes, always as many */
  uint64_t fingerprint; /* tells models apart whose states cannot be exchanged; the same for the same weights, always */
  int32_t state_form;   /* RWKV_BACKEND_STATE_* */
  /* Numbers of sequences that one evaluate steps together, ascending, the first 1. The model's, until it is released.
   * The largest is how many sequences can exist. */
  const int32_t* batch_sizes;
  size_t batch_size_count;
  int32_t longest_call_ms; /* the longest that evaluate goes without asking `cancelled`, 1 or more */
  /* The state after a text is the same, bit for bit, however the text was cut into evaluations of its sequence alone,
   * as long as each had at least `stable_chunk` tokens and each border is a multiple of `stable_grid`. 1 or more. */
  int32_t stable_chunk;
  int32_t stable_grid;
  /* 1: one token at a time, alone or together with other sequences, gives the same bits as many at once. Then
   * stable_chunk and stable_grid are 1. */
  int32_t decode_equals_prefill;
  int32_t logit_rows;       /* tokens of one evaluate that can have RWKV_BACKEND_OUTPUT_ALL_LOGITS; 0: none */
  int32_t gives_hidden;     /* 1: RWKV_BACKEND_OUTPUT_LAST_HIDDEN may be asked for */
  int32_t takes_embeddings; /* 1: rwkv_backend_item.embeddings may be used */
} rwkv_backend_model_info;

typedef struct rwkv_backend_model rwkv_backend_model;
typedef struct rwkv_backend_sequence rwkv_backend_sequence;

/* A sequence's share of one evaluation. */
typedef struct rwkv_backend_item {
  rwkv_backend_sequence* sequence;
  /* One of the two is null. Token ids, `count` of them, each in [0, vocabulary); or rows of `width` values, `count` of
   * them, row-major, which stand where rows of the embedding matrix would: before the model's first norm. */
  const int32_t* tokens;
  const float* embeddings;
  size_t count;   /* 1 or more */
  int32_t output; /* RWKV_BACKEND_OUTPUT_*, one that info offers */
  /* Set by evaluate: as many values as `output` says, in memory of the model that is valid until its next evaluate or
   * its release; null and 0 when nothing was asked for. */
  const float* result;
  size_t result_count;
} rwkv_backend_item;

/* The table. It and its strings live as long as the process. No function is null. */
typedef struct rwkv_backend_api {
  size_t struct_size;
  uint32_t abi_version; /* RWKV_BACKEND_ABI_VERSION of the plugin */

  const char* name;                          /* clients select the backend by it: the NAME in the library's file name */
  const char* version;                       /* of the plugin, for people */
  const char* description;                   /* a line for people: what it computes with, which files it reads */
  const rwkv_backend_setting_info* settings; /* that a client can set; null where there are none */
  size_t setting_count;

  /* Whether it can run on this machine; RWKV_BACKEND_UNSUPPORTED with the reason when it cannot. Cheap, asked often. */
  rwkv_backend_code (*available)(rwkv_backend_error* error);

  /* Devices are numbered from 0 on, the best first. Asked again for free memory. `index` < device_count(). */
  size_t (*device_count)(void);
  rwkv_backend_code (*device)(size_t index, rwkv_backend_device* device, rwkv_backend_error* error);

  /* How well the source suits, by its content and never by its name alone: 0 not at all, 50 a format that it reads, up
   * to 100 one that is made for it. Reads no more than it must; says nothing about whether the rest is whole. */
  int32_t (*match)(const rwkv_backend_source* source);

  /* The memory that load is going to take, from the source's header alone. Fails as load does where the header is
   * wrong. */
  rwkv_backend_code (*estimate)(const rwkv_backend_source* source, const rwkv_backend_options* options,
                                rwkv_backend_memory* memory, rwkv_backend_error* error);

  /* Checks all sizes and offsets of the source, then loads it. *model is set on success only. */
  rwkv_backend_code (*load)(const rwkv_backend_source* source, const rwkv_backend_options* options,
                            rwkv_backend_model** model, rwkv_backend_error* error);
  /* Frees the model, whose sequences are all freed already. */
  void (*release)(rwkv_backend_model* model);

  /* Everything but `threads` stays the same as long as the model lives. */
  rwkv_backend_code (*info)(const rwkv_backend_model* model, rwkv_backend_model_info* info, rwkv_backend_error* error);
  /* The number of threads that evaluate uses from now on, 1 or more. Does nothing where there are no threads of its
   * own. */
  rwkv_backend_code (*set_threads)(rwkv_backend_model* model, int32_t threads, rwkv_backend_error* error);

  /* A sequence at the zero state. RWKV_BACKEND_OUT_OF_MEMORY when as many exist as there can be. */
  rwkv_backend_code (*create_sequence)(rwkv_backend_model* model, rwkv_backend_sequence** sequence,
                                       rwkv_backend_error* error);
  void (*free_sequence)(rwkv_backend_sequence* sequence);
  /* Puts the sequence back to the zero state, also after an evaluation of it has failed. */
  rwkv_backend_code (*reset)(rwkv_backend_sequence* sequence, rwkv_backend_error* error);

  /* Copies the state into `bytes`, `size` = state_bytes of them. Restoring it into any sequence of the model, or of
   * another that was loaded from the same weights, and feeding the same tokens gives the same bits. The host keeps the
   * position, a checksum and the fingerprint beside the bytes. */
  rwkv_backend_code (*save)(const rwkv_backend_sequence* sequence, void* bytes, uint64_t size,
                            rwkv_backend_error* error);
  /* Takes a state that save has written. On an error the host resets the sequence. */
  rwkv_backend_code (*restore)(rwkv_backend_sequence* sequence, const void* bytes, uint64_t size,
                               rwkv_backend_error* error);

  /* Feeds each item's tokens or rows to its sequence. The items name different sequences of the model and may differ in
   * length; the host has checked them against the model's info. `cancelled(user)` is asked at least once in
   * longest_call_ms; a value other than 0 ends the evaluation with RWKV_BACKEND_CANCELLED. After
   * RWKV_BACKEND_INVALID_ARGUMENT nothing has changed; after any other error the host resets the sequences of all
   * items. */
  rwkv_backend_code (*evaluate)(rwkv_backend_model* model, rwkv_backend_item* items, size_t count,
                                int32_t (*cancelled)(void* user), void* user, rwkv_backend_error* error);
} rwkv_backend_api;

/* The table, or null when the plugin does not work with a host of this version. Called once, when the library has been
 * opened; cheap: devices are opened when they are asked for. */
typedef const rwkv_backend_api* (*rwkv_backend_entry_function)(const rwkv_backend_host* host);
RWKV_BACKEND_EXPORT const rwkv_backend_api* rwkv_backend_entry(const rwkv_backend_host* host);

#ifdef __cplusplus
}
#endif

#endif /* RWKV_BACKEND_H */
