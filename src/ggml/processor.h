// What ggml's compiled code needs from the processor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace rwkv::ggml {

/// An instruction set that ggml was compiled for and the processor lacks, or nothing.
std::optional<std::string> missing_instructions();

/// The wkv kernels go through a head in steps of this many values and read past its end where it is not a multiple.
int head_size_step();

/// Threads for a model of `parameters` weights: the logical processors, 16 at most, but one for models so small that
/// threads would mostly wait for each other.
int default_threads(std::uint64_t parameters);

/// More threads than this are refused.
int most_threads();
/// Throws Error(kInvalidArgument) unless there are 1 to most_threads().
void check_thread_count(int threads);

/// Throws Error(kOutOfMemory) unless the system lets this process start so many threads at once.
void check_threads(int count);

/// What a wish for `wanted` threads comes to: the machine's logical processors at most, since ggml's threads wait for
/// each other without sleeping, and more of them than can run make a token take seconds. Throws as
/// check_thread_count().
int usable_threads(int wanted);

}  // namespace rwkv::ggml
