// Whether memory can be read at an address that may be none.
#pragma once

#include <cstdint>

namespace rwkv {

/// Without touching it: on Linux the kernel is asked, elsewhere every address but 0 counts as readable. Keeps errno.
bool is_readable(std::uintptr_t address) noexcept;

}  // namespace rwkv
