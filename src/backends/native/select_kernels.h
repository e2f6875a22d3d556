// Which kernels this processor runs.
#pragma once

#include <vector>

#include "backends/native/kernels/kernels.h"

namespace rwkv::native {

/// All that this build has and the processor can run, the fastest first; the portable ones are the last.
std::vector<const Kernels*> usable_kernels();

/// What they make of random matrices and vectors of each kind: the same bits, whatever the processor.
std::vector<float> sample_of(const Kernels& kernels);

/// Whether they give the same bits as the portable ones.
bool agree_with_portable(const Kernels& kernels);

/// The fastest that agree with the portable ones. Looked for once; those that do not agree are a line in the log.
const Kernels& fastest_kernels();

/// Whether they are others than the portable ones.
bool has_fast_kernels();

}  // namespace rwkv::native
