#include "backends/plugin/calls.h"
#include "backends/plugin/plugin_model.h"
#include "backends/state_blob.h"

namespace rwkv::plugin {

PluginSequence::PluginSequence(PluginModel& model) : model_(model) {
  const rwkv_backend_api& api = model_.api_;
  call(api, [&](rwkv_backend_error* error) { return api.create_sequence(model_.model_.get(), &handle_, error); });
  if (handle_ == nullptr) throw_broken(api, "it gave no sequence and no error");
  ++model_.sequences_;
}

PluginSequence::~PluginSequence() {
  --model_.sequences_;
  model_.api_.free_sequence(handle_);
}

void PluginSequence::reset() {
  position_ = 0;
  spoilt_ = true;
  make_usable();
}

void PluginSequence::spoil() noexcept {
  try {
    reset();
  } catch (...) {
    // spoilt_ is set
  }
}

void PluginSequence::make_usable() {
  if (!spoilt_) return;
  call(model_.api_, [&](rwkv_backend_error* error) { return model_.api_.reset(handle_, error); });
  spoilt_ = false;
}

State PluginSequence::save() const {
  if (position_ == 0) return {};
  const std::size_t header = state_header_bytes();
  StateBytes bytes(header + static_cast<std::size_t>(model_.info().state_bytes));
  call(model_.api_, [&](rwkv_backend_error* error) {
    return model_.api_.save(handle_, bytes.data() + header, bytes.size() - header, error);
  });
  return wrap_state(std::move(bytes), model_.state_mark_, position_);
}

void PluginSequence::restore(const State& state) {
  reset();
  if (state.is_zero()) return;
  const std::span<const std::byte> bytes = unwrap_state(state, model_.state_mark_);
  if (bytes.size() != model_.info().state_bytes || state.position() < 0) {
    throw Error(ErrorCode::kInvalidArgument, "the state is damaged");
  }
  try {
    call(model_.api_,
         [&](rwkv_backend_error* error) { return model_.api_.restore(handle_, bytes.data(), bytes.size(), error); });
  } catch (...) {
    spoil();
    throw;
  }
  position_ = state.position();
}

}  // namespace rwkv::plugin
