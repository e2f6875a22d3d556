#include "backends/llama_cpp/library.h"

#include <ggml.h>
#include <llama.h>

#include <algorithm>
#include <mutex>
#include <string_view>

#include "base/log.h"

namespace rwkv::llama_cpp {
namespace {

// The beginning of a text. Nothing of it has to be destroyed: it is written to after the thread's destructors have run
// (a host's static may release a model then), and registering a destructor can end the process for want of memory.
template <std::size_t kBytes>
struct Text {
  char bytes[kBytes];
  std::size_t size;

  std::string_view view() const { return {bytes, size}; }
  void append(std::string_view more) {
    more = more.substr(0, kBytes - size);
    std::copy(more.begin(), more.end(), bytes + size);
    size += more.size();
  }
};

thread_local Text<log::kMaxLineBytes> line;
thread_local Text<1000> errors;

void keep(ggml_log_level level, std::string_view whole) {
  if (level == GGML_LOG_LEVEL_ERROR) {
    if (errors.size > 0) errors.append("; ");
    errors.append(whole);
    log::error("llama.cpp: " + std::string(whole));
  } else if (level == GGML_LOG_LEVEL_WARN) {
    log::warn("llama.cpp: " + std::string(whole));
  } else if (log::level() <= log::Level::kDebug) {
    log::debug("llama.cpp: " + std::string(whole));
  }
}

// llama.cpp hands out pieces of lines; a line is kept when its newline comes. What it calls info is detail to us.
void on_log(ggml_log_level level, const char* text, void*) noexcept {
  const std::string_view piece = text;
  const std::size_t end = piece.rfind('\n');
  line.append(piece.substr(0, end));
  if (end == std::string_view::npos) return;
  try {
    keep(level, line.view());
  } catch (...) {
    // Out of memory; an exception must not pass through C, so the line is lost.
  }
  line.size = 0;
  line.append(piece.substr(end + 1));
}

// ggml ends the process after this; at least the reason is in the log of a host that writes it out.
void on_abort(const char* message) noexcept { log::error(message); }

}  // namespace

void ensure_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    llama_log_set(on_log, nullptr);
    ggml_set_abort_callback(on_abort);
    llama_backend_init();
  });
}

std::string take_errors() {
  std::string taken(errors.view());
  errors.size = 0;
  return taken;
}

}  // namespace rwkv::llama_cpp
