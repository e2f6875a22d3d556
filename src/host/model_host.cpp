#include "host/model_host.h"

#include <atomic>
#include <utility>

#include "base/error_of.h"
#include "base/log.h"

namespace rwkv::host {
namespace {

std::int64_t next_load() {
  static std::atomic<std::int64_t> last{0};
  return ++last;
}

std::int64_t next_use() {
  static std::atomic<std::int64_t> last{0};
  return ++last;
}

}  // namespace

ModelHost::ModelHost(ModelRequest request, std::shared_ptr<SharedMedia> media)
    : load_id(next_load()), request_(std::move(request)), media_(std::move(media)) {}

void ModelHost::load(const CancelToken& cancel, std::function<void(float)> progress) {
  ModelRequest request = request_;
  request.options.cancel = cancel;
  request.options.progress = std::move(progress);
  model_ = LanguageModel::load(request);
  senses_ = std::make_unique<Senses>(media_, model_->info().width);
}

std::string ModelHost::backend_name() const {
  return names_backend(request_.backend) ? request_.backend : model_->info().backend;
}

ModelHost::Use::Use(ModelHost& host, Kind kind, const CancelToken& cancel) : host_(host) {
  const std::lock_guard lock(host.mutex_);
  if (host.closed_) throw Error(ErrorCode::kInvalidArgument, "the model is being released");
  if (host.generating_ && kind != Kind::kEvaluation) {
    throw Error(ErrorCode::kBusy, "model " + std::to_string(host.id_) + " is generating; wait for it or stop it first");
  }
  self_ = host.uses_.insert(host.uses_.end(), {cancel, kind});
  for (auto other = host.uses_.begin(); other != self_; ++other) {
    if (other->kind == Kind::kWarmUp && kind != Kind::kEvaluation) other->cancel.cancel();
  }
  host.last_use_ = next_use();
  if (kind == Kind::kGeneration) host.generating_ = true;
}

void ModelHost::Use::end() noexcept {
  const std::lock_guard lock(host_.mutex_);
  if (std::exchange(ended_, true)) return;
  if (self_->kind == Kind::kGeneration) host_.generating_ = false;
  host_.uses_.erase(self_);
  host_.changed_.notify_all();
}

std::shared_ptr<ModelHost::Use> ModelHost::admit(Kind kind, const CancelToken& cancel) {
  return std::make_shared<Use>(*this, kind, cancel);
}

void ModelHost::post(std::shared_ptr<Use> use, std::function<void()> work, Then then) {
  worker_.post([use = std::move(use), work = std::move(work), then = std::move(then)] {
    const auto error = error_of(work);
    if (use) use->end();
    if (then) then(error);
  });
}

void ModelHost::evaluate(Kind kind, const std::function<void(const CancelToken&)>& work) {
  const CancelToken cancel;
  const Use use(*this, kind, cancel);
  work(cancel);
}

void ModelHost::set_prompt(const std::string& text) {
  {
    const auto settings = this->settings();
    settings->format.prompt = text;
    settings->audio_prompt = nullptr;
  }
  if (text.empty()) return;
  const CancelToken cancel;
  std::shared_ptr<Use> use;
  try {
    use = admit(Kind::kWarmUp, cancel);
  } catch (const Error&) {
    return;  // it generates, and evaluates the text itself the next time
  }
  const auto work = [this, cancel] {
    cancel.check();
    read_prompt(settings()->chat_format(), cancel);
  };
  post(std::move(use), work, [](const std::optional<Error>& error) {
    if (error) log::debug(error->what());
  });
}

void ModelHost::load_encoder(EncoderInfo::Takes takes, const EncoderFiles& files, const CancelToken& cancel) {
  auto encoder = media_->load(files, request_.budget, cancel);
  if (encoder->info().takes != takes) {
    const bool is_for_sound = takes == EncoderInfo::Takes::kPicture;
    throw Error(ErrorCode::kInvalidArgument,
                "'" + files.encoder + "' is an encoder for " + (is_for_sound ? "sound" : "pictures") + "; load it as " +
                    (is_for_sound ? "an audio" : "a vision") + " encoder",
                files.encoder);
  }
  senses_->attach(std::move(encoder));
}

void ModelHost::set_audio_prompt(const std::string& path, const CancelToken& cancel) {
  ModelSettings changed = *settings();
  changed.format.prompt = "<audio src=\"" + path + "\">";
  changed.audio_prompt = senses_->perceive(EncoderInfo::Takes::kSound, {path, {}});
  read_prompt(changed.chat_format(), cancel);
  const auto settings = this->settings();
  settings->format.prompt = std::move(changed.format.prompt);
  settings->audio_prompt = std::move(changed.audio_prompt);
}

void ModelHost::read_prompt(ChatFormat format, const CancelToken& cancel) {
  senses_->take_pictures(format);
  const Prompt prompt = model_->prompts().completion(format.prompt, format.prompt_media);
  model_->encode_media(prompt, true, cancel, [](float) {});
  model_->state_after(prompt, cancel);
}

void ModelHost::cancel_uses() noexcept {
  const std::lock_guard lock(mutex_);
  for (const Acceptance& use : uses_) use.cancel.cancel();
}

bool ModelHost::generating() const {
  const std::lock_guard lock(mutex_);
  return generating_;
}

bool ModelHost::busy() const {
  const std::lock_guard lock(mutex_);
  return !uses_.empty();
}

std::int64_t ModelHost::last_use() const {
  const std::lock_guard lock(mutex_);
  return last_use_;
}

void ModelHost::close() noexcept {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const Acceptance& use : uses_) use.cancel.cancel();
}

void ModelHost::wait_until_unused() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return uses_.empty(); });
}

}  // namespace rwkv::host
