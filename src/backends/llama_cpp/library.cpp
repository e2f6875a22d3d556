#include "backends/llama_cpp/library.h"

#include <ggml.h>
#include <llama.h>

#include <mutex>
#include <string_view>

#include "base/log.h"

namespace rwkv::llama_cpp {
namespace {

constexpr std::size_t kMaxErrorBytes = 1000;  // of the lines kept for a message

thread_local std::string line;
thread_local std::string errors;

void keep(ggml_log_level level, std::string_view whole) {
  if (level == GGML_LOG_LEVEL_ERROR) {
    if (errors.size() < kMaxErrorBytes) errors.append(errors.empty() ? "" : "; ").append(whole);
    log::error("llama.cpp: " + std::string(whole));
  } else if (level == GGML_LOG_LEVEL_WARN) {
    log::warn("llama.cpp: " + std::string(whole));
  } else if (log::level() <= log::Level::kDebug) {
    log::debug("llama.cpp: " + std::string(whole));
  }
}

// llama.cpp hands out pieces of lines; a line is kept when its newline comes. What it calls info is detail to us.
void on_log(ggml_log_level level, const char* text, void*) noexcept {
  try {
    line += text;
    const std::size_t end = line.rfind('\n');
    if (end == std::string::npos && line.size() < log::kMaxLineBytes) return;
    keep(level, std::string_view(line).substr(0, end));
    line.erase(0, end == std::string::npos ? end : end + 1);
  } catch (...) {
    // Out of memory; an exception must not pass through C, so the line is lost.
  }
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
  std::string taken;
  taken.swap(errors);
  return taken;
}

}  // namespace rwkv::llama_cpp
