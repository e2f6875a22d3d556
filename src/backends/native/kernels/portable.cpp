#include "backends/native/kernels/columns.h"
#include "backends/native/kernels/head.h"
#include "backends/native/kernels/lanes_portable.h"

namespace rwkv::native {

const Kernels kPortable{"portable", multiply<PortableLanes>, prepare<PortableLanes>, normalise, shift, tanh,
                        sigmoid,    head<PortableLanes>};

}  // namespace rwkv::native
