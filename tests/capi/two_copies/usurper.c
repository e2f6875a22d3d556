/* Has some of ggml's and llama.cpp's names, as another version of them in an app would. Who is bound to these instead
 * of its own dies. */
#include <stdlib.h>

#define USURP(name) \
  void name(void) { abort(); }

USURP(ggml_init)
USURP(ggml_free)
USURP(ggml_time_us)
USURP(ggml_new_tensor)
USURP(ggml_new_tensor_1d)
USURP(ggml_new_tensor_2d)
USURP(ggml_nbytes)
USURP(ggml_mul_mat)
USURP(ggml_add)
USURP(ggml_get_rows)
USURP(ggml_rwkv_wkv7)
USURP(ggml_build_forward_expand)
USURP(ggml_graph_compute)
USURP(ggml_graph_plan)
USURP(ggml_backend_cpu_init)
USURP(ggml_backend_graph_compute)
USURP(ggml_backend_sched_graph_compute_async)
USURP(ggml_backend_dev_count)
USURP(ggml_backend_load_all)
USURP(ggml_log_set)
USURP(gguf_init_from_file)
USURP(llama_backend_init)
USURP(llama_log_set)
USURP(llama_model_default_params)
USURP(llama_model_load_from_file)
USURP(llama_init_from_model)
USURP(llama_decode)
USURP(llama_get_logits_ith)
