#ifdef RWKV_NATIVE_X86
#include "backends/native/kernels/columns.h"
#include "backends/native/kernels/head.h"
#include "backends/native/kernels/lanes_avx2.h"

namespace rwkv::native {

const Kernels kAvx2{"AVX2", multiply<Avx2Lanes>, prepare<Avx2Lanes>, normalise, shift, tanh, sigmoid, head<Avx2Lanes>};

}  // namespace rwkv::native

#endif
