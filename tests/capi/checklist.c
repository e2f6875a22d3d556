/* What a library that takes the place of rwkv-mobile's has to do, point by point. */
#define _GNU_SOURCE
#include "c_test.h"
#include "c_tests.h"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#define SLOW_PREFILL "{\"rwkv_script\": 1, \"prefill_us\": 20000, \"replies\": [{\"say\": \"hello\"}]}"
#define SLOW_DECODE \
  "{\"rwkv_script\": 1, \"decode_us\": 20000, \"replies\": [{\"say\": \"a very long answer that takes its time\"}]}"

static const char* kHi[] = {"Hi"};

static int chat(const struct client* c, int max_tokens) {
  return rwkvmobile_runtime_eval_chat_with_history_async(c->runtime, c->model, kHi, 1, max_tokens, NULL, 0, 0, 0, 1);
}

static void ignore_token(const char* full_text, const int token_id, const char* new_text) {
  (void)full_text, (void)token_id, (void)new_text;
}

void checklist_01_all_symbols_and_structures(void) {
  char name[128];
  int found = 0;
  FILE* names = fopen(RWKV_SOURCE_DIR "/tests/capi/names_april_2026.txt", "r");
  CHECK(names != NULL);
  if (!names) return;
  while (fscanf(names, "%127s", name) == 1) {
    if (dlsym(RTLD_DEFAULT, name)) {
      ++found;
    } else {
      c_test_fail(__FILE__, __LINE__, name);
    }
  }
  fclose(names);
  CHECK_INT(found, 102);
  /* All offsets are asserted where the library is compiled. */
  CHECK_INT(sizeof(struct rwkvmobile_server_config), sizeof(void*) == 8 ? 80 : 68);
  CHECK_INT(sizeof(struct model_info), sizeof(void*) == 8 ? 80 : 44);
}

void checklist_02_backend_list(void) {
  char names[64];
  CHECK_INT(rwkvmobile_runtime_get_available_backend_names(names, 64), 0);
  CHECK(strlen(names) > 1 && strlen(names) <= 63);
  CHECK(names[strlen(names) - 1] == ',');
  CHECK(strstr(names, "llama.cpp,") != NULL);
  CHECK(strstr(names, "scripted") == NULL);
  CHECK_INT(rwkvmobile_runtime_get_available_backend_names(names, (int)strlen(names) + 1), 0);
  names[0] = '#';
  CHECK_INT(rwkvmobile_runtime_get_available_backend_names(names, 5), RWKV_ERROR_ALLOC);
  CHECK(names[0] == '#');
}

/* Every function with null, -1 and unknown ids: hostile.c. Here what they answer. */
void checklist_03_null_handles_and_no_model(void) {
  struct client c = {rwkvmobile_runtime_init(), -1, ""};
  int code = 77, id = 77;
  const struct sampler_params unknown = rwkvmobile_runtime_get_sampler_params(c.runtime, -1);
  const struct sampler_params null = rwkvmobile_runtime_get_sampler_params(NULL, -1);
  CHECK(unknown.temperature == 1.0f && unknown.top_k == 1 && unknown.top_p == 1.0f);
  CHECK(null.temperature == 0.0f && null.top_k == 0 && null.top_p == 0.0f);
  CHECK(rwkvmobile_runtime_get_load_model_progress(NULL) == -1.0f);
  CHECK(rwkvmobile_runtime_get_load_model_progress(c.runtime) == 1.0f);
  rwkvmobile_runtime_get_load_model_status(NULL, &code, &id);
  CHECK_INT(code, 77);
  rwkvmobile_runtime_get_load_model_status(c.runtime, &code, &id);
  CHECK_INT(code, 0);
  CHECK_INT(id, -1);
  CHECK(rwkvmobile_runtime_get_model_path_by_id(NULL, 0) == NULL);
  CHECK_TEXT(rwkvmobile_runtime_get_model_path_by_id(c.runtime, 0), "");
  CHECK_INT(rwkvmobile_runtime_get_loaded_models_info(c.runtime).count, 0);
  CHECK(rwkvmobile_runtime_get_response_buffer_content(NULL, 0).content == NULL);
  CHECK_TEXT(read_text(&c), "");
  CHECK_INT(rwkvmobile_runtime_get_response_buffer_content_batch(c.runtime, 0).batch_size, 0);
  CHECK(rwkvmobile_get_state_cache_info(NULL, 0) == NULL);
  CHECK(rwkvmobile_runtime_load_model(c.runtime, "/no/such/file", "llama.cpp", "") == -33);
  CHECK(rwkvmobile_runtime_load_model(c.runtime, MODEL, "no such backend", "") == -1);
  CHECK(rwkvmobile_runtime_load_model(c.runtime, MODEL, "llama.cpp", "/no/such/file") == -1);
  CHECK(rwkvmobile_runtime_load_model(c.runtime, MODEL, "web-rwkv", "") == -1);
  close_client(&c);
  CHECK_INT(rwkvmobile_runtime_release(c.runtime), 8);
}

void checklist_04_flags_are_0_or_1(void) {
  struct client c;
  open_script(&c, SLOW_DECODE);
  CHECK_INT(rwkvmobile_runtime_is_generating(c.runtime, c.model), 0);
  CHECK_INT(chat(&c, 1000), 0);
  CHECK_INT(rwkvmobile_runtime_is_generating(c.runtime, c.model), 1);
  struct loaded_models_list list = rwkvmobile_runtime_get_loaded_models_info(c.runtime);
  CHECK_INT(list.count, 1);
  CHECK_INT(list.models[0].is_generating, 1);
  CHECK_INT(list.models[0].vocab_size, 258);
  CHECK_TEXT(list.models[0].backend_name, "scripted");
  CHECK_TEXT(list.models[0].eos_token, "\n\n");
  rwkvmobile_runtime_free_loaded_models_list(list);
  CHECK_INT(read_eos(&c), 0);
  CHECK(wait_idle(&c) >= 0);
  CHECK_INT(read_eos(&c), 1);
  CHECK_INT(rwkvmobile_runtime_is_loading_model(c.runtime), 0);
  CHECK_INT(rwkvmobile_runtime_load_model_async(
                c.runtime, scratch_file("slow.json", "{\"rwkv_script\": 1, \"load_ms\": 300}"), "scripted", ""),
            0);
  CHECK_INT(rwkvmobile_runtime_is_loading_model(c.runtime), 1);
  CHECK_INT(rwkvmobile_runtime_load_model_async(c.runtime, MODEL, "llama.cpp", ""), RWKV_ERROR_RUNTIME);
  while (rwkvmobile_runtime_is_loading_model(c.runtime)) sleep_ms(2);
  int code = 77, id = 77;
  rwkvmobile_runtime_get_load_model_status(c.runtime, &code, &id);
  CHECK_INT(code, 0);
  CHECK_INT(id, 1);
  close_client(&c);
}

static void refused_start_leaves_no_flag(const struct client* c) {
  const char** chats[40];
  int counts[40];
  for (int i = 0; i < 40; ++i) {
    chats[i] = kHi;
    counts[i] = 1;
  }
  CHECK_INT(rwkvmobile_runtime_eval_chat_batch_with_history_async(c->runtime, c->model, chats, counts, 40, 5, NULL, 0,
                                                                  0, 0, 1),
            RWKV_ERROR_RUNTIME | RWKV_ERROR_UNSUPPORTED);
  CHECK_INT(rwkvmobile_runtime_is_generating(c->runtime, c->model), 0);
}

void checklist_05_starts_copy_and_ends_are_final(void) {
  struct client c;
  open_script(&c,
              "{\"rwkv_script\": 1, \"prefill_us\": 2000, \"decode_us\": 100, \"replies\": ["
              "{\"when\": \"copied\", \"say\": \"0123456789\"}]}");
  for (int round = 0; round < 5; ++round) {
    char* message = malloc(16);
    const char** messages = malloc(sizeof *messages);
    strcpy(message, "copied");
    messages[0] = message;
    CHECK_INT(rwkvmobile_runtime_eval_chat_with_history_async(c.runtime, c.model, messages, 1, 100, NULL, 0, 0, 0, 1),
              0);
    CHECK_INT(rwkvmobile_runtime_is_generating(c.runtime, c.model), 1);
    memset(message, '#', 15);
    free(message);
    free(messages);
    while (rwkvmobile_runtime_is_generating(c.runtime, c.model)) {
    }
    CHECK_TEXT(read_text(&c), "0123456789");
    CHECK_INT(read_eos(&c), 1);
  }
  char* prompt = malloc(64);
  strcpy(prompt, "User: copied\n\nAssistant:");
  CHECK_INT(rwkvmobile_runtime_gen_completion_async(c.runtime, c.model, prompt, 4, 0, NULL, 1), 0);
  CHECK_INT(chat(&c, 5), RWKV_ERROR_RUNTIME); /* one thing at a time */
  memset(prompt, '#', 63);
  free(prompt);
  CHECK(wait_idle(&c) >= 0);
  CHECK_TEXT(read_text(&c), "User: copied\n\nAssistant: 012");
  refused_start_leaves_no_flag(&c);
  close_client(&c);

  /* A failure ends like everything else, and is told. */
  char error[256];
  open_script(&c, "{\"rwkv_script\": 1, \"fail_after\": 20, \"replies\": [{\"say\": \"0123456789\"}]}");
  CHECK_INT(rwkv_ext_last_error(c.runtime, error, sizeof error), 0);
  CHECK_TEXT(error, "");
  CHECK_INT(chat(&c, 100), 0);
  CHECK(wait_idle(&c) >= 0);
  CHECK_INT(rwkv_ext_end_reason(c.runtime, c.model, -1), RWKV_END_ERROR);
  CHECK_INT(read_eos(&c), 0);
  CHECK_INT(rwkv_ext_last_error(c.runtime, error, sizeof error), 0);
  CHECK(strstr(error, "fail_after") != NULL);
  CHECK_INT(rwkvmobile_runtime_gen_completion(c.runtime, c.model, "User: hello hello hello\n\nAssistant:", 5, 0,
                                              ignore_token, 0),
            RWKV_ERROR_EVAL);
  close_client(&c);
}

void checklist_06_response_buffer(void) {
  struct client c;
  open_script(&c, "{\"rwkv_script\": 1, \"decode_us\": 500, \"replies\": [{\"say\": \"a\\u0000b \\u4f60\\u597d.\"}]}");
  CHECK_INT(chat(&c, 100), 0);
  int length = 0;
  char seen[64] = "";
  for (int generating = 1; generating;) {
    generating = rwkvmobile_runtime_is_generating(c.runtime, c.model);
    const struct response_buffer buffer = rwkvmobile_runtime_get_response_buffer_content(c.runtime, c.model);
    CHECK(buffer.length >= length && buffer.length < 64);
    CHECK(memcmp(buffer.content, seen, (size_t)length) == 0);
    CHECK_INT(buffer.content[buffer.length], 0);
    length = buffer.length;
    memcpy(seen, buffer.content, (size_t)length);
    rwkvmobile_runtime_free_response_buffer(buffer);
  }
  /* The length counts, not the first NUL. */
  CHECK_INT(length, 11);
  CHECK(memcmp(seen, "a\0b \xe4\xbd\xa0\xe5\xa5\xbd.", 11) == 0);
  const struct token_ids ids = rwkvmobile_runtime_get_response_buffer_ids(c.runtime, c.model);
  CHECK_INT(ids.len, rwkvmobile_runtime_get_response_buffer_tokens_count(c.runtime, c.model));
  CHECK_INT(ids.len, 12); /* a byte a token, and the space of the template */
  CHECK_INT(ids.ids[1], 'a' + 1);
  rwkvmobile_runtime_free_token_ids(ids);
  close_client(&c);
}

struct told {
  pthread_t thread;
  int calls;
  int last_token;
  char full[128];
};
static struct told told;

static void on_token(const char* full_text, const int token_id, const char* new_text) {
  CHECK(pthread_equal(pthread_self(), told.thread));
  CHECK(new_text[0] == '\0' || ((unsigned char)new_text[0] & 0xC0) != 0x80);
  snprintf(told.full, sizeof told.full, "%s", full_text);
  told.last_token = token_id;
  ++told.calls;
}

void checklist_07_completion_on_the_callers_thread(void) {
  struct client c;
  open_script(&c, "{\"rwkv_script\": 1, \"replies\": [{\"say\": \"\\u4f60.\"}]}");
  memset(&told, 0, sizeof told);
  told.thread = pthread_self();
  const int full_stop = '.' + 1;
  CHECK_INT(rwkvmobile_runtime_gen_completion(c.runtime, c.model, "User: x\n\nAssistant:", 100, full_stop, on_token, 0),
            0);
  /* Space, three bytes of one character, and the stop token. */
  CHECK_INT(told.calls, 5);
  CHECK_INT(told.last_token, full_stop);
  CHECK_TEXT(told.full, "User: x\n\nAssistant: \xe4\xbd\xa0.");
  CHECK_TEXT(read_text(&c), told.full);
  CHECK_INT(read_eos(&c), 1);
  CHECK_INT(rwkvmobile_runtime_gen_completion(c.runtime, c.model, "x", 5, 0, NULL, 0), 8);
  close_client(&c);
}

void checklist_08_pointers_that_are_never_null(void) {
  rwkvmobile_runtime_t runtime = rwkvmobile_runtime_init();
  int sum = 0;
  for (int i = 0; i < 32; ++i) sum += rwkvmobile_runtime_get_tts_global_tokens_output(runtime)[i];
  for (int i = 0; i < 32; ++i) sum += rwkvmobile_runtime_get_tts_global_tokens_output(NULL)[i];
  CHECK_INT(sum, 0);
  CHECK(rwkvmobile_dump_log() != NULL);
  CHECK(strlen(rwkvmobile_get_platform_name()) > 0);
  CHECK(strlen(rwkvmobile_get_soc_name()) > 0);
  CHECK(strlen(rwkvmobile_get_soc_partname()) > 0);
  CHECK(strlen(rwkvmobile_get_htp_arch()) > 0);
  CHECK_INT(rwkvmobile_runtime_release(runtime), 0);
}

void checklist_09_setters_take_nothing(void) {
  struct client c;
  open_script(&c, "{\"rwkv_script\": 1, \"replies\": [{\"say\": \"yes\"}]}");
  const int y[] = {'y' + 1};
  CHECK_INT(rwkvmobile_runtime_set_prompt(c.runtime, c.model, ""), 0);
  CHECK_INT(rwkvmobile_runtime_set_eos_token(c.runtime, c.model, ""), 0);
  CHECK_INT(rwkvmobile_runtime_set_bos_token(c.runtime, c.model, ""), 0);
  CHECK_INT(rwkvmobile_runtime_set_thinking_token(c.runtime, c.model, ""), 0);
  CHECK_INT(rwkvmobile_runtime_set_token_banned(c.runtime, c.model, NULL, 0), 0);
  CHECK_INT(rwkvmobile_runtime_set_token_banned(c.runtime, c.model, y, 1), 0);
  CHECK_INT(chat(&c, 1), 0);
  CHECK(wait_idle(&c) >= 0);
  CHECK_INT(chat(&c, 2), 0);
  CHECK(wait_idle(&c) >= 0);
  CHECK(strchr(read_text(&c), 'y') == NULL); /* bans hold without penalties */
  CHECK_INT(rwkvmobile_runtime_set_token_banned(c.runtime, c.model, y, 0), 0);
  CHECK_INT(chat(&c, 100), 0);
  CHECK(wait_idle(&c) >= 0);
  CHECK_TEXT(read_text(&c), "yes");
  CHECK_INT(rwkvmobile_runtime_set_user_role(c.runtime, c.model, ""), 0);
  CHECK_INT(rwkvmobile_runtime_set_response_role(c.runtime, c.model, ""), 0);
  CHECK_INT(rwkvmobile_runtime_set_image_unique_identifier(c.runtime, ""), 0);
  close_client(&c);
}

void checklist_10_log_lines(void) {
  struct client c;
  open_script(&c, "{\"rwkv_script\": 1}");
  CHECK(rwkvmobile_runtime_load_model(c.runtime, "/no/such/file", "scripted", "") < 0);
  const char* line = rwkvmobile_dump_log();
  CHECK(strstr(line, "[ERROR] ") != NULL);
  CHECK(strstr(line, "/no/such/file") != NULL);
  while (*line) {
    int year, month, day, hour, minute, second, millisecond;
    char level[8];
    CHECK_INT(sscanf(line, "[%4d-%2d-%2d %2d:%2d:%2d.%3d] [%7[A-Z]]", &year, &month, &day, &hour, &minute, &second,
                     &millisecond, level),
              8);
    line = strchr(line, '\n');
    if (!line++) break;
  }
  close_client(&c);
}

void checklist_11_speeds_and_progress(void) {
  struct client c;
  double (*decode_speed)(rwkvmobile_runtime_t, int) = rwkvmobile_runtime_get_avg_decode_speed;
  double (*prefill_speed)(rwkvmobile_runtime_t, int) = rwkvmobile_runtime_get_avg_prefill_speed;
  float (*progress)(rwkvmobile_runtime_t, int) = rwkvmobile_runtime_get_prefill_progress;
  open_script(&c, SLOW_DECODE);
  CHECK(decode_speed(c.runtime, c.model) == 0.0);
  CHECK(prefill_speed(c.runtime, c.model) == 0.0);
  CHECK(progress(c.runtime, c.model) == 0.0f);
  CHECK_INT(chat(&c, 10), 0);
  CHECK(wait_idle(&c) >= 0);
  /* A step takes 20 ms at least. */
  CHECK(decode_speed(c.runtime, c.model) > 0.0 && decode_speed(c.runtime, c.model) <= 50.0);
  CHECK(prefill_speed(c.runtime, c.model) > 0.0);
  CHECK(progress(c.runtime, c.model) == 1.0f);
  CHECK(decode_speed(NULL, c.model) == 0.0);
  CHECK(prefill_speed(c.runtime, 99) == 0.0);
  close_client(&c);
}

static void* stop_soon(void* argument) {
  const struct client* c = argument;
  sleep_ms(50);
  rwkvmobile_runtime_stop_generation(c->runtime, c->model);
  return NULL;
}

static void stop_now(const struct client* c) {
  CHECK_INT(rwkvmobile_runtime_is_generating(c->runtime, c->model), 1);
  const long long start = now_ms();
  CHECK_INT(rwkvmobile_runtime_stop_generation(c->runtime, c->model), 0);
  CHECK(now_ms() - start < 1000);
  CHECK(wait_idle(c) >= 0);
  CHECK(now_ms() - start < 2000); /* milliseconds where the machine is not busy otherwise */
}

void checklist_12_stop_in_every_phase(void) {
  /* Each of these takes ten seconds or more if it is not stopped. */
  struct client c;
  pthread_t stopper;
  char words[600];
  const char* long_message[] = {words};
  const char** chats[] = {long_message, long_message};
  const int counts[] = {1, 1};
  memset(words, 'w', sizeof words - 1);
  words[sizeof words - 1] = '\0';
  open_script(&c, SLOW_PREFILL);
  CHECK_INT(rwkvmobile_runtime_eval_chat_with_history_async(c.runtime, c.model, long_message, 1, 10, NULL, 0, 0, 0, 1),
            0);
  stop_now(&c); /* before it has begun */
  CHECK_INT(rwkv_ext_end_reason(c.runtime, c.model, -1), RWKV_END_CANCELLED);
  CHECK_INT(rwkvmobile_runtime_eval_chat_with_history_async(c.runtime, c.model, long_message, 1, 10, NULL, 0, 0, 0, 1),
            0);
  sleep_ms(50);
  stop_now(&c); /* prefill */
  CHECK_INT(
      rwkvmobile_runtime_eval_chat_batch_with_history_async(c.runtime, c.model, chats, counts, 2, 10, NULL, 0, 0, 0, 1),
      0);
  sleep_ms(50);
  stop_now(&c); /* batch */
  CHECK_INT(rwkv_ext_end_reason(c.runtime, c.model, 0), RWKV_END_CANCELLED);
  CHECK_INT(rwkv_ext_end_reason(c.runtime, c.model, 1), RWKV_END_CANCELLED);
  CHECK_INT(rwkv_ext_end_reason(c.runtime, c.model, 2), RWKV_END_NONE);
  pthread_create(&stopper, NULL, stop_soon, &c);
  long long start = now_ms();
  CHECK(rwkvmobile_runtime_gen_completion_singletoken_topk(c.runtime, c.model, words, 3) == NULL);
  CHECK(now_ms() - start < 3000);
  pthread_join(stopper, NULL);
  pthread_create(&stopper, NULL, stop_soon, &c);
  start = now_ms();
  const struct evaluation_results none = rwkvmobile_runtime_run_evaluation(c.runtime, c.model, words, "x");
  CHECK(none.count == 0 && none.corrects == NULL && none.logits_vals == NULL && none.output_texts == NULL);
  CHECK(now_ms() - start < 3000);
  pthread_join(stopper, NULL);
  pthread_create(&stopper, NULL, stop_soon, &c);
  start = now_ms();
  CHECK_INT(rwkvmobile_runtime_gen_completion(c.runtime, c.model, words, 10, 0, ignore_token, 0), 0);
  CHECK(now_ms() - start < 3000);
  pthread_join(stopper, NULL);
  close_client(&c);

  open_script(&c, SLOW_DECODE);
  CHECK_INT(rwkvmobile_runtime_gen_completion_async(c.runtime, c.model, "x", 1000000, -1, NULL, 0), 0);
  sleep_ms(50);
  stop_now(&c); /* decode */
  /* A stop of an idle model does not end what comes later. */
  CHECK_INT(rwkvmobile_runtime_stop_generation(c.runtime, c.model), 0);
  CHECK_INT(chat(&c, 3), 0);
  CHECK(wait_idle(&c) >= 0);
  CHECK_INT(rwkv_ext_end_reason(c.runtime, c.model, -1), RWKV_END_LENGTH);
  close_client(&c);
}

/* One client passes the speed before the pitch. Until speech is built both orders get the same answer. */
void checklist_13_speech_properties_in_both_orders(void) {
  struct client c;
  open_script(&c, "{\"rwkv_script\": 1}");
  CHECK_INT(rwkvmobile_runtime_run_spark_tts_with_properties_streaming_async(
                c.runtime, c.model, "text", "out.wav", "youth-adult", "female", "NEUTRAL", "medium_pitch", "medium"),
            RWKV_ERROR_UNSUPPORTED);
  CHECK_INT(rwkvmobile_runtime_run_spark_tts_with_properties_streaming_async(
                c.runtime, c.model, "text", "out.wav", "youth-adult", "female", "NEUTRAL", "medium", "medium_pitch"),
            RWKV_ERROR_UNSUPPORTED);
  CHECK_INT(rwkvmobile_runtime_is_generating(c.runtime, c.model), 0);
  close_client(&c);
}

void checklist_14_nothing_is_printed(void) {
  struct client c;
  const char* path = scratch_path("printed");
  fflush(NULL);
  const int out = dup(1), err = dup(2);
  FILE* file = fopen(path, "w+");
  CHECK(file != NULL);
  if (!file) return;
  dup2(fileno(file), 1);
  dup2(fileno(file), 2);
  open_client(&c);
  const int started = chat(&c, 20);
  wait_idle(&c);
  rwkvmobile_runtime_load_model(c.runtime, "/no/such/file", "llama.cpp", "");
  rwkvmobile_runtime_load_model(c.runtime, VOCABULARY, "llama.cpp", "");
  rwkvmobile_runtime_release(c.runtime);
  fflush(NULL);
  dup2(out, 1);
  dup2(err, 2);
  close(out);
  close(err);
  fseek(file, 0, SEEK_END);
  CHECK_INT(ftell(file), 0);
  fclose(file);
  CHECK_INT(started, 0);
}
