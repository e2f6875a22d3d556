// What llama.cpp's compiled code needs from the processor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace rwkv::llama_cpp {

/// The instruction set this build uses and the processor lacks, or nothing.
std::optional<std::string> missing_instructions();

/// The wkv kernels go through a head in steps of this many values and read past its end where it is not a multiple.
int head_size_step();

/// Threads for a model of `parameters` weights: the physical cores, but one for models so small that threads would mostly
/// wait for each other.
int default_threads(std::uint64_t parameters);

}  // namespace rwkv::llama_cpp
