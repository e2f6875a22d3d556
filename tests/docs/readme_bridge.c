#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "rwkv_bridge.h"

static sem_t ended;
static int failed;

static int says(const char* json, size_t length, const char* words) {
  size_t size = strlen(words), at = 0;
  while (at + size <= length && memcmp(json + at, words, size) != 0) ++at;
  return at + size <= length;
}

static void on_message(const char* json, size_t length, void* user_data) {
  (void)user_data;
  printf("%.*s\n", (int)length, json);
  // A load that fails ends without an answer, and so does a request that is refused.
  if (says(json, length, "\"failedInLoading\"") || says(json, length, "\"type\":\"Error\"") ||
      says(json, length, "\"type\":\"GenerateStop\""))
    failed = 1;
  if (failed || says(json, length, "\"type\":\"GenerationEnd\"")) sem_post(&ended);
}

static void send_request(rwkv_bridge_port port, const char* json) { rwkv_bridge_send(port, json, strlen(json)); }

int main(void) {
  sem_init(&ended, 0, 0);
  rwkv_bridge_port port = rwkv_bridge_open("default", "{\"push\": true}", on_message, NULL);
  send_request(port,
               "{\"type\": \"LoadRWKVModel\", \"modelPath\": \"models/tiny/rwkv7-tiny.gguf\","
               " \"backend\": \"llama.cpp\", \"tokenizerPath\": \"\"}");
  // Waits for the load and finds the model under the first free id.
  send_request(port,
               "{\"type\": \"ChatAsync\", \"modelID\": 0, \"messages\": [\"What is 47+38?\"],"
               " \"enableReasoning\": false, \"forceReasoning\": false, \"addGenerationPrompt\": true}");
  sem_wait(&ended);
  return rwkv_bridge_close(port, 1) != 0 || failed;
}
