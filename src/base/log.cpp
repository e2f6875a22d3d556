#include "base/log.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <deque>
#include <mutex>
#include <utility>

#include "base/fork.h"

namespace rwkv::log {
namespace {

struct Line {
  Level level;
  std::string text;
};

struct Ring {
  std::mutex mutex;
  std::deque<Line> lines;
  std::function<void(Level, std::string_view)> sink;
};

// Never destroyed: threads of the host may still log while statics are torn down.
Ring* instance = nullptr;

Ring& ring() {
  static const bool made = [] {
    instance = new Ring;
    const auto unlock = [] { instance->mutex.unlock(); };
    at_fork([] { instance->mutex.lock(); }, unlock, unlock);
    return true;
  }();
  static_cast<void>(made);
  return *instance;
}

std::atomic<Level> threshold{Level::kInfo};

const char* name(Level level) {
  switch (level) {
    case Level::kDebug: return "DEBUG";
    case Level::kInfo: return "INFO";
    case Level::kWarn: return "WARN";
    case Level::kError: return "ERROR";
  }
  return "INFO";
}

std::string prefix(Level level) {
  const auto now = std::chrono::system_clock::now();
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm local{};
#ifdef _WIN32
  localtime_s(&local, &seconds);
#else
  localtime_r(&seconds, &local);
#endif
  std::array<char, 80> buffer{};
  const int n = std::snprintf(buffer.data(), buffer.size(), "[%04d-%02d-%02d %02d:%02d:%02d.%03d] [%s] ",
                              local.tm_year + 1900, local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min,
                              local.tm_sec, static_cast<int>(millis), name(level));
  return std::string(buffer.data(), static_cast<std::size_t>(n > 0 ? n : 0));
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  if (text.size() > kMaxLineBytes) {
    std::size_t end = kMaxLineBytes;
    // Step back over continuation bytes, of which a character has three at most, so that it is kept or dropped whole.
    while (end > kMaxLineBytes - 3 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text = text.substr(0, end);
  }
  return text;
}

}  // namespace

void set_level(Level level) noexcept { threshold.store(level, std::memory_order_relaxed); }

Level level() noexcept { return threshold.load(std::memory_order_relaxed); }

void write(Level level, std::string_view text) noexcept {
  if (level < threshold.load(std::memory_order_relaxed)) return;
  try {
    std::string line = prefix(level);
    line.append(trimmed(text));
    Ring& r = ring();
    const std::lock_guard lock(r.mutex);
    if (r.lines.size() >= kMaxLines) r.lines.pop_front();
    r.lines.push_back({level, std::move(line)});
    if (r.sink) r.sink(level, r.lines.back().text);
  } catch (...) {
    // Out of memory while logging: the line is lost, the program goes on.
  }
}

std::string dump(Level at_least) {
  Ring& r = ring();
  const std::lock_guard lock(r.mutex);
  std::string all;
  for (const Line& line : r.lines) {
    if (line.level < at_least) continue;
    all += line.text;
    all += '\n';
  }
  return all;
}

void clear() noexcept {
  Ring& r = ring();
  const std::lock_guard lock(r.mutex);
  r.lines.clear();
}

void set_sink(std::function<void(Level, std::string_view)> sink) {
  Ring& r = ring();
  const std::lock_guard lock(r.mutex);
  r.sink = std::move(sink);
}

}  // namespace rwkv::log
