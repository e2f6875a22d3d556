// What becomes of the process's own objects in the child of a fork.
#pragma once

#ifndef _WIN32
#include <pthread.h>
#endif

namespace rwkv {

/// A child has no thread but the one that forked: what the parent's threads were doing never ends there, and a lock
/// that one of them held stays held. So what is one a process is locked over each fork from now on, and `in_child`
/// unlocks it or puts one as new in its place. No thread takes one such lock while it holds another. Nothing where
/// there is no fork.
inline void at_fork(void (*lock)(), void (*unlock)(), void (*in_child)()) {
#ifdef _WIN32
  static_cast<void>(lock), static_cast<void>(unlock), static_cast<void>(in_child);
#else
  pthread_atfork(lock, unlock, in_child);
#endif
}

}  // namespace rwkv
