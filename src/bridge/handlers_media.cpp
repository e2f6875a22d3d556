#include "bridge/handlers.h"

namespace rwkv::bridge {

void Handlers::load_encoder(std::int64_t model_id, EncoderInfo::Takes takes, EncoderFiles files) {
  const auto host = model(model_id);
  later_ = true;
  runtime_.run_job(origin_, *host, [to = host.get(), takes, files = std::move(files)](const CancelToken& cancel) {
    to->load_encoder(takes, files, cancel);
  });
}

void Handlers::handle(const protocol::LoadVisionEncoder& request) {
  load_encoder(request.model_id, EncoderInfo::Takes::kPicture, {request.encoder_path, ""});
}

void Handlers::handle(const protocol::LoadVisionEncoderAndAdapter& request) {
  load_encoder(request.model_id, EncoderInfo::Takes::kPicture, {request.encoder_path, request.adapter_path});
}

void Handlers::handle(const protocol::LoadWhisperEncoder& request) {
  load_encoder(request.model_id, EncoderInfo::Takes::kSound, {request.encoder_path, ""});
}

void Handlers::handle(const protocol::ReleaseVisionEncoder& request) {
  model(request.model_id)->senses().detach(EncoderInfo::Takes::kPicture);
}

void Handlers::handle(const protocol::ReleaseWhisperEncoder& request) {
  model(request.model_id)->senses().detach(EncoderInfo::Takes::kSound);
}

void Handlers::handle(const protocol::SetImageUniqueIdentifier& request) {
  runtime_.host_.media()->set_picture_tag(request.unique_identifier);
}

void Handlers::handle(const protocol::SetVisionPrompt&) {
  throw Error(ErrorCode::kUnsupported,
              "SetVisionPrompt is obsolete; name the picture in a message, as in <image>/path.jpg</image>");
}

void Handlers::handle(const protocol::SetAudioPrompt& request) {
  const auto host = model(request.model_id);
  later_ = true;
  runtime_.run_job(origin_, *host, [to = host.get(), path = request.audio_path_ptr](const CancelToken& cancel) {
    to->set_audio_prompt(path, cancel);
  });
}

}  // namespace rwkv::bridge
