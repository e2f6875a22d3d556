#ifdef RWKV_NATIVE_X86
#include "backends/native/kernels/columns.h"
#include "backends/native/kernels/head.h"
#include "backends/native/kernels/lanes_avx512_vnni.h"

namespace rwkv::native {

const Kernels kAvx512Vnni{"AVX-512 VNNI", multiply<Avx512VnniLanes>, prepare<Avx512VnniLanes>, normalise, shift, tanh,
                          sigmoid,        head<Avx512VnniLanes>};

}  // namespace rwkv::native

#endif
