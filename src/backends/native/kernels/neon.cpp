#ifdef RWKV_NATIVE_ARM64
#include "backends/native/kernels/columns.h"
#include "backends/native/kernels/head.h"
#include "backends/native/kernels/lanes_neon.h"

namespace rwkv::native {

const Kernels kNeon{"NEON", multiply<NeonLanes>, prepare<NeonLanes>, normalise, shift, tanh, sigmoid, head<NeonLanes>};

}  // namespace rwkv::native

#endif
