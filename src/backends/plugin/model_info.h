// What a backend's library says of a model, looked at before anything relies on it.
#pragma once

#include "engine/model.h"
#include "rwkv_backend.h"

namespace rwkv::plugin {

struct PluginInfo {
  ModelInfo model;                // without its file's size and the device's figures
  bool state_is_numbers = false;  // RWKV_BACKEND_STATE_NUMBERS
};

/// Throws Error(kUnsupported) for what cannot be, and what the library fails with.
PluginInfo read_info(const rwkv_backend_api& api, const rwkv_backend_model* model);

}  // namespace rwkv::plugin
