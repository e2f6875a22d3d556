// A line for each set of our own engine's kernels that this processor runs: a checksum of all that they compute, and
// their name. All lines of all systems have the same one.
#include <cstdio>
#include <span>

#include "backends/native/select_kernels.h"
#include "base/crc32.h"

int main() {
  for (const rwkv::native::Kernels* kernels : rwkv::native::usable_kernels()) {
    const auto all = rwkv::native::sample_of(*kernels);
    std::printf("%08x %s\n", static_cast<unsigned>(rwkv::crc32(std::as_bytes(std::span(all)))), kernels->name);
  }
}
