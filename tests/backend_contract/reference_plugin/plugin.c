/* The reference plugin: RWKV-7 from a GGUF file in plain C, one token at a time on the calling thread. It is small
 * rather than fast, and the template for other plugins: this file answers the host, the others compute. */
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "rwkv7.h"

enum { MOST_SEQUENCES = 64 };

struct rwkv_backend_sequence {
  rwkv_backend_model* model;
  float* state;
};

struct rwkv_backend_model {
  weights weights;
  workspace space;
  char name[256];
  int32_t max_sequences;
  int32_t sequences; /* that exist */
  int32_t logit_rows;
  int32_t batch_sizes[MOST_SEQUENCES];
  float* results; /* of the last evaluate */
};

static rwkv_backend_code available(rwkv_backend_error* error) {
  (void)error; /* plain C runs everywhere */
  return RWKV_BACKEND_OK;
}

static size_t device_count(void) { return 1; }

static rwkv_backend_code device(size_t index, rwkv_backend_device* out, rwkv_backend_error* error) {
  (void)index;
  (void)error;
  copy_text(out->id, sizeof out->id, "cpu", 3);
  copy_text(out->name, sizeof out->name, "one thread of the processor", 27);
  out->kind = RWKV_BACKEND_DEVICE_CPU;
  return RWKV_BACKEND_OK;
}

static int32_t match(const rwkv_backend_source* source) {
  static const char key[] = "general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0rwkv7";
  const char* bytes = source->bytes;
  const size_t length = sizeof key - 1;
  size_t at;
  if (!gguf_is(source)) return 0;
  /* The key is among the first of every file. Content decides; who wants this backend of several names it. */
  for (at = 0; at < 4096 && at + length <= source->size; ++at) {
    if (memcmp(bytes + at, key, length) == 0) return 10;
  }
  return 0;
}

/* The values of settings are the plugin's to check; that the keys and the device are known the host has seen to. */
static const rwkv_backend_setting_info kSettings[] = {
    {"logit_rows", "how many tokens of one evaluation can have their logits, 0 to 65536 (512)"},
};

/* Sets *logit_rows and looks at the rest of what a load is asked for. */
static rwkv_backend_code read_options(const rwkv_backend_options* options, int32_t* logit_rows,
                                      rwkv_backend_error* error) {
  size_t i;
  *logit_rows = 512;
  for (i = 0; i < options->setting_count; ++i) {
    const char* value = options->settings[i].value;
    char* end;
    const long number = strtol(value, &end, 10);
    if (*value == '\0' || *end != '\0' || number < 0 || number > 65536) {
      return fail(error, RWKV_BACKEND_INVALID_ARGUMENT,
                  "the setting 'logit_rows' is '%s', not a number from 0 to 65536", value);
    }
    *logit_rows = (int32_t)number;
  }
  if (options->max_sequences < 1 || options->max_sequences > MOST_SEQUENCES) {
    return fail(error, RWKV_BACKEND_INVALID_ARGUMENT, "the number of sequences is %ld, not 1 to %d",
                (long)options->max_sequences, MOST_SEQUENCES);
  }
  return RWKV_BACKEND_OK;
}

static rwkv_backend_code estimate(const rwkv_backend_source* source, const rwkv_backend_options* options,
                                  rwkv_backend_memory* memory, rwkv_backend_error* error) {
  gguf_file file;
  int32_t logit_rows;
  rwkv_backend_code code = read_options(options, &logit_rows, error);
  if (code != RWKV_BACKEND_OK) return code;
  code = gguf_open(&file, source, error);
  if (code == RWKV_BACKEND_OK) code = weights_measure(&file, &memory->mapped, &memory->owned, error);
  if (code == RWKV_BACKEND_OK) {
    const uint64_t state = file.block_count * file.embedding_length * (2 + file.head_size) * sizeof(float);
    memory->owned += (uint64_t)options->max_sequences * state;
  }
  gguf_close(&file);
  return code;
}

static int32_t never(void* user) {
  (void)user;
  return 0;
}

static int go_on(void* user, float share) {
  const rwkv_backend_options* options = user;
  if (options->cancelled != NULL && options->cancelled(options->user) != 0) return 1;
  return options->progress != NULL && options->progress(options->user, share) != 0;
}

static void release(rwkv_backend_model* model) {
  workspace_free(&model->space);
  weights_free(&model->weights);
  free(model->results);
  free(model);
}

static rwkv_backend_code load(const rwkv_backend_source* source, const rwkv_backend_options* options,
                              rwkv_backend_model** out, rwkv_backend_error* error) {
  rwkv_backend_options copy = *options;
  rwkv_backend_model* model;
  gguf_file file;
  int32_t logit_rows;
  int32_t i;
  rwkv_backend_code code = read_options(options, &logit_rows, error);
  if (code != RWKV_BACKEND_OK) return code;
  model = calloc(1, sizeof *model);
  if (model == NULL) return fail(error, RWKV_BACKEND_OUT_OF_MEMORY, "not enough memory to load '%s'", source->path);
  model->logit_rows = logit_rows;
  model->max_sequences = options->max_sequences;
  for (i = 0; i < options->max_sequences; ++i) model->batch_sizes[i] = i + 1;
  code = gguf_open(&file, source, error);
  if (code == RWKV_BACKEND_OK) {
    copy_text(model->name, sizeof model->name, file.name.data == NULL ? "" : file.name.data, file.name.length);
    code = weights_read(&model->weights, &file, go_on, &copy, error);
  }
  gguf_close(&file);
  if (code == RWKV_BACKEND_OK && !workspace_make(&model->space, &model->weights)) {
    code = fail(error, RWKV_BACKEND_OUT_OF_MEMORY, "not enough memory to load '%s'", source->path);
  }
  if (code == RWKV_BACKEND_OK && go_on(&copy, 1.0f)) {
    code = fail(error, RWKV_BACKEND_CANCELLED, "cancelled by the caller");
  }
  if (code != RWKV_BACKEND_OK) {
    release(model);
    return code;
  }
  *out = model;
  return RWKV_BACKEND_OK;
}

static rwkv_backend_code info(const rwkv_backend_model* model, rwkv_backend_model_info* out,
                              rwkv_backend_error* error) {
  const weights* w = &model->weights;
  (void)error;
  copy_text(out->architecture, sizeof out->architecture, "rwkv7", 5);
  copy_text(out->name, sizeof out->name, model->name, strlen(model->name));
  copy_text(out->weight_type, sizeof out->weight_type, 2 * w->halves > w->parameters ? "F16" : "F32", 3);
  copy_text(out->device, sizeof out->device, "cpu", 3);
  out->layers = (int32_t)w->layers;
  out->width = (int32_t)w->width;
  out->heads = (int32_t)w->heads;
  out->head_size = (int32_t)w->head_size;
  out->vocabulary = (int32_t)w->vocabulary;
  out->threads = 1;
  out->parameters = w->parameters;
  out->state_bytes = values_of_state(w) * sizeof(float);
  out->fingerprint = w->fingerprint;
  out->state_form = RWKV_BACKEND_STATE_NUMBERS;
  out->batch_sizes = model->batch_sizes;
  out->batch_size_count = (size_t)model->max_sequences;
  /* Whatever is evaluated is evaluated token by token, with the same additions in the same order. */
  out->stable_chunk = 1;
  out->stable_grid = 1;
  out->decode_equals_prefill = 1;
  out->longest_call_ms = 1000; /* a layer of the largest model on the slowest machine */
  out->logit_rows = model->logit_rows;
  out->gives_hidden = 1;
  out->takes_embeddings = 1;
  return RWKV_BACKEND_OK;
}

static rwkv_backend_code set_threads(rwkv_backend_model* model, int32_t threads, rwkv_backend_error* error) {
  (void)model; /* always the calling one */
  (void)threads;
  (void)error;
  return RWKV_BACKEND_OK;
}

static rwkv_backend_code create_sequence(rwkv_backend_model* model, rwkv_backend_sequence** out,
                                         rwkv_backend_error* error) {
  rwkv_backend_sequence* sequence;
  if (model->sequences >= model->max_sequences) {
    return fail(error, RWKV_BACKEND_OUT_OF_MEMORY,
                "all %ld sequences of the model are in use; load it with more or end one", (long)model->sequences);
  }
  sequence = calloc(1, sizeof *sequence);
  if (sequence != NULL) sequence->state = calloc(values_of_state(&model->weights), sizeof *sequence->state);
  if (sequence == NULL || sequence->state == NULL) {
    free(sequence);
    return fail(error, RWKV_BACKEND_OUT_OF_MEMORY, "not enough memory for a state");
  }
  sequence->model = model;
  ++model->sequences;
  *out = sequence;
  return RWKV_BACKEND_OK;
}

static void free_sequence(rwkv_backend_sequence* sequence) {
  --sequence->model->sequences;
  free(sequence->state);
  free(sequence);
}

static size_t state_bytes(const rwkv_backend_sequence* sequence) {
  return values_of_state(&sequence->model->weights) * sizeof(float);
}

static rwkv_backend_code reset(rwkv_backend_sequence* sequence, rwkv_backend_error* error) {
  (void)error;
  memset(sequence->state, 0, state_bytes(sequence));
  return RWKV_BACKEND_OK;
}

static rwkv_backend_code save(const rwkv_backend_sequence* sequence, void* bytes, uint64_t size,
                              rwkv_backend_error* error) {
  if (size != state_bytes(sequence)) return fail(error, RWKV_BACKEND_INTERNAL, "a state has another size");
  memcpy(bytes, sequence->state, (size_t)size);
  return RWKV_BACKEND_OK;
}

static rwkv_backend_code restore(rwkv_backend_sequence* sequence, const void* bytes, uint64_t size,
                                 rwkv_backend_error* error) {
  if (size != state_bytes(sequence)) return fail(error, RWKV_BACKEND_INVALID_ARGUMENT, "a state has another size");
  memcpy(sequence->state, bytes, (size_t)size);
  return RWKV_BACKEND_OK;
}

static size_t values_of_result(const weights* w, const rwkv_backend_item* item) {
  switch (item->output) {
    case RWKV_BACKEND_OUTPUT_LAST_LOGITS: return w->vocabulary;
    case RWKV_BACKEND_OUTPUT_ALL_LOGITS: return item->count * w->vocabulary;
    case RWKV_BACKEND_OUTPUT_LAST_HIDDEN: return w->width;
    default: return 0;
  }
}

/* Feeds one item, its result into `result`; 1: cancelled. */
static int feed(rwkv_backend_model* model, const rwkv_backend_item* item, float* result,
                int32_t (*cancelled)(void* user), void* user) {
  const weights* w = &model->weights;
  size_t t;
  for (t = 0; t < item->count; ++t) {
    const float* row = item->embeddings != NULL ? item->embeddings + t * w->width
                                                : w->embedding.values + (size_t)item->tokens[t] * w->width;
    const int is_last = t + 1 == item->count;
    if (rwkv7_step(w, &model->space, item->sequence->state, row, cancelled, user)) return 1;
    if (item->output == RWKV_BACKEND_OUTPUT_ALL_LOGITS) {
      rwkv7_logits(w, model->space.x, result + t * w->vocabulary);
    } else if (is_last && item->output == RWKV_BACKEND_OUTPUT_LAST_LOGITS) {
      rwkv7_logits(w, model->space.x, result);
    } else if (is_last && item->output == RWKV_BACKEND_OUTPUT_LAST_HIDDEN) {
      memcpy(result, model->space.x, w->width * sizeof *result);
    }
  }
  return 0;
}

static rwkv_backend_code evaluate(rwkv_backend_model* model, rwkv_backend_item* items, size_t count,
                                  int32_t (*cancelled)(void* user), void* user, rwkv_backend_error* error) {
  size_t values = 0;
  size_t i;
  float* results;
  if (cancelled == NULL) cancelled = never;
  for (i = 0; i < count; ++i) values += values_of_result(&model->weights, &items[i]);
  results = realloc(model->results, (values + 1) * sizeof *results);
  if (results == NULL) return fail(error, RWKV_BACKEND_OUT_OF_MEMORY, "not enough memory for the logits");
  model->results = results;
  for (i = 0; i < count; ++i) {
    if (feed(model, &items[i], results, cancelled, user)) {
      return fail(error, RWKV_BACKEND_CANCELLED, "cancelled by the caller");
    }
    items[i].result_count = values_of_result(&model->weights, &items[i]);
    items[i].result = items[i].result_count > 0 ? results : NULL;
    results += items[i].result_count;
  }
  return RWKV_BACKEND_OK;
}

static const rwkv_backend_api kApi = {
    sizeof(rwkv_backend_api),
    RWKV_BACKEND_ABI_VERSION,
    "reference",
    "1",
    "RWKV-7 in plain C on one thread, F32 and F16 GGUF files, for tests",
    kSettings,
    sizeof kSettings / sizeof *kSettings,
    available,
    device_count,
    device,
    match,
    estimate,
    load,
    release,
    info,
    set_threads,
    create_sequence,
    free_sequence,
    reset,
    save,
    restore,
    evaluate,
};

const rwkv_backend_api* rwkv_backend_entry(const rwkv_backend_host* host) {
  return host->abi_version == RWKV_BACKEND_ABI_VERSION ? &kApi : NULL;
}
