/* Null, wrong ids, freed handles, impossible sizes and texts for every function of the header: a code, and no crash. */
#include "hostile.h"

#include <limits.h>
#include <math.h>
#include <unistd.h>

#include "c_tests.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define PICK(array, i) ((array)[(unsigned)(i) % (unsigned)COUNT(array)])

enum { MOST_PARAMETERS = 12, ANY = -1000000, BUFFER = 1 << 20, VALUES = 8 };
enum role { A_RUNTIME, A_MODEL, ANOTHER };

struct parameter {
  enum role role;
  int for_null; /* the result for a null pointer here, or ANY */
};

struct function {
  const char* name;
  int (*call)(const int* pick);
  int parameters;
  int no_runtime; /* the result for a handle that is none, or ANY */
  int no_model;   /* the same for an id */
  struct parameter parameter[MOST_PARAMETERS];
};

static rwkvmobile_runtime_t valid_runtime;
static rwkvmobile_runtime_t freed_runtime;
static char long_text[20001];

/* The first value of each is harmless; NULL is always the second. */

static rwkvmobile_runtime_t runtime_value(int i) {
  rwkvmobile_runtime_t values[] = {valid_runtime, NULL, freed_runtime, (void*)(uintptr_t)0x1234, (void*)UINTPTR_MAX};
  return PICK(values, i);
}
static rwkvmobile_runtime_t bad_runtime_value(int i) { return runtime_value(1 + (unsigned)i % 4); }
static rwkvmobile_server_t server_value(int i) {
  rwkvmobile_server_t values[] = {(void*)(uintptr_t)0x1234, NULL, (void*)UINTPTR_MAX};
  return PICK(values, i);
}
static int id_value(int i) {
  static const int values[] = {0, -1, 1, 12345, INT_MIN, INT_MAX};
  return PICK(values, i);
}
static int bad_id_value(int i) {
  static const int values[] = {12345, 1, INT_MAX};
  return PICK(values, i);
}
static const char* text_value(int i) {
  const char* values[] = {"User: Hello!\n\nAssistant:", NULL, "", "\xff\xfe\xc3", long_text, "\n\n", "<EOD>"};
  return PICK(values, i);
}
static const char* null_text(int i) {
  (void)i;
  return NULL;
}
static const char* path_value(int i) {
  const char* values[] = {scratch_path("file"), NULL, "", "/no/such/folder/file", "\xff\xfe", long_text, "/"};
  return PICK(values, i);
}
/* Folders are made: only where the test has its own. */
static const char* folder_value(int i) {
  const char* values[] = {scratch_path("states"), NULL, "", "/dev/null/states", scratch_path("\xff\xfe"), long_text};
  return PICK(values, i);
}
static int64_t bytes_value(int i) {
  static const int64_t values[] = {1 << 30, 0, -1, INT64_MIN, INT64_MAX, 4096};
  return PICK(values, i);
}
static const char* backend_value(int i) {
  const char* values[] = {"scripted", NULL, "", "llama.cpp", "web-rwkv", "mtp_np7", long_text};
  return PICK(values, i);
}
static const char** texts_value(int i) {
  static const char* good[16] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"};
  static const char* with_null[16] = {NULL};
  static const char* odd[16] = {"", "", "\xff", "", "", "", "", "", "", "", "", "", "", "", "", ""};
  const char** values[] = {good, NULL, with_null, odd};
  return PICK(values, i);
}
static const char*** chats_value(int i) {
  static const char** good[16];
  static const char** with_null[16];
  const char*** values[] = {good, NULL, with_null};
  for (int k = 0; k < 16; ++k) good[k] = texts_value(0);
  return PICK(values, i);
}
static int ones[65537]; /* the largest count that is believed */
static const int* numbers_value(int i) {
  static const int wild[65537] = {INT_MAX, INT_MIN, -1, 70000};
  const int* values[] = {ones, NULL, wild};
  return PICK(values, i);
}
static int* int_out(int i) {
  static _Thread_local int out[1024];
  return i % 2 ? NULL : out;
}
static float* float_out(int i) {
  static _Thread_local float out[BUFFER / 4];
  return i % 2 ? NULL : out;
}
static float** rows_out(int i) {
  static _Thread_local float* rows[16];
  return i % 2 ? NULL : rows;
}
static char* char_out(int i) {
  static _Thread_local char out[BUFFER];
  return i % 2 ? NULL : out;
}
static int max_tokens_value(int i) {
  static const int values[] = {3, -1, 0, INT_MIN};
  return PICK(values, i);
}
static int small_value(int i) {
  static const int values[] = {1, 0, -1, INT_MIN, INT_MAX, 3};
  return PICK(values, i);
}
static int count_value(int i) {
  static const int values[] = {1, 0, -1, INT_MIN, INT_MAX, 3, 65537};
  return PICK(values, i);
}
static int number_value(int i) {
  static const int values[] = {0, 1, -1, INT_MIN, INT_MAX, 2};
  return PICK(values, i);
}
static rwkvmobile_force_lang language_value(int i) {
  static const int languages[16] = {1, 2, 0, -1, INT_MAX};
  const rwkvmobile_force_lang values[] = {
      0, 1, 2, -1, INT_MIN, INT_MAX, (rwkvmobile_force_lang)(intptr_t)languages, (rwkvmobile_force_lang)0x70000000};
  return PICK(values, i);
}
static void nothing_for_a_token(const char* full_text, const int token_id, const char* new_text) {
  (void)full_text, (void)token_id, (void)new_text;
}
static void nothing_for_a_batch(const int batch_size, const char** full_texts, const int* token_ids,
                                const char** new_texts) {
  (void)batch_size, (void)full_texts, (void)token_ids, (void)new_texts;
}
static rwkvmobile_on_token on_token_value(int i) { return i % 2 ? NULL : nothing_for_a_token; }
static rwkvmobile_on_batch_tokens on_batch_value(int i) { return i % 2 ? NULL : nothing_for_a_batch; }
static void* extra_value(int i) {
  static struct llama_cpp_args values[] = {{0}, {INT_MIN}, {INT_MAX}};
  return i == 1 ? NULL : &PICK(values, i);
}
static const struct rwkvmobile_server_config* config_value(int i) {
  static const struct rwkvmobile_server_config any_port, no_port = {.port = -1};
  static const struct rwkvmobile_server_config wild = {.host = "no such host", .port = INT_MAX, .threads = INT_MIN};
  const struct rwkvmobile_server_config* values[] = {&any_port, NULL, &no_port, &wild};
  return PICK(values, i);
}
static struct sampler_params sampler_value(int i) {
  const struct sampler_params values[] = {
      {1.0f, 1, 1.0f}, {NAN, 1, 1.0f}, {INFINITY, INT_MAX, -INFINITY}, {-5.0f, INT_MIN, 5.0f}, {0, 0, 0}};
  return PICK(values, i);
}
static struct penalty_params penalty_value(int i) {
  const struct penalty_params values[] = {{0, 0, 0}, {NAN, 0, 0}, {INFINITY, -INFINITY, NAN}, {-1e30f, 1e30f, 5.0f}};
  return PICK(values, i);
}

#include "hostile_table.inc"

void hostile_begin(struct client* client) {
  valid_runtime = client->runtime;
  freed_runtime = rwkvmobile_runtime_init();
  CHECK_INT(rwkvmobile_runtime_release(freed_runtime), 0);
  memset(long_text, 'x', sizeof long_text - 1);
  for (int i = 0; i < COUNT(ones); ++i) ones[i] = 1;
}

int hostile_count(void) { return COUNT(kFunctions); }

const char* hostile_name(int function) { return kFunctions[function].name; }

int hostile_call(int function, unsigned long long choice) {
  int pick[MOST_PARAMETERS];
  for (int i = 0; i < MOST_PARAMETERS; ++i) {
    pick[i] = (int)(choice % VALUES);
    choice /= VALUES;
  }
  return kFunctions[function].call(pick);
}

static void settle(const struct client* client) {
  rwkvmobile_runtime_stop_generation(client->runtime, client->model);
  CHECK(wait_idle(client) >= 0);
  while (rwkvmobile_runtime_is_loading_model(client->runtime)) sleep_ms(1);
}

static void expect(const struct function* function, int parameter, int value, int result, int wanted) {
  char what[200];
  if (wanted == ANY || result == wanted) return;
  snprintf(what, sizeof what, "%s, parameter %d, value %d: %d, wanted %d", function->name, parameter, value, result,
           wanted);
  c_test_fail(__FILE__, __LINE__, what);
}

/* One parameter at a time takes all its values; the others are harmless. */
static void vary_each_parameter(const struct client* client, const struct function* function) {
  int pick[MOST_PARAMETERS] = {0};
  for (int i = 0; i < function->parameters; ++i) {
    for (int value = 0; value < VALUES; ++value) {
      pick[i] = value;
      const int result = function->call(pick);
      const struct parameter* parameter = &function->parameter[i];
      if (value > 0 && value < 5 && parameter->role == A_RUNTIME)
        expect(function, i, value, result, function->no_runtime);
      if (value > 0 && value < 6 && parameter->role == A_MODEL && strstr(function->name, "release_model") == NULL) {
        expect(function, i, value, result, function->no_model);
      }
      if (value == 1 && parameter->role == ANOTHER) expect(function, i, value, result, parameter->for_null);
      settle(client);
    }
    pick[i] = 0;
  }
  if (function->parameters == 0) function->call(pick);
}

static unsigned long long next_random(unsigned long long* state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

void hostile_arguments_of_every_function(void) {
  struct client client;
  unsigned long long random = 88172645463325252u;
  CHECK_INT(chdir(scratch_path(".")), 0); /* among the paths written to is a relative one */
  open_script(&client, "{\"rwkv_script\": 1, \"replies\": [{\"say\": \"hello\"}]}");
  hostile_begin(&client);
  CHECK(COUNT(kFunctions) >= 102);
  for (int i = 0; i < COUNT(kFunctions); ++i) vary_each_parameter(&client, &kFunctions[i]);
  /* Several wrong arguments at once. */
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < COUNT(kFunctions); ++i) {
      hostile_call(i, next_random(&random));
      settle(&client);
    }
  }
  /* It works as before. */
  const char* messages[] = {"Hi"};
  be_greedy(&client);
  CHECK_INT(rwkvmobile_runtime_release_model(client.runtime, client.model), 0);
  client.model = rwkvmobile_runtime_load_model(client.runtime, scratch_path("script.json"), "scripted", "");
  CHECK(client.model >= 0);
  be_greedy(&client);
  CHECK_INT(
      rwkvmobile_runtime_eval_chat_with_history_async(client.runtime, client.model, messages, 1, 50, NULL, 0, 0, 0, 1),
      0);
  CHECK(wait_idle(&client) >= 0);
  CHECK_TEXT(read_text(&client), "hello");
  close_client(&client);
}
