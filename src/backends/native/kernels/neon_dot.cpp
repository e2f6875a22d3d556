#ifdef RWKV_NATIVE_ARM64
#include "backends/native/kernels/columns.h"
#include "backends/native/kernels/head.h"
#include "backends/native/kernels/lanes_neon_dot.h"

namespace rwkv::native {

const Kernels kNeonDot{
    "NEON dot product", multiply<NeonDotLanes>, prepare<NeonDotLanes>, normalise, shift, tanh, sigmoid,
    head<NeonDotLanes>};

}  // namespace rwkv::native

#endif
