// The structures as clients' bindings lay them out, checked by the compiler in every build of this repository: sizes
// and offsets with pointers of 8 and of 4 bytes.
#include <cstddef>

#include "rwkv_mobile.h"

namespace {

constexpr std::size_t pick(std::size_t with_64_bits, std::size_t with_32_bits) {
  return sizeof(void*) == 8 ? with_64_bits : with_32_bits;
}

#define SIZE(type, wide, narrow) static_assert(sizeof(type) == pick(wide, narrow), #type)
#define FIELD(type, field, wide, narrow) static_assert(offsetof(type, field) == pick(wide, narrow), #type "." #field)

static_assert(sizeof(int) == 4 && sizeof(float) == 4 && sizeof(double) == 8);

SIZE(sampler_params, 12, 12);
FIELD(sampler_params, temperature, 0, 0);
FIELD(sampler_params, top_k, 4, 4);
FIELD(sampler_params, top_p, 8, 8);

SIZE(penalty_params, 12, 12);
FIELD(penalty_params, presence_penalty, 0, 0);
FIELD(penalty_params, frequency_penalty, 4, 4);
FIELD(penalty_params, penalty_decay, 8, 8);

SIZE(token_ids, 16, 8);
FIELD(token_ids, ids, 0, 0);
FIELD(token_ids, len, 8, 4);

SIZE(rwkvmobile_server_config, 80, 68);
FIELD(rwkvmobile_server_config, host, 0, 0);
FIELD(rwkvmobile_server_config, port, 8, 4);
FIELD(rwkvmobile_server_config, threads, 12, 8);
FIELD(rwkvmobile_server_config, model_name, 16, 12);
FIELD(rwkvmobile_server_config, default_max_tokens, 24, 16);
FIELD(rwkvmobile_server_config, temperature, 28, 20);
FIELD(rwkvmobile_server_config, top_k, 32, 24);
FIELD(rwkvmobile_server_config, top_p, 36, 28);
FIELD(rwkvmobile_server_config, presence_penalty, 40, 32);
FIELD(rwkvmobile_server_config, frequency_penalty, 44, 36);
FIELD(rwkvmobile_server_config, penalty_decay, 48, 40);
FIELD(rwkvmobile_server_config, has_temperature, 52, 44);
FIELD(rwkvmobile_server_config, has_top_k, 56, 48);
FIELD(rwkvmobile_server_config, has_top_p, 60, 52);
FIELD(rwkvmobile_server_config, has_presence_penalty, 64, 56);
FIELD(rwkvmobile_server_config, has_frequency_penalty, 68, 60);
FIELD(rwkvmobile_server_config, has_penalty_decay, 72, 64);

SIZE(response_buffer, 16, 12);
FIELD(response_buffer, content, 0, 0);
FIELD(response_buffer, length, 8, 4);
FIELD(response_buffer, eos_found, 12, 8);

SIZE(response_buffer_batch, 32, 16);
FIELD(response_buffer_batch, contents, 0, 0);
FIELD(response_buffer_batch, lengths, 8, 4);
FIELD(response_buffer_batch, eos_founds, 16, 8);
FIELD(response_buffer_batch, batch_size, 24, 12);

SIZE(tts_streaming_buffer, 16, 8);
FIELD(tts_streaming_buffer, samples, 0, 0);
FIELD(tts_streaming_buffer, length, 8, 4);

SIZE(supported_batch_sizes, 16, 8);
FIELD(supported_batch_sizes, sizes, 0, 0);
FIELD(supported_batch_sizes, length, 8, 4);

SIZE(model_info, 80, 44);
FIELD(model_info, model_id, 0, 0);
FIELD(model_info, model_path, 8, 4);
FIELD(model_info, backend_name, 16, 8);
FIELD(model_info, tokenizer_path, 24, 12);
FIELD(model_info, user_role, 32, 16);
FIELD(model_info, response_role, 40, 20);
FIELD(model_info, bos_token, 48, 24);
FIELD(model_info, eos_token, 56, 28);
FIELD(model_info, thinking_token, 64, 32);
FIELD(model_info, is_generating, 72, 36);
FIELD(model_info, vocab_size, 76, 40);

SIZE(loaded_models_list, 16, 8);
FIELD(loaded_models_list, models, 0, 0);
FIELD(loaded_models_list, count, 8, 4);

SIZE(evaluation_results, 32, 16);
FIELD(evaluation_results, corrects, 0, 0);
FIELD(evaluation_results, logits_vals, 8, 4);
FIELD(evaluation_results, count, 16, 8);
FIELD(evaluation_results, output_texts, 24, 12);

SIZE(batch_tokens_count, 16, 8);
FIELD(batch_tokens_count, counts, 0, 0);
FIELD(batch_tokens_count, batch_size, 8, 4);

SIZE(web_rwkv_args, 8, 8);
FIELD(web_rwkv_args, quant_type, 0, 0);
FIELD(web_rwkv_args, quant_layers, 4, 4);

SIZE(llama_cpp_args, 4, 4);
FIELD(llama_cpp_args, n_gpu_layers, 0, 0);

SIZE(coreml_args, 8, 8);
FIELD(coreml_args, load_prefill_async, 0, 0);
FIELD(coreml_args, async_prefill_decode_load_threshold_ms, 4, 4);

}  // namespace
