// Libraries that are opened at run time.
#pragma once

#include <string>

namespace rwkv {

/// Opens a library for good: what it started may run until the process ends, so nothing closes it. Its symbols are seen
/// by nobody else. The same file again is the same library.
class DynamicLibrary {
 public:
  /// `path` is UTF-8 on every system. Throws Error(kNotFound, kIo) as MappedFile does, Error(kBadFile) with the file
  /// and the system's reason when it is cut off, of another machine, or lacks a library that it needs.
  explicit DynamicLibrary(const std::string& path);

  /// The address of an exported function, or null.
  void* symbol(const char* name) const noexcept;

 private:
  void* handle_ = nullptr;
};

/// The folder of the library or program that this code is part of; empty where the system does not tell.
std::string own_folder();

}  // namespace rwkv
