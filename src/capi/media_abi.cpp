// rwkv_mobile.h: encoders for pictures and sound.
#include "capi/guard.h"

using namespace rwkv::capi;
using Takes = rwkv::EncoderInfo::Takes;

namespace {

constexpr int kCannotLoad = RWKV_ERROR_RUNTIME | RWKV_ERROR_INVALID_PARAMETERS;

// What `work` throws is kCannotLoad, unless no build could do it.
template <class Work>
int with_files(rwkvmobile_runtime_t runtime, int model_id, const Work& work) {
  const int result = with_model(runtime, model_id, [&](AbiModel& model) {
    model.evaluate(AbiModel::Kind::kEvaluation, [&](const rwkv::CancelToken& cancel) { work(model, cancel); });
  });
  const bool is_plain = result == RWKV_SUCCESS || result == kNoSuchModel || result == kBadArgument;
  return is_plain || (result & RWKV_ERROR_UNSUPPORTED) != 0 ? result : kCannotLoad;
}

int load(rwkvmobile_runtime_t runtime, int model_id, Takes takes, const char* encoder_path, const char* adapter_path) {
  if (encoder_path == nullptr || adapter_path == nullptr) return kBadArgument;
  return with_files(runtime, model_id, [&](AbiModel& model, const rwkv::CancelToken& cancel) {
    model.load_encoder(takes, {encoder_path, adapter_path}, cancel);
  });
}

int release(rwkvmobile_runtime_t runtime, int model_id) {
  const int result = with_model(runtime, model_id, [](AbiModel& model) {
    model.senses().detach(Takes::kPicture);
    model.senses().detach(Takes::kSound);
  });
  return result == kBadArgument ? RWKV_SUCCESS : result;
}

}  // namespace

int rwkvmobile_runtime_load_vision_encoder(rwkvmobile_runtime_t runtime, int model_id, const char* encoder_path) {
  return load(runtime, model_id, Takes::kPicture, encoder_path, "");
}

int rwkvmobile_runtime_load_vision_encoder_and_adapter(rwkvmobile_runtime_t runtime, int model_id,
                                                       const char* encoder_path, const char* adapter_path) {
  return load(runtime, model_id, Takes::kPicture, encoder_path, adapter_path);
}

int rwkvmobile_runtime_release_vision_encoder(rwkvmobile_runtime_t runtime, int model_id) {
  return release(runtime, model_id);
}

int rwkvmobile_runtime_set_image_unique_identifier(rwkvmobile_runtime_t runtime, const char* unique_identifier) {
  if (!unique_identifier) return kBadArgument;
  return with_runtime(runtime, [&](AbiHost& of) { of.media()->set_picture_tag(unique_identifier); });
}

int rwkvmobile_runtime_load_whisper_encoder(rwkvmobile_runtime_t runtime, int model_id, const char* encoder_path) {
  return load(runtime, model_id, Takes::kSound, encoder_path, "");
}

int rwkvmobile_runtime_release_whisper_encoder(rwkvmobile_runtime_t runtime, int model_id) {
  return release(runtime, model_id);
}

int rwkvmobile_runtime_set_audio_prompt(rwkvmobile_runtime_t runtime, int model_id, const char* audio_path) {
  if (!audio_path) return kBadArgument;
  return with_files(runtime, model_id, [&](AbiModel& model, const rwkv::CancelToken& cancel) {
    model.set_audio_prompt(audio_path, cancel);
  });
}
