// Put before llama.cpp's llama-mmap.cpp by the build: what that maps is guarded (base/mapping_guard.h).
#pragma once

#include <sys/mman.h>
#include <sys/types.h>

#include <cstddef>

extern "C" void* rwkv_guarded_mmap(void* address, std::size_t size, int protection, int flags, int file, off_t offset);
extern "C" int rwkv_guarded_munmap(void* begin, std::size_t size);

#define mmap rwkv_guarded_mmap
#define munmap rwkv_guarded_munmap
