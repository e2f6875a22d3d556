#include <stdio.h>

#include "rwkv_mobile.h"

static void on_token(const char* full_text, const int token_id, const char* new_text) {
  (void)full_text, (void)token_id;
  fputs(new_text, stdout);
}

int main(void) {
  rwkvmobile_runtime_t runtime = rwkvmobile_runtime_init();
  int model = rwkvmobile_runtime_load_model(runtime, "models/tiny/rwkv7-tiny.gguf", "llama.cpp", "");
  struct sampler_params greedy = {1, 1, 1}; /* temperature, top_k, top_p */
  rwkvmobile_runtime_set_sampler_params(runtime, model, greedy);

  const char* prompt = "User: What is 47+38?\n\nAssistant:";
  int error = rwkvmobile_runtime_gen_completion(runtime, model, prompt, 3, 0, on_token, 0);
  rwkvmobile_runtime_release(runtime);
  return model < 0 || error != RWKV_SUCCESS;
}
