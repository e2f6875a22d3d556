// Our own engine: RWKV-7 on the processors, the same bits however a text is cut and whoever is computed beside it.
#pragma once

#include <memory>

#include "engine/backend.h"

namespace rwkv {

/// The backend "native".
std::unique_ptr<Backend> make_native_backend();

}  // namespace rwkv
