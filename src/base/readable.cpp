#include "base/readable.h"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <cstddef>
#endif

namespace rwkv {

bool is_readable(std::uintptr_t address) noexcept {
#if defined(__linux__)
  // The kernel looks at the set before it finds that the command is none: EFAULT says that there is nothing to look at.
  constexpr std::size_t kSetBytes = 8;
  const std::uintptr_t set = address / kSetBytes * kSetBytes;
  const int saved = errno;
  const bool readable = syscall(SYS_rt_sigprocmask, ~0, set, nullptr, kSetBytes) == -1 && errno != EFAULT;
  errno = saved;
  return readable;
#else
  return address != 0;
#endif
}

}  // namespace rwkv
