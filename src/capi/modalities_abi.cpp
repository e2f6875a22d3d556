// rwkv_mobile.h: speech and embedding, which are not built. Each call says so.
#include <array>
#include <initializer_list>
#include <string>

#include "capi/guard.h"
#include "capi/memory.h"

using namespace rwkv::capi;

namespace {

int unsupported(rwkvmobile_runtime_t runtime, std::initializer_list<const void*> pointers, const char* what) {
  for (const void* pointer : pointers) {
    if (pointer == nullptr) return kBadArgument;
  }
  return with_runtime(runtime, [&](AbiHost&) -> int {
    throw rwkv::Error(rwkv::ErrorCode::kUnsupported, std::string(what) + " is not in this build");
  });
}

constexpr const char* kSpeech = "speech synthesis";
constexpr const char* kEmbedding = "embedding";

}  // namespace

int rwkvmobile_runtime_sparktts_load_models(rwkvmobile_runtime_t runtime, const char* wav2vec2_path,
                                            const char* bicodec_tokenizer_path, const char* bicodec_detokenizer_path) {
  return unsupported(runtime, {wav2vec2_path, bicodec_tokenizer_path, bicodec_detokenizer_path}, kSpeech);
}

int rwkvmobile_runtime_sparktts_release_models(rwkvmobile_runtime_t) { return RWKV_SUCCESS; }

int rwkvmobile_runtime_run_spark_tts_streaming_async(rwkvmobile_runtime_t runtime, int, const char* tts_text,
                                                     const char*, const char* prompt_audio_path,
                                                     const char* output_wav_path) {
  return unsupported(runtime, {tts_text, prompt_audio_path, output_wav_path}, kSpeech);
}

int rwkvmobile_runtime_run_spark_tts_with_global_tokens_streaming_async(rwkvmobile_runtime_t runtime, int,
                                                                        const char* tts_text,
                                                                        const char* output_wav_path,
                                                                        const int* global_tokens) {
  return unsupported(runtime, {tts_text, output_wav_path, global_tokens}, kSpeech);
}

int rwkvmobile_runtime_run_spark_tts_with_properties_streaming_async(rwkvmobile_runtime_t runtime, int,
                                                                     const char* tts_text, const char* output_wav_path,
                                                                     const char* age, const char* gender,
                                                                     const char* emotion, const char* pitch,
                                                                     const char* speed) {
  return unsupported(runtime, {tts_text, output_wav_path, age, gender, emotion, pitch, speed}, kSpeech);
}

tts_streaming_buffer rwkvmobile_runtime_get_tts_streaming_buffer(rwkvmobile_runtime_t) { return {}; }

void rwkvmobile_runtime_free_tts_streaming_buffer(tts_streaming_buffer buffer) { release(buffer.samples); }

int rwkvmobile_runtime_get_tts_streaming_buffer_length(rwkvmobile_runtime_t) { return 0; }

const int* rwkvmobile_runtime_get_tts_global_tokens_output(rwkvmobile_runtime_t) {
  // Clients read them without asking whether there are any.
  static constexpr std::array<int, 32> kNone{};
  return kNone.data();
}

int rwkvmobile_runtime_tts_register_text_normalizer(rwkvmobile_runtime_t runtime, const char* path) {
  return unsupported(runtime, {path}, kSpeech);
}

int rwkvmobile_load_embedding_model(rwkvmobile_runtime_t runtime, const char* model_path) {
  return unsupported(runtime, {model_path}, kEmbedding);
}

int rwkvmobile_load_rerank_model(rwkvmobile_runtime_t runtime, const char* model_path) {
  return unsupported(runtime, {model_path}, kEmbedding);
}

int rwkvmobile_get_embedding(rwkvmobile_runtime_t runtime, const char** input, const int input_length,
                             float** embedding) {
  if (input_length <= 0) return kBadArgument;
  return unsupported(runtime, {input, embedding}, kEmbedding);
}
