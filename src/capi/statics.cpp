// The statics of this library, the engine's among them, live as long as the process.
//
// When a program returns from main or calls exit(), threads of ours may compute, and objects of the host that were made
// before the engine's statics are destroyed after them and then release what they own. Neither may find the engine's
// statics gone. So their destructors are not registered: no static here holds anything that the end of the process does
// not take back. (On Windows the system ends all threads before a library's statics go, and the program's own go
// first.)
#ifndef _WIN32

#include <dlfcn.h>

namespace {
using Destructor = void (*)(void*);
using Register = int (*)(Destructor, void*, void*);
}  // namespace

/// In place of the C++ runtime's, for this library alone: it is not exported. What comes without an object is no
/// destructor but a function given to atexit(), and that is passed on.
// NOLINTBEGIN(bugprone-reserved-identifier): the name is the runtime's.
extern "C" int __cxa_atexit(Destructor function, void* object, void* library) noexcept;
extern "C" int __cxa_atexit(Destructor function, void* object, void* library) noexcept {
  if (object != nullptr) return 0;
  const auto real = reinterpret_cast<Register>(dlsym(RTLD_NEXT, "__cxa_atexit"));
  return real != nullptr ? real(function, object, library) : -1;
}
// NOLINTEND(bugprone-reserved-identifier)

#endif
