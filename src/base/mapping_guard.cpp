#include "base/mapping_guard.h"

#ifdef _WIN32

namespace rwkv {

int MappingGuard::add(const void*, std::size_t) noexcept { return kNone; }
void MappingGuard::remove(const void*, std::size_t) noexcept {}
bool MappingGuard::is_damaged(int) noexcept { return false; }
int MappingGuard::last_of_this_thread() noexcept { return kNone; }
FileStamp::Stamp FileStamp::now() const { return {}; }
bool FileStamp::is_written() const { return false; }

}  // namespace rwkv

#else

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>

namespace rwkv {
namespace {

// Read by the handler, which may run at any time: nothing but atomics. A range is there while its end is not 0.
struct Guarded {
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::uintptr_t> end{0};
  std::atomic<bool> damaged{false};
};
static_assert(std::atomic<std::uintptr_t>::is_always_lock_free);

constexpr int kMost = 1024;
constinit std::array<Guarded, kMost> ranges{};
constinit std::mutex ranges_mutex;  // for those who change them
constinit std::uintptr_t page_bytes = 4096;
struct sigaction before;
thread_local int last_added = MappingGuard::kNone;

// Zeros from the page at `address` to the end of its range. Only system calls, which is all that a handler may do.
bool replace(std::uintptr_t address) noexcept {
  for (Guarded& range : ranges) {
    const std::uintptr_t end = range.end.load();
    if (end == 0 || address < range.begin.load() || address >= end) continue;
    range.damaged.store(true);
    const std::uintptr_t page = address / page_bytes * page_bytes;
    return mmap(reinterpret_cast<void*>(page), end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
           MAP_FAILED;
  }
  return false;
}

void on_bus_error(int signal, siginfo_t* info, void* context) noexcept {
  const int code = errno;
  const bool replaced = replace(reinterpret_cast<std::uintptr_t>(info->si_addr));
  errno = code;
  if (replaced) return;
  if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(signal, info, context);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(signal);
  // The faulty instruction runs again and ends the process. One that was sent from outside ends it here.
  std::signal(signal, SIG_DFL);
  if (info->si_code <= 0) raise(signal);
}

void install() {
  page_bytes = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  struct sigaction ours{};
  ours.sa_sigaction = on_bus_error;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&ours.sa_mask);
  sigaction(SIGBUS, nullptr, &before);
  sigaction(SIGBUS, &ours, nullptr);
}

}  // namespace

int MappingGuard::add(const void* begin, std::size_t size) noexcept {
  const std::lock_guard lock(ranges_mutex);
  static bool is_installed = false;
  if (!is_installed) install();
  is_installed = true;
  last_added = kNone;
  for (int i = 0; i < kMost; ++i) {
    Guarded& range = ranges[static_cast<std::size_t>(i)];
    if (range.end.load() != 0) continue;
    const auto first = reinterpret_cast<std::uintptr_t>(begin);
    range.begin.store(first);
    range.damaged.store(false);
    range.end.store(first + (size + page_bytes - 1) / page_bytes * page_bytes);
    return last_added = i;
  }
  return kNone;
}

void MappingGuard::remove(const void* begin, std::size_t size) noexcept {
  const std::lock_guard lock(ranges_mutex);
  const auto first = reinterpret_cast<std::uintptr_t>(begin);
  const std::uintptr_t last = first + size;
  for (Guarded& range : ranges) {
    const std::uintptr_t from = range.begin.load();
    const std::uintptr_t to = range.end.load();
    if (to == 0 || last <= from || first >= to) continue;
    if (first > from) {
      range.end.store(first);  // what follows is not guarded any more; llama.cpp cuts ends only
    } else if (last + page_bytes <= to) {
      range.begin.store(last / page_bytes * page_bytes);
    } else {
      range.end.store(0);
    }
  }
}

bool MappingGuard::is_damaged(int guard) noexcept {
  return guard != kNone && ranges[static_cast<std::size_t>(guard)].damaged.load();
}

int MappingGuard::last_of_this_thread() noexcept { return last_added; }

FileStamp::Stamp FileStamp::now() const {
  struct stat status{};
  if (stat(path_.c_str(), &status) != 0) return {};
#ifdef __APPLE__
  const timespec& time = status.st_mtimespec;
#else
  const timespec& time = status.st_mtim;
#endif
  return {true,
          static_cast<unsigned long long>(status.st_dev),
          static_cast<unsigned long long>(status.st_ino),
          status.st_size,
          time.tv_sec,
          time.tv_nsec};
}

bool FileStamp::is_written() const {
  const Stamp current = now();
  if (!current.is_there || current.device != stamp_.device || current.file != stamp_.file) return false;
  return current.size != stamp_.size || current.seconds != stamp_.seconds || current.nanoseconds != stamp_.nanoseconds;
}

}  // namespace rwkv

// For llama.cpp's own mappings, see guarded_mmap.h.
extern "C" void* rwkv_guarded_mmap(void* address, std::size_t size, int protection, int flags, int file, off_t offset) {
  void* const begin = mmap(address, size, protection, flags, file, offset);
  if (begin != MAP_FAILED) rwkv::MappingGuard::add(begin, size);
  return begin;
}

extern "C" int rwkv_guarded_munmap(void* begin, std::size_t size) {
  rwkv::MappingGuard::remove(begin, size);
  return munmap(begin, size);
}

#endif
