// Where a child process crashed, told to its parent.
#pragma once

#include <cstdint>
#include <map>
#include <string>

/// In memory that both processes have.
struct Crash {
  int depth;
  void* frames[64];
};

/// In the child: a crash is written down before the process ends by its signal.
void note_crashes(Crash& crash);

/// Names of the functions of the library, those that it does not export too.
class Functions {
 public:
  Functions();
  /// Without parameters. Empty for what is no function of the library.
  std::string at(const void* address) const;

 private:
  std::uintptr_t base_ = 0;
  std::uintptr_t end_ = 0;
  std::map<std::uintptr_t, std::string> names_;  // by offset
};
