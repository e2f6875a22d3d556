#ifdef RWKV_NATIVE_AVX_VNNI
#include "backends/native/kernels/columns.h"
#include "backends/native/kernels/head.h"
#include "backends/native/kernels/lanes_avx_vnni.h"

namespace rwkv::native {

const Kernels kAvxVnni{"AVX-VNNI", multiply<AvxVnniLanes>, prepare<AvxVnniLanes>, normalise, shift, tanh,
                       sigmoid,    head<AvxVnniLanes>};

}  // namespace rwkv::native

#endif
