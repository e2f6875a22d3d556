// A bounded ring of log lines. The library prints nothing itself; hosts read the ring or install a sink.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace rwkv::log {

enum class Level { kDebug = 0, kInfo = 1, kWarn = 2, kError = 3 };

inline constexpr std::size_t kMaxLines = 1024;
inline constexpr std::size_t kMaxLineBytes = 4096;

/// Lines below this level are dropped. Default: kInfo.
void set_level(Level level) noexcept;
Level level() noexcept;

/// Adds a line as `[YYYY-MM-DD HH:MM:SS.mmm] [INFO] text`, local time, cut at kMaxLineBytes on a UTF-8 border, trailing
/// newlines removed. Safe from any thread; never throws.
void write(Level level, std::string_view text) noexcept;

inline void debug(std::string_view text) noexcept { write(Level::kDebug, text); }
inline void info(std::string_view text) noexcept { write(Level::kInfo, text); }
inline void warn(std::string_view text) noexcept { write(Level::kWarn, text); }
inline void error(std::string_view text) noexcept { write(Level::kError, text); }

/// All lines at or above `at_least`, oldest first, each ended by a newline.
std::string dump(Level at_least = Level::kDebug);

/// Forgets all lines.
void clear() noexcept;

/// Also hands every kept line to `sink` (empty: none). It is called with the ring's lock held: it must neither log nor
/// call any other function of this header. An exception that it throws is dropped.
void set_sink(std::function<void(Level, std::string_view)> sink);

}  // namespace rwkv::log
