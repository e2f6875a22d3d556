// Runtimes, models and servers, for leak checks.
#pragma once

#include "host/live_object.h"

namespace rwkv::capi {

inline host::LiveCount live_objects{0};

}  // namespace rwkv::capi
