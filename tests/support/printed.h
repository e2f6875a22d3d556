// What a piece of code writes to standard output and standard error, whoever in the process writes it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "support/scratch.h"

namespace rwkv::test {

template <class Function>
std::string printed_by(const Function& function) {
  const ScratchFolder folder;
  const std::string path = (folder.path() / "printed").string();
  std::fflush(nullptr);
  const int out = dup(1);
  const int err = dup(2);
  const int file = open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  dup2(file, 1);
  dup2(file, 2);
  function();
  std::fflush(nullptr);
  dup2(out, 1);
  dup2(err, 2);
  for (const int fd : {out, err, file}) close(fd);
  return read_file(path);
}

}  // namespace rwkv::test
