// A file that another process cuts while it is mapped here ends nothing.
#pragma once

#include <cstddef>
#include <string>

namespace rwkv {

/// Touching a page of a mapped file that has been cut is a SIGBUS. In what is guarded a handler of ours puts zeros in
/// the place of what is gone and notes it; the one who computes looks at that afterwards. SIGBUS from elsewhere goes to
/// the handler that was there before the first mapping. A host that sets one of its own later has to call ours for what
/// is not its own, else files that are cut end the process as they used to. Does nothing on Windows, where a mapped
/// file cannot be cut.
class MappingGuard {
 public:
  static constexpr int kNone = -1;

  /// Guards a mapping; kNone when there are too many.
  static int add(const void* begin, std::size_t size) noexcept;
  /// These addresses are going to be unmapped.
  static void remove(const void* begin, std::size_t size) noexcept;
  /// Whether a page of it was gone when it was touched.
  static bool is_damaged(int guard) noexcept;
  /// What was added last on this thread, by an engine that maps by itself (rwkv_guarded_mmap).
  static int last_of_this_thread() noexcept;
};

/// What identifies the content of a file, as far as that can be had without reading it.
class FileStamp {
 public:
  explicit FileStamp(std::string path) : path_(std::move(path)), stamp_(now()) {}

  /// Whether the same file has been written to since. One that took its name is another.
  bool is_written() const;

 private:
  struct Stamp {
    bool is_there = false;
    unsigned long long device = 0, file = 0;
    long long size = 0, seconds = 0, nanoseconds = 0;
  };
  Stamp now() const;

  std::string path_;
  Stamp stamp_;
};

}  // namespace rwkv
