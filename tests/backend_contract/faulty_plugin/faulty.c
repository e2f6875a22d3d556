/* The reference plugin with a fault that RWKV_TEST_FAULT names when the library is opened:
 *   no_table, old, new, no_size, short, no_name   the table as a whole
 *   null:FUNCTION                                 that entry of the table is null
 *   fail:FUNCTION                                 that function fails with a text; nothing else of it happens
 *   anything else                                 see below
 * This file is compiled with -Drwkv_backend_entry=reference_entry, as the reference's own are. */
#include <stdlib.h>
#include <string.h>

#include "rwkv_backend.h"
#undef rwkv_backend_entry

RWKV_BACKEND_EXPORT const rwkv_backend_api* rwkv_backend_entry(const rwkv_backend_host* host);

static char fault[64];
static const rwkv_backend_api* reference;
static rwkv_backend_api table;

static int has(const char* name) { return strcmp(fault, name) == 0; }

static rwkv_backend_code failure(rwkv_backend_error* error) {
  strcpy(error->text, "as it was asked to");
  return RWKV_BACKEND_EVALUATION;
}

static rwkv_backend_code fail_available(rwkv_backend_error* error) { return failure(error); }
static size_t many_devices(void) { return (size_t)-1; }
static rwkv_backend_code fail_device(size_t index, rwkv_backend_device* device, rwkv_backend_error* error) {
  (void)index;
  (void)device;
  return failure(error);
}
static int32_t far_match(const rwkv_backend_source* source) {
  return reference->match(source) > 0 ? 1000000 : -1000000;
}
static rwkv_backend_code fail_estimate(const rwkv_backend_source* source, const rwkv_backend_options* options,
                                       rwkv_backend_memory* memory, rwkv_backend_error* error) {
  (void)source;
  (void)options;
  (void)memory;
  return failure(error);
}
static rwkv_backend_code fail_load(const rwkv_backend_source* source, const rwkv_backend_options* options,
                                   rwkv_backend_model** model, rwkv_backend_error* error) {
  (void)source;
  (void)options;
  (void)model;
  if (has("no_model")) return RWKV_BACKEND_OK;
  if (has("no_reason")) return RWKV_BACKEND_BAD_FILE;
  if (has("unknown_code")) return 12345;
  if (has("endless_text")) {
    memset(error->text, '\xE2', sizeof error->text); /* no character ends here, and no text */
    return RWKV_BACKEND_BAD_FILE;
  }
  return failure(error);
}
static rwkv_backend_code wrong_info(const rwkv_backend_model* model, rwkv_backend_model_info* info,
                                    rwkv_backend_error* error) {
  static const int32_t descending[] = {1, 3, 2};
  if (has("fail:info")) return failure(error);
  reference->info(model, info, error);
  if (has("info:layers")) info->layers = -1;
  if (has("info:vocabulary")) info->vocabulary = 7;
  if (has("info:no_batch_sizes")) info->batch_sizes = NULL;
  if (has("info:descending")) {
    info->batch_sizes = descending;
    info->batch_size_count = 3;
  }
  if (has("info:device")) memset(info->device, 'x', sizeof info->device);
  if (has("info:state")) info->state_bytes -= 4;
  if (has("info:stable")) info->stable_chunk = 0;
  return RWKV_BACKEND_OK;
}
static rwkv_backend_code fail_set_threads(rwkv_backend_model* model, int32_t threads, rwkv_backend_error* error) {
  (void)model;
  (void)threads;
  return failure(error);
}
static rwkv_backend_code fail_create_sequence(rwkv_backend_model* model, rwkv_backend_sequence** sequence,
                                              rwkv_backend_error* error) {
  (void)model;
  (void)sequence;
  return has("no_sequence") ? RWKV_BACKEND_OK : failure(error);
}
static rwkv_backend_code fail_reset(rwkv_backend_sequence* sequence, rwkv_backend_error* error) {
  (void)sequence;
  return failure(error);
}
static rwkv_backend_code fail_save(const rwkv_backend_sequence* sequence, void* bytes, uint64_t size,
                                   rwkv_backend_error* error) {
  (void)sequence;
  (void)bytes;
  (void)size;
  return failure(error);
}
static rwkv_backend_code fail_restore(rwkv_backend_sequence* sequence, const void* bytes, uint64_t size,
                                      rwkv_backend_error* error) {
  reference->restore(sequence, bytes, size, error); /* half of it has happened */
  return failure(error);
}
static rwkv_backend_code wrong_evaluate(rwkv_backend_model* model, rwkv_backend_item* items, size_t count,
                                        int32_t (*cancelled)(void* user), void* user, rwkv_backend_error* error) {
  reference->evaluate(model, items, count, cancelled, user, error);
  if (has("few_values")) {
    items[0].result_count -= 1;
    return RWKV_BACKEND_OK;
  }
  if (has("no_values")) {
    items[0].result = NULL;
    return RWKV_BACKEND_OK;
  }
  /* The fault comes after two tokens, so that a state has changed. */
  return items[0].count > 2 ? failure(error) : RWKV_BACKEND_OK;
}

static void put_fault(void) {
  static const struct {
    const char* name;
    size_t offset;
  } entries[] = {
#define ENTRY(name) {#name, offsetof(rwkv_backend_api, name)}
      ENTRY(available),     ENTRY(device_count), ENTRY(device),      ENTRY(match),       ENTRY(estimate),
      ENTRY(load),          ENTRY(release),      ENTRY(info),        ENTRY(set_threads), ENTRY(create_sequence),
      ENTRY(free_sequence), ENTRY(reset),        ENTRY(save),        ENTRY(restore),     ENTRY(evaluate),
      ENTRY(name),          ENTRY(version),      ENTRY(description), ENTRY(settings),
#undef ENTRY
  };
  size_t i;
  if (has("old")) table.abi_version = RWKV_BACKEND_ABI_VERSION - 1;
  if (has("new")) table.abi_version = RWKV_BACKEND_ABI_VERSION + 1;
  if (has("no_size")) table.struct_size = 0;
  if (has("short")) table.struct_size -= sizeof table.evaluate;
  if (has("no_name")) table.name = "";
  if (has("other_name")) table.name = "other";
  for (i = 0; i < sizeof entries / sizeof *entries; ++i) {
    if (strncmp(fault, "null:", 5) == 0 && strcmp(fault + 5, entries[i].name) == 0) {
      memset((char*)&table + entries[i].offset, 0, sizeof(void*));
    }
  }
  if (has("fail:available")) table.available = fail_available;
  if (has("many_devices")) table.device_count = many_devices;
  if (has("fail:device")) table.device = fail_device;
  if (has("far_match")) table.match = far_match;
  if (has("fail:estimate")) table.estimate = fail_estimate;
  if (has("fail:load") || has("no_model") || has("no_reason") || has("unknown_code") || has("endless_text")) {
    table.load = fail_load;
  }
  if (has("fail:info") || strncmp(fault, "info:", 5) == 0) table.info = wrong_info;
  if (has("fail:set_threads")) table.set_threads = fail_set_threads;
  if (has("fail:create_sequence") || has("no_sequence")) table.create_sequence = fail_create_sequence;
  if (has("fail:reset")) table.reset = fail_reset;
  if (has("fail:save")) table.save = fail_save;
  if (has("fail:restore")) table.restore = fail_restore;
  if (has("fail:evaluate") || has("few_values") || has("no_values")) table.evaluate = wrong_evaluate;
}

const rwkv_backend_api* rwkv_backend_entry(const rwkv_backend_host* host) {
  const char* wanted = getenv("RWKV_TEST_FAULT");
  strncpy(fault, wanted == NULL ? "" : wanted, sizeof fault - 1);
  reference = reference_entry(host);
  table = *reference;
  table.name = "faulty";
  put_fault();
  host->log(RWKV_BACKEND_LOG_INFO, "the faulty plugin is there");
  return has("no_table") ? NULL : &table;
}
