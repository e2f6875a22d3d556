#include "crash.h"

#include <dlfcn.h>
#include <execinfo.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <string_view>

#include "rwkv_mobile.h"

namespace {

Crash* noted = nullptr;

void note(int signal) {
  noted->depth = backtrace(noted->frames, 64);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

void note_crashes(Crash& crash) {
  noted = &crash;
  void* frames[1];
  backtrace(frames, 1);  // loads what it needs
  static char stack[1 << 16];
  const stack_t alternate{stack, 0, sizeof stack};
  sigaltstack(&alternate, nullptr);
  struct sigaction action{};
  action.sa_handler = note;
  action.sa_flags = SA_ONSTACK;  // note() resets the signal
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigaction(signal, &action, nullptr);
}

Functions::Functions() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&rwkvmobile_runtime_init), &info) == 0) throw std::runtime_error("no library");
  base_ = reinterpret_cast<std::uintptr_t>(info.dli_fbase);
  const std::string command = std::string("nm -C --defined-only '") + info.dli_fname + "'";
  std::FILE* const nm = popen(command.c_str(), "r");
  if (nm == nullptr) throw std::runtime_error("no nm");
  char line[65536];
  while (std::fgets(line, sizeof line, nm) != nullptr) {
    char* rest = nullptr;
    const std::uintptr_t offset = std::strtoull(line, &rest, 16);
    if (rest == line || std::strchr("tTwW", rest[1]) == nullptr) continue;
    std::string name = rest + 3;
    constexpr std::string_view kNameless = "(anonymous namespace)::";
    for (auto at = name.find(kNameless); at != std::string::npos; at = name.find(kNameless)) {
      name.erase(at, kNameless.size());
    }
    name.resize(name.find_first_of("(\n["));
    names_[offset] = name;
    end_ = base_ + offset + 65536;
  }
  if (pclose(nm) != 0 || names_.empty()) throw std::runtime_error("nm names no function of the library");
  end_ = base_ + names_.rbegin()->first + 65536;
}

std::string Functions::at(const void* address) const {
  const auto place = reinterpret_cast<std::uintptr_t>(address);
  if (place < base_ || place >= end_) return {};
  auto after = names_.upper_bound(place - base_);
  return after == names_.begin() ? std::string() : std::prev(after)->second;
}
