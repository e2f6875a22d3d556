#define _POSIX_C_SOURCE 200809L
#include "c_test.h"

#include <pthread.h>
#include <time.h>

void sleep_ms(int milliseconds) {
  const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  nanosleep(&time, NULL);
}

long long now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (long long)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

struct job {
  client_step step;
  struct client* client;
};

static void* do_job(void* argument) {
  const struct job* job = argument;
  job->step(job->client);
  return NULL;
}

void run_step(client_step step, struct client* client, enum threads threads) {
  struct job job = {step, client};
  pthread_t thread;
  if (threads == ONE_THREAD) {
    step(client);
    return;
  }
  CHECK_INT(pthread_create(&thread, NULL, do_job, &job), 0);
  pthread_join(thread, NULL);
}

int wait_idle(const struct client* client) {
  const long long start = now_ms();
  while (rwkvmobile_runtime_is_generating(client->runtime, client->model) == 1) {
    if (now_ms() - start > 60000) return -1;
    sleep_ms(2);
  }
  return (int)(now_ms() - start);
}

const char* read_text(struct client* client) {
  const struct response_buffer buffer = rwkvmobile_runtime_get_response_buffer_content(client->runtime, client->model);
  CHECK(buffer.content != NULL);
  CHECK(buffer.length < (int)sizeof client->text);
  memcpy(client->text, buffer.content, (size_t)buffer.length + 1);
  rwkvmobile_runtime_free_response_buffer(buffer);
  return client->text;
}

int read_eos(const struct client* client) {
  const struct response_buffer buffer = rwkvmobile_runtime_get_response_buffer_content(client->runtime, client->model);
  rwkvmobile_runtime_free_response_buffer(buffer);
  return buffer.eos_found;
}

void be_greedy(const struct client* client) {
  const struct sampler_params sampler = {1.0f, 1, 1.0f};
  const struct penalty_params penalties = {0.0f, 0.0f, 0.0f};
  rwkvmobile_runtime_set_sampler_params(client->runtime, client->model, sampler);
  rwkvmobile_runtime_set_penalty_params(client->runtime, client->model, penalties);
}

void open_client(struct client* client) {
  client->runtime = rwkvmobile_runtime_init();
  client->model = rwkvmobile_runtime_load_model(client->runtime, MODEL, "llama.cpp", "");
  CHECK_INT(client->model, 0);
  be_greedy(client);
}

void open_script(struct client* client, const char* json) {
  client->runtime = rwkvmobile_runtime_init();
  client->model = rwkvmobile_runtime_load_model(client->runtime, scratch_file("script.json", json), "scripted", "");
  CHECK_INT(client->model, 0);
  be_greedy(client);
}

void close_client(struct client* client) { CHECK_INT(rwkvmobile_runtime_release(client->runtime), 0); }
