// What the options of a load mean to llama.cpp: the device, and how weights get into memory.
#pragma once

#include <llama.h>

#include <vector>

#include "engine/backend.h"

namespace rwkv::llama_cpp {

/// The devices that this build of ggml knows and finds; the one for all layers of a model first.
std::vector<Device> devices();

/// The device that these options ask for, which devices() has, or the default one.
Device device_for(const LoadOptions& options);

/// What llama.cpp's parameter of the same name wants for it: a list that ends with null; no device but the processors
/// is an empty one.
std::vector<ggml_backend_dev_t> offload_devices(const Device& device);

/// Whether weights are used where they lie in the file, or read into memory of their own.
Setting weights_setting();
/// Throws Error(kInvalidArgument).
bool weights_are_copied(const LoadOptions& options);

}  // namespace rwkv::llama_cpp
