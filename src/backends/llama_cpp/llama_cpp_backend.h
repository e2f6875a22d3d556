// RWKV-6 and RWKV-7 GGUF files through llama.cpp.
#pragma once

#include <memory>

#include "engine/backend.h"

namespace rwkv {

/// The backend named "llama.cpp".
std::unique_ptr<Backend> make_llama_cpp_backend();

}  // namespace rwkv
