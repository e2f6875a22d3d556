/* The calls of three existing clients in their order, once from one thread and once with every step on a thread of its
 * own. */
#include <math.h>

#include "c_test.h"
#include "c_tests.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static void run_steps(const client_step* steps, int count, enum threads threads) {
  static struct client client;
  const int64_t before = rwkv_ext_live_objects();
  memset(&client, 0, sizeof client);
  for (int i = 0; i < count; ++i) run_step(steps[i], &client, threads);
  CHECK_INT(rwkv_ext_live_objects(), before);
}

static int starts_with(const char* text, const char* beginning) {
  return strncmp(text, beginning, strlen(beginning)) == 0;
}

static const char* trimmed(const char* text) {
  while (*text == ' ' || *text == '\n') ++text;
  return text;
}

/* ---- rwkv_dart: one model at a time, polling every 60 ms (here: faster) ---- */

static void dart_start(struct client* c) {
  char names[64];
  rwkvmobile_set_loglevel(1);
  c->runtime = rwkvmobile_runtime_init();
  CHECK(c->runtime != NULL);
  CHECK_INT(rwkvmobile_runtime_get_available_backend_names(names, 64), 0);
  CHECK(strstr(names, "llama.cpp,") != NULL);
}

static void dart_before_a_load(struct client* c) {
  c->model = -1;
  be_greedy(c);
  CHECK_INT(rwkvmobile_runtime_is_generating(c->runtime, -1), 0);
  CHECK(rwkvmobile_runtime_get_avg_decode_speed(c->runtime, -1) == 0.0);
  CHECK(rwkvmobile_runtime_get_avg_prefill_speed(c->runtime, -1) == 0.0);
  CHECK(rwkvmobile_runtime_get_prefill_progress(c->runtime, -1) == 0.0f);
}

static void dart_load(struct client* c) {
  const int last = c->model; /* whose id is not given again */
  c->model = rwkvmobile_runtime_load_model(c->runtime, MODEL, "llama.cpp", VOCABULARY);
  CHECK_INT(c->model, last + 1);
  CHECK_INT(rwkvmobile_runtime_set_thinking_token(c->runtime, c->model, "<think>"), 0);
  be_greedy(c);
}

static void dart_settings(struct client* c) {
  const int none = 0;
  CHECK_INT(rwkvmobile_runtime_set_prompt(c->runtime, c->model, "\n"), 0);
  CHECK_INT(rwkvmobile_runtime_set_prompt(c->runtime, c->model, ""), 0);
  CHECK_INT(rwkvmobile_runtime_set_eos_token(c->runtime, c->model, ""), 0);
  CHECK_INT(rwkvmobile_runtime_set_bos_token(c->runtime, c->model, ""), 0);
  CHECK_INT(rwkvmobile_runtime_set_token_banned(c->runtime, c->model, &none, 0), 0);
  CHECK_INT(rwkvmobile_runtime_set_thinking_token(c->runtime, c->model, "<think>"), 0);
  CHECK_INT(rwkvmobile_runtime_set_space_after_roles(c->runtime, c->model, 1), 0);
}

/* Looks at all it shows on screen; the text may only grow. */
static void dart_poll(struct client* c) {
  char seen[sizeof c->text] = "";
  for (int generating = 1; generating;) {
    CHECK(rwkvmobile_runtime_get_avg_decode_speed(c->runtime, c->model) >= 0.0);
    CHECK(rwkvmobile_runtime_get_avg_prefill_speed(c->runtime, c->model) >= 0.0);
    const float progress = rwkvmobile_runtime_get_prefill_progress(c->runtime, c->model);
    CHECK(progress >= 0.0f && progress <= 1.0f);
    generating = rwkvmobile_runtime_is_generating(c->runtime, c->model) != 0;
    read_text(c);
    CHECK(starts_with(c->text, seen));
    memcpy(seen, c->text, strlen(c->text) + 1);
    if (generating) sleep_ms(3);
  }
  CHECK(rwkvmobile_runtime_get_prefill_progress(c->runtime, c->model) == 1.0f);
}

static void dart_chat(struct client* c, const char** messages, int count, int reasoning, int add_generation_prompt) {
  CHECK_INT(rwkvmobile_runtime_is_generating(c->runtime, c->model), 0);
  CHECK_INT(rwkvmobile_runtime_eval_chat_with_history_async(c->runtime, c->model, messages, count, 100, NULL, reasoning,
                                                            0, 0, add_generation_prompt),
            0);
}

static void dart_answer(struct client* c) {
  const char* messages[] = {"What is 47+38?"};
  dart_chat(c, messages, 1, 0, 1);
}

static void dart_expect_85(struct client* c) {
  dart_poll(c);
  CHECK_TEXT(trimmed(c->text), "85");
  CHECK_INT(read_eos(c), 1);
  CHECK_INT(rwkv_ext_end_reason(c->runtime, c->model, -1), RWKV_END_EOS);
}

/* An odd number of messages without a generation prompt goes on with what the user says. */
static void dart_continue_user(struct client* c) {
  const char* messages[] = {"What is 47+"};
  dart_chat(c, messages, 1, 0, 0);
  dart_poll(c);
  CHECK(starts_with(trimmed(c->text), "What is 47+"));
}

/* Reasoning: the thinking token is sent as a message that is resumed. */
static void dart_reason(struct client* c) {
  const char* messages[] = {"What is 64+29?", "<think>"};
  dart_chat(c, messages, 2, 1, 0);
  dart_poll(c);
  CHECK(starts_with(trimmed(c->text), "<think>"));
  const char* end = strstr(c->text, "</think>");
  CHECK(end != NULL);
  if (end) CHECK_TEXT(trimmed(end + strlen("</think>")), "93");
}

static void dart_resume(struct client* c) {
  const char* messages[] = {"What is 47+38?", "8"};
  dart_chat(c, messages, 2, 0, 0);
}

static void dart_complete(struct client* c) {
  CHECK_INT(rwkvmobile_runtime_gen_completion_async(c->runtime, c->model, "User: What is 47+38?\n\nAssistant:", 3, 0,
                                                    NULL, 1),
            0);
  dart_poll(c);
  CHECK_TEXT(c->text, "User: What is 47+38?\n\nAssistant: 85");
}

/* No token ends this one; it is stopped by asking every 100 ms (here: 5) for at most 5 s. */
static void dart_endless(struct client* c) {
  CHECK_INT(rwkvmobile_runtime_gen_completion_async(c->runtime, c->model, "User: Hello!", 1000000, -1, NULL, 1), 0);
  CHECK_INT(rwkvmobile_runtime_is_generating(c->runtime, c->model), 1);
}

static void dart_stop(struct client* c) {
  int tries = 0;
  do {
    CHECK_INT(rwkvmobile_runtime_stop_generation(c->runtime, c->model), 0);
    sleep_ms(5);
  } while (rwkvmobile_runtime_is_generating(c->runtime, c->model) != 0 && ++tries < 1000);
  CHECK_INT(rwkvmobile_runtime_is_generating(c->runtime, c->model), 0);
  CHECK(starts_with(read_text(c), "User: Hello!"));
  CHECK_INT(read_eos(c), 0);
  CHECK_INT(rwkv_ext_end_reason(c->runtime, c->model, -1), RWKV_END_CANCELLED);
}

static void dart_release_model(struct client* c) {
  CHECK_INT(rwkvmobile_runtime_release_model(c->runtime, c->model), 0);
}

static void release(struct client* c) { CHECK_INT(rwkvmobile_runtime_release(c->runtime), 0); }

static const client_step kRwkvDart[] = {dart_start,  dart_before_a_load, dart_load,          dart_settings,
                                        dart_answer, dart_expect_85,     dart_continue_user, dart_reason,
                                        dart_resume, dart_expect_85,     dart_complete,      dart_endless,
                                        dart_stop,   dart_answer,        dart_expect_85,     dart_release_model,
                                        dart_load,   dart_answer,        dart_expect_85,     release};

void clients_rwkv_dart(void) { run_steps(kRwkvDart, COUNT(kRwkvDart), ONE_THREAD); }
void clients_rwkv_dart_each_step_on_its_own_thread(void) { run_steps(kRwkvDart, COUNT(kRwkvDart), A_THREAD_EACH); }

/* ---- rwkv_mobile_flutter ---- */

static char told[256];
static int tokens_told;

static void flutter_on_token(const char* full_text, const int token_id, const char* new_text) {
  CHECK(token_id >= 0);
  CHECK(strlen(full_text) >= strlen(new_text));
  CHECK_TEXT(full_text + strlen(full_text) - strlen(new_text), new_text);
  snprintf(told, sizeof told, "%s", full_text);
  ++tokens_told;
}

static void flutter_load(struct client* c) {
  c->runtime = rwkvmobile_runtime_init();
  c->model = rwkvmobile_runtime_load_model(c->runtime, MODEL, "llama.cpp", VOCABULARY);
  CHECK_INT(c->model, 0);
  rwkvmobile_set_cache_dir(c->runtime, scratch_path("cache"));
  be_greedy(c);
}

static void flutter_play(struct client* c) {
  tokens_told = 0;
  CHECK_INT(rwkvmobile_runtime_gen_completion(c->runtime, c->model, "User: What is 47+38?\n\nAssistant:", 3, 0,
                                              flutter_on_token, 0),
            0);
  CHECK_TEXT(told, "User: What is 47+38?\n\nAssistant: 85");
  CHECK_INT(tokens_told, 3);
  CHECK_INT(rwkvmobile_runtime_is_generating(c->runtime, c->model), 0);
}

static void flutter_stop_without_limit(struct client* c) {
  CHECK_INT(rwkvmobile_runtime_gen_completion_async(c->runtime, c->model, "User:", 1000000, -1, NULL, 0), 0);
  while (rwkvmobile_runtime_is_generating(c->runtime, c->model) == 1) {
    rwkvmobile_runtime_stop_generation(c->runtime, c->model);
    sleep_ms(5);
  }
}

static void flutter_batch_sizes(struct client* c) {
  const struct supported_batch_sizes sizes = rwkvmobile_runtime_get_supported_batch_sizes(c->runtime, c->model);
  CHECK(sizes.length >= 1 && sizes.sizes[0] == 1);
  rwkvmobile_runtime_free_supported_batch_sizes(sizes);
}

static void flutter_read_log(struct client* c) {
  (void)c;
  CHECK(strstr(rwkvmobile_dump_log(), "[INFO] ") != NULL);
}

static const client_step kFlutter[] = {flutter_load, flutter_play,        flutter_stop_without_limit,
                                       flutter_play, flutter_batch_sizes, flutter_read_log,
                                       release};

void clients_rwkv_mobile_flutter(void) { run_steps(kFlutter, COUNT(kFlutter), ONE_THREAD); }
void clients_rwkv_mobile_flutter_each_step_on_its_own_thread(void) {
  run_steps(kFlutter, COUNT(kFlutter), A_THREAD_EACH);
}

/* ---- The RWKV application ---- */

static void app_load_in_background(struct client* c) {
  struct llama_cpp_args extra = {0};
  c->runtime = rwkvmobile_runtime_init();
  CHECK_INT(rwkvmobile_runtime_load_model_with_extra_async(c->runtime, MODEL, "llama.cpp", VOCABULARY, &extra), 0);
  extra.n_gpu_layers = -77; /* copied: nobody reads this */
}

static void app_wait_for_the_load(struct client* c) {
  int code = 77;
  c->model = -1;
  float last = 0.0f;
  while (rwkvmobile_runtime_is_loading_model(c->runtime)) {
    const float progress = rwkvmobile_runtime_get_load_model_progress(c->runtime);
    CHECK(progress >= last && progress <= 1.0f);
    last = progress;
    sleep_ms(2);
  }
  rwkvmobile_runtime_get_load_model_status(c->runtime, &code, &c->model);
  CHECK_INT(code, 0);
  CHECK_INT(c->model, 0);
  CHECK(rwkvmobile_runtime_get_load_model_progress(c->runtime) == 1.0f);
  be_greedy(c);
}

/* The hidden prefill. */
static void app_prefill(struct client* c) {
  const char* messages[] = {"What is 47+38?"};
  CHECK_INT(rwkvmobile_runtime_eval_chat_with_history_async(c->runtime, c->model, messages, 1, 0, NULL, 0, 0, 0, 1), 0);
  CHECK(wait_idle(c) >= 0);
  CHECK_TEXT(read_text(c), "");
  CHECK_INT(rwkv_ext_end_reason(c->runtime, c->model, -1), RWKV_END_LENGTH);
  const char* info = rwkvmobile_get_state_cache_info(c->runtime, c->model);
  CHECK(strstr(info, "What is 47+38?") != NULL);
  rwkvmobile_free_state_cache_info(info);
}

static void app_batch(struct client* c) {
  const char* first[] = {"What is 47+38?"};
  const char* second[] = {"What is 64+29?", "9"};
  const char* third[] = {"What is 47+38?", "85", "What is 12+13?"};
  const char** chats[] = {first, second, third};
  const int counts[] = {1, 2, 3};
  CHECK_INT(rwkvmobile_runtime_eval_chat_batch_with_history_async(c->runtime, c->model, chats, counts, 3, 100, NULL, 0,
                                                                  0, FORCE_LANG_NONE, 0),
            0);
  CHECK(wait_idle(c) >= 0);
  CHECK_INT(rwkvmobile_runtime_eval_chat_batch_with_history_async(c->runtime, c->model, chats, counts, 3, 100, NULL, 0,
                                                                  0, FORCE_LANG_NONE, 1),
            0);
}

static void app_poll_batch(struct client* c) {
  struct response_buffer_batch batch = {0};
  for (int generating = 1; generating;) {
    generating = rwkvmobile_runtime_is_generating(c->runtime, c->model);
    rwkvmobile_runtime_free_response_buffer_batch(batch);
    batch = rwkvmobile_runtime_get_response_buffer_content_batch(c->runtime, c->model);
    CHECK_INT(batch.batch_size, 3);
    sleep_ms(2);
  }
  CHECK_TEXT(trimmed(batch.contents[0]), "85");
  CHECK_INT(batch.lengths[0], (int)strlen(batch.contents[0]));
  CHECK_INT(batch.eos_founds[0], 1);
  CHECK_TEXT(trimmed(batch.contents[2]), "25");
  rwkvmobile_runtime_free_response_buffer_batch(batch);
  const struct batch_tokens_count counts =
      rwkvmobile_runtime_get_response_buffer_tokens_count_batch(c->runtime, c->model);
  CHECK_INT(counts.batch_size, 3);
  CHECK_INT(counts.counts[0], 3);
}

static void app_evaluate(struct client* c) {
  const char* sources[] = {"User: What is 47+38?\n\nAssistant:", "User: What is 47+38?\n\nAssistant:"};
  const char* targets[] = {" 85", " 11"};
  double sum[2] = {0, 0};
  int correct = 0;
  for (int i = 0; i < 2; ++i) {
    const struct evaluation_results results =
        rwkvmobile_runtime_run_evaluation(c->runtime, c->model, sources[i], targets[i]);
    CHECK_INT(results.count, 1);
    sum[i] = (double)results.logits_vals[0];
    correct += results.corrects[0];
    if (i == 0) CHECK_TEXT(results.output_texts[0], " 85");
    rwkvmobile_runtime_free_evaluation_results(results);
  }
  CHECK_INT(correct, 1);
  CHECK(sum[0] <= 0.0 && sum[0] > sum[1]);
  CHECK(exp(-sum[0]) < exp(-sum[1]));
}

static void app_save_state(struct client* c) {
  const char* history[] = {"My name is Mira.", "Nice to meet you, Mira.", "What is my name?"};
  CHECK_INT(rwkvmobile_runtime_save_history_to_state(c->runtime, c->model, history, 3, scratch_path("history.state")),
            0);
}

static void app_load_state(struct client* c) {
  const char* history[] = {"My name is Mira.", "Nice to meet you, Mira.", "What is my name?"};
  CHECK_INT(rwkvmobile_runtime_release_model(c->runtime, c->model), 0);
  c->model = rwkvmobile_runtime_load_model(c->runtime, MODEL, "llama.cpp", "");
  CHECK_INT(c->model, 1); /* ids are not given again */
  be_greedy(c);
  CHECK_INT(rwkvmobile_runtime_load_history_state_to_memory(c->runtime, c->model, scratch_path("history.state")), 0);
  const char* info = rwkvmobile_get_state_cache_info(c->runtime, c->model);
  CHECK(strstr(info, "Nice to meet you, Mira.") != NULL);
  rwkvmobile_free_state_cache_info(info);
  CHECK_INT(rwkvmobile_runtime_eval_chat_with_history_async(c->runtime, c->model, history, 3, 50, NULL, 0, 0, 0, 1), 0);
  CHECK(wait_idle(c) >= 0);
  CHECK(strstr(read_text(c), "Mira") != NULL);
}

/* What it sets for models that see, and for games. */
static void app_special_settings(struct client* c) {
  const int banned[] = {0};
  CHECK_INT(rwkvmobile_runtime_set_eos_token(c->runtime, c->model, "\x17"), 0);
  CHECK_INT(rwkvmobile_runtime_set_bos_token(c->runtime, c->model, "\x16"), 0);
  CHECK_INT(rwkvmobile_runtime_set_token_banned(c->runtime, c->model, banned, 1), 0);
  CHECK_INT(rwkvmobile_runtime_set_image_unique_identifier(c->runtime, "image"), 0);
  CHECK_INT(rwkvmobile_runtime_set_space_after_roles(c->runtime, c->model, 0), 0);
  CHECK_INT(rwkvmobile_runtime_load_vision_encoder(c->runtime, c->model, "encoder.mnn"), 264); /* not there */
  CHECK(rwkvmobile_runtime_tts_register_text_normalizer(c->runtime, "date-zh.fst") & RWKV_ERROR_UNSUPPORTED);
  CHECK_INT(rwkvmobile_runtime_get_tts_streaming_buffer_length(c->runtime), 0);
}

static const client_step kApplication[] = {
    app_load_in_background, app_wait_for_the_load, app_prefill,          app_batch, app_poll_batch, app_evaluate,
    app_save_state,         app_load_state,        app_special_settings, release};

void clients_application(void) { run_steps(kApplication, COUNT(kApplication), ONE_THREAD); }
void clients_application_each_step_on_its_own_thread(void) {
  run_steps(kApplication, COUNT(kApplication), A_THREAD_EACH);
}
