#ifdef RWKV_NATIVE_X86
#include "backends/native/kernels/columns.h"
#include "backends/native/kernels/head.h"
#include "backends/native/kernels/lanes_avx512.h"

namespace rwkv::native {

const Kernels kAvx512{"AVX-512", multiply<Avx512Lanes>, prepare<Avx512Lanes>, normalise, shift, tanh,
                      sigmoid,   head<Avx512Lanes>};

}  // namespace rwkv::native

#endif
