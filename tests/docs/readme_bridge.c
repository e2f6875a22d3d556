#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "rwkv_bridge.h"

static sem_t ended;

static void on_message(const char* json, size_t length, void* user_data) {
  (void)user_data;
  printf("%.*s\n", (int)length, json);
  char text[256] = "";
  memcpy(text, json, length < 255 ? length : 255);
  if (strstr(text, "\"GenerationEnd\"")) sem_post(&ended);
}

static void send_request(rwkv_bridge_port port, const char* json) { rwkv_bridge_send(port, json, strlen(json)); }

int main(void) {
  sem_init(&ended, 0, 0);
  rwkv_bridge_port port = rwkv_bridge_open("default", "{\"push\": true}", on_message, NULL);
  send_request(port, "{\"type\": \"LoadRWKVModel\", \"modelPath\": \"models/tiny/rwkv7-tiny.gguf\","
                     " \"backend\": \"llama.cpp\", \"tokenizerPath\": \"\"}");
  // Waits for the load and finds the model under the first free id.
  send_request(port, "{\"type\": \"ChatAsync\", \"modelID\": 0, \"messages\": [\"What is 47+38?\"],"
                     " \"enableReasoning\": false, \"forceReasoning\": false, \"addGenerationPrompt\": true}");
  sem_wait(&ended);
  return rwkv_bridge_close(port, 1);
}
