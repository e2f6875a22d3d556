/* Calls from many threads at once, while a model works and while it goes away. Meant for the sanitizers. */
#include "c_test.h"
#include "c_tests.h"

#include <pthread.h>
#include <stdatomic.h>

#include "hostile.h"

enum { CALLERS = 4, RELEASES = 10 };

#define TALKATIVE                                                                                                   \
  "{\"rwkv_script\": 1, \"prefill_us\": 50, \"decode_us\": 300, \"replies\": [{\"say\": \"a long answer, of which " \
  "there is more and more, and still it goes on and on and on\"}]}"

static const char* kMessages[] = {"Hi"};

struct shared {
  struct client client;
  atomic_int callers;
  atomic_int ended;
};

/* Goes through all functions with all kinds of arguments. */
static void* call_everything(void* argument) {
  struct shared* shared = argument;
  unsigned long long random = 0x9E3779B97F4A7C15u * (unsigned)(1 + atomic_fetch_add(&shared->callers, 1));
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < hostile_count(); ++i) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      hostile_call(i, random >> 20);
      /* What harmless arguments do, most of all. */
      hostile_call(i, 0);
    }
  }
  return NULL;
}

void threads_every_function_while_a_model_works(void) {
  struct shared shared = {.callers = 0};
  pthread_t callers[CALLERS];
  open_script(&shared.client, TALKATIVE);
  hostile_begin(&shared.client);
  for (int i = 0; i < CALLERS; ++i) pthread_create(&callers[i], NULL, call_everything, &shared);
  for (int i = 0; i < 20; ++i) {
    rwkvmobile_runtime_eval_chat_with_history_async(shared.client.runtime, shared.client.model, kMessages, 1, 50, NULL,
                                                    0, 0, 0, 1);
    read_text(&shared.client);
    sleep_ms(5);
  }
  for (int i = 0; i < CALLERS; ++i) pthread_join(callers[i], NULL);
  rwkvmobile_set_loglevel(RWKV_LOG_LEVEL_INFO);
  close_client(&shared.client);
}

static void* poll_until_gone(void* argument) {
  struct shared* shared = argument;
  const rwkvmobile_runtime_t runtime = shared->client.runtime;
  const int model = shared->client.model;
  while (!atomic_load(&shared->ended)) {
    rwkvmobile_runtime_is_generating(runtime, model);
    rwkvmobile_runtime_get_avg_decode_speed(runtime, model);
    rwkvmobile_runtime_get_prefill_progress(runtime, model);
    rwkvmobile_runtime_free_response_buffer(rwkvmobile_runtime_get_response_buffer_content(runtime, model));
    rwkvmobile_runtime_free_loaded_models_list(rwkvmobile_runtime_get_loaded_models_info(runtime));
    rwkvmobile_free_state_cache_info(rwkvmobile_get_state_cache_info(runtime, model));
    rwkvmobile_runtime_set_prompt(runtime, model, "System: x\n\n");
    rwkvmobile_runtime_set_seed(runtime, model, 5);
  }
  return NULL;
}

static void* evaluate_until_gone(void* argument) {
  struct shared* shared = argument;
  while (!atomic_load(&shared->ended)) {
    rwkvmobile_runtime_free_evaluation_results(
        rwkvmobile_runtime_run_evaluation(shared->client.runtime, shared->client.model, "source", "target"));
    rwkvmobile_runtime_gen_completion_singletoken_topk(shared->client.runtime, shared->client.model, "text", 3);
  }
  return NULL;
}

static atomic_int callbacks;
static atomic_int releasing; /* set before the release begins: its handle is dead from then on */
static rwkvmobile_runtime_t runtime_of_callback;

/* May call everything but the releases. */
static void count_token(const char* full_text, const int token_id, const char* new_text) {
  (void)full_text, (void)token_id, (void)new_text;
  if (atomic_fetch_add(&callbacks, 1) > 0) return;
  CHECK_INT(rwkvmobile_runtime_release_model(runtime_of_callback, 0), RWKV_ERROR_RUNTIME);
  CHECK_INT(rwkvmobile_runtime_release(runtime_of_callback), RWKV_ERROR_RUNTIME);
  const int generating = rwkvmobile_runtime_is_generating(runtime_of_callback, 0);
  if (!atomic_load(&releasing)) CHECK_INT(generating, 1);
  rwkvmobile_runtime_free_response_buffer(rwkvmobile_runtime_get_response_buffer_content(runtime_of_callback, 0));
}

void threads_release_while_generating(void) {
  const int64_t before = rwkv_ext_live_objects();
  for (int round = 0; round < RELEASES; ++round) {
    struct shared shared = {.callers = 0};
    pthread_t poller, evaluator;
    open_script(&shared.client, TALKATIVE);
    runtime_of_callback = shared.client.runtime;
    atomic_store(&callbacks, 0);
    atomic_store(&releasing, 0);
    pthread_create(&poller, NULL, poll_until_gone, &shared);
    pthread_create(&evaluator, NULL, evaluate_until_gone, &shared);
    while (rwkvmobile_runtime_eval_chat_with_history_async(shared.client.runtime, shared.client.model, kMessages, 1,
                                                           1000, count_token, 0, 0, 0, 1) != 0) {
      sleep_ms(1);
    }
    while (atomic_load(&callbacks) < round) sleep_ms(1);
    atomic_store(&releasing, 1);
    if (round % 2) {
      CHECK_INT(rwkvmobile_runtime_release_model(shared.client.runtime, shared.client.model), 0);
      CHECK_INT(rwkvmobile_runtime_release_model(shared.client.runtime, shared.client.model), 264);
    } else {
      CHECK_INT(rwkvmobile_runtime_release(shared.client.runtime), 0);
    }
    const int at_release = atomic_load(&callbacks);
    sleep_ms(20);
    CHECK_INT(atomic_load(&callbacks), at_release);
    atomic_store(&shared.ended, 1);
    pthread_join(poller, NULL);
    pthread_join(evaluator, NULL);
    CHECK_INT(rwkvmobile_runtime_release(shared.client.runtime), round % 2 ? 0 : 8);
  }
  CHECK_INT(rwkv_ext_live_objects(), before);
}

void threads_release_while_loading(void) {
  const int64_t before = rwkv_ext_live_objects();
  const char* script = scratch_file("slow.json", "{\"rwkv_script\": 1, \"load_ms\": 10000}");
  for (int i = 0; i < RELEASES; ++i) {
    const rwkvmobile_runtime_t runtime = rwkvmobile_runtime_init();
    CHECK_INT(rwkvmobile_runtime_load_model_async(runtime, script, "scripted", ""), 0);
    sleep_ms(i);
    const long long start = now_ms();
    CHECK_INT(rwkvmobile_runtime_release(runtime), 0);
    CHECK(now_ms() - start < 3000);
  }
  CHECK_INT(rwkv_ext_live_objects(), before);
}

static struct batch_tokens_count counts;
static const char** top;
static const char* dump;

static void ask(struct client* c) {
  top = rwkvmobile_runtime_gen_completion_singletoken_topk(c->runtime, c->model, "User: Hi\n\nAssistant: y", 2);
  counts = rwkvmobile_runtime_get_response_buffer_tokens_count_batch(c->runtime, c->model);
  dump = rwkvmobile_dump_log();
}

static void ask_for_something_else(struct client* c) {
  const char** other = rwkvmobile_runtime_gen_completion_singletoken_topk(c->runtime, c->model, "x", 200);
  CHECK(other != NULL && other != top);
}

void threads_results_outlive_the_thread_that_asked(void) {
  struct client c;
  const char** chats[] = {kMessages, kMessages};
  const int one_each[] = {1, 1};
  open_script(&c, "{\"rwkv_script\": 1, \"replies\": [{\"say\": \"yes\"}]}");
  CHECK_INT(rwkvmobile_runtime_eval_chat_batch_with_history_async(c.runtime, c.model, chats, one_each, 2, 50, NULL, 0,
                                                                  0, 0, 1),
            0);
  CHECK(wait_idle(&c) >= 0);
  run_step(ask, &c, A_THREAD_EACH);
  ask_for_something_else(&c); /* this thread's own */
  CHECK(top != NULL);
  if (top) CHECK_TEXT(top[0], "e");
  CHECK_INT(counts.batch_size, 2);
  CHECK_INT(counts.counts[1], 4);
  CHECK(strlen(dump) > 0);
  close_client(&c);
}
