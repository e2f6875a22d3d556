/* Tests in C: checks that report to the test framework, steps that may run on threads of their own, and the models. */
#ifndef RWKV_TESTS_C_TEST_H
#define RWKV_TESTS_C_TEST_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rwkv_mobile.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MODEL RWKV_SOURCE_DIR "/models/tiny/rwkv7-tiny.gguf"
#define VOCABULARY RWKV_SOURCE_DIR "/models/tiny/vocab.txt"

/* c_tests.cpp: a failure of the test that runs. */
void c_test_fail(const char* file, int line, const char* what);
void c_test_differ(const char* file, int line, const char* what, long long got, long long wanted);
void c_test_texts_differ(const char* file, int line, const char* what, const char* got, const char* wanted);

#define CHECK(condition) ((condition) ? (void)0 : c_test_fail(__FILE__, __LINE__, #condition))
#define CHECK_INT(value, wanted) c_test_differ(__FILE__, __LINE__, #value, (long long)(value), (long long)(wanted))
#define CHECK_TEXT(value, wanted) c_test_texts_differ(__FILE__, __LINE__, #value, value, wanted)

/* c_tests.cpp: a path in the test's own folder, and a file with these contents there. Valid until the test ends. */
const char* scratch_path(const char* name);
const char* scratch_file(const char* name, const char* contents);

void sleep_ms(int milliseconds);
long long now_ms(void);

/* A client between its calls. */
struct client {
  rwkvmobile_runtime_t runtime;
  int model;
  char text[65536];
};

typedef void (*client_step)(struct client*);

enum threads { ONE_THREAD, A_THREAD_EACH };

/* Runs the step here or on a new thread, and waits for it. */
void run_step(client_step step, struct client* client, enum threads threads);

/* Waits until the model does not generate; the time in milliseconds, or -1 after a minute. */
int wait_idle(const struct client* client);

/* The single response buffer, as a string. */
const char* read_text(struct client* client);
int read_eos(const struct client* client);

/* temperature 1, top_k 1, no penalties: the same answer each time. */
void be_greedy(const struct client* client);

/* A runtime with the shipped model, or with a scripted one (see src/backends/scripted/script.h). */
void open_client(struct client* client);
void open_script(struct client* client, const char* json);
void close_client(struct client* client);

#ifdef __cplusplus
}
#endif
#endif
