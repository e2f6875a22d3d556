#include "base/page_allocator.h"

#ifndef _WIN32
#include <sys/mman.h>
#endif

namespace rwkv {

#ifdef _WIN32

// The heap of Windows does the same with large blocks by itself.
void* allocate_pages(std::size_t bytes) { return ::operator new(bytes); }
void free_pages(void* memory, std::size_t) noexcept { ::operator delete(memory); }

#else

void* allocate_pages(std::size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

void free_pages(void* memory, std::size_t bytes) noexcept { munmap(memory, bytes); }

#endif

}  // namespace rwkv
