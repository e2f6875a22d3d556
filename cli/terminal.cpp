#include "terminal.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#ifdef _WIN32
#include <windows.h>
// After windows.h.
#include <fcntl.h>
#include <io.h>
#include <shellapi.h>

#include <vector>
#else
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>
#endif
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace rwkv::cli {
namespace {

#ifdef _WIN32
int is_terminal(int fd) { return _isatty(fd); }
long read_bytes(char* buffer, unsigned size) { return _read(0, buffer, size); }
#else
int is_terminal(int fd) { return isatty(fd); }
// Looks at the interrupt between short waits: one that comes just before a read would be slept through.
long read_bytes(char* buffer, unsigned size) {
  pollfd input{0, POLLIN, 0};
  while (poll(&input, 1, 50) == 0) {
    if (interrupt().cancelled()) return -1;
  }
  if (interrupt().cancelled()) return -1;
  return static_cast<long>(read(0, buffer, size));
}
#endif

// The handler may touch nothing that is made on first use.
const CancelToken* caught = nullptr;

std::atomic<bool> told_to_end{false};

// Read by read_line and not asked for yet.
std::string buffered;

// Of the terminal's window, 0 where it is not known.
std::size_t columns_of_stderr() {
#ifdef _WIN32
  CONSOLE_SCREEN_BUFFER_INFO info;
  if (!GetConsoleScreenBufferInfo(GetStdHandle(STD_ERROR_HANDLE), &info)) return 0;
  return static_cast<std::size_t>(info.srWindow.Right - info.srWindow.Left + 1);
#else
  winsize size{};
  return ioctl(2, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
#endif
}

// The beginning of `text` that is at most `bytes` long and ends with a whole character. Progress is in ASCII but for
// names of files, where a wide character has more bytes than columns.
std::string cut(const std::string& text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

extern "C" void on_interrupt(int signal) {
  if (caught->cancelled()) std::_Exit(128 + signal);
  if (signal == SIGTERM) told_to_end = true;
  caught->cancel();
}

// What the starter ignores (a shell does so for Ctrl-C of what it starts in the background) stays ignored.
void catch_signal(int signal) {
#ifdef _WIN32
  if (std::signal(signal, on_interrupt) == SIG_IGN) std::signal(signal, SIG_IGN);
#else
  struct sigaction before{};
  sigaction(signal, nullptr, &before);
  if (before.sa_handler == SIG_IGN) return;
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  // Without SA_RESTART a read at the prompt returns, so that Ctrl-C is seen at once.
  sigaction(signal, &action, nullptr);
#endif
}

}  // namespace

#ifdef _WIN32
char** prepare(int argc, char** argv) {
  SetConsoleOutputCP(CP_UTF8);
  for (const int stream : {0, 1, 2}) _setmode(stream, _O_BINARY);
  int count = 0;
  wchar_t** const wide = CommandLineToArgvW(GetCommandLineW(), &count);
  if (wide == nullptr || count != argc) return argv;
  static std::vector<std::string> texts;
  static std::vector<char*> pointers;
  for (int i = 0; i < count; ++i) {
    std::string text(
        static_cast<std::size_t>(WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, nullptr, 0, nullptr, nullptr)), '\0');
    WideCharToMultiByte(CP_UTF8, 0, wide[i], -1, text.data(), static_cast<int>(text.size()), nullptr, nullptr);
    texts.push_back(std::move(text));
  }
  LocalFree(wide);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers.data();
}
#else
char** prepare(int, char** argv) {
#ifdef __GLIBC__
  // Where addresses are few (ulimit -v), threads share what the allocator would reserve 64 MB of for each.
  rlimit addresses{};
  if (getrlimit(RLIMIT_AS, &addresses) == 0 && addresses.rlim_cur != RLIM_INFINITY) mallopt(M_ARENA_MAX, 2);
#endif
  for (const int stream : {0, 1, 2}) {
    // The lowest free number is taken, which is this one. Opened the wrong way round every use of it fails.
    if (fcntl(stream, F_GETFD) == -1 && errno == EBADF) open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY);
  }
  return argv;
}
#endif

bool stdin_is_terminal() { return is_terminal(0) != 0; }

void flush_output() {
  const char* const what = "cannot write to standard output";
  if (std::fflush(stdout) != 0) throw std::system_error(errno, std::generic_category(), what);
  if (std::ferror(stdout)) throw std::runtime_error(what);  // of an earlier write, whose reason is gone
}

std::string printable(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    char escape[8];
    if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F) {
      std::snprintf(escape, sizeof escape, "\\x%02X", byte);
      shown += escape;
    } else if (byte == 0xC2 && next >= 0x80 && next < 0xA0) {  // U+0080 to U+009F, commands to some terminals
      std::snprintf(escape, sizeof escape, "\\u00%02X", next);
      shown += escape;
      ++i;
    } else {
      shown += text[i];
    }
  }
  return shown;
}

void print_error(std::string_view message) { std::fprintf(stderr, "rwkv: %s\n", printable(message).c_str()); }

CancelToken interrupt() {
  static const CancelToken token;
  return token;
}

bool terminated() noexcept { return told_to_end; }

void catch_interrupts() {
  static const CancelToken token = interrupt();
  caught = &token;
  catch_signal(SIGINT);
  catch_signal(SIGTERM);
}

bool read_line(std::string& line, std::size_t max_bytes) {
  line.clear();
  bool started = false;
  const auto take = [&](std::size_t bytes) {
    started = true;
    line.append(buffered, 0, std::min(bytes, max_bytes - line.size()));
  };
  while (true) {
    if (const std::size_t end = buffered.find('\n'); end != std::string::npos) {
      take(end);
      buffered.erase(0, end + 1);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      return true;
    }
    if (!buffered.empty()) take(buffered.size());
    buffered.clear();
    char chunk[65536];
    const long n = read_bytes(chunk, sizeof chunk);
    if (n > 0) {
      buffered.assign(chunk, static_cast<std::size_t>(n));
    } else {
      return n == 0 && started;
    }
  }
}

bool input_waits() {
  if (!buffered.empty()) return true;
#ifdef _WIN32
  return false;
#else
  pollfd input{0, POLLIN, 0};
  return poll(&input, 1, 20) > 0 && (input.revents & POLLIN) != 0;
#endif
}

std::string read_all() {
  std::string text;
  char chunk[65536];
  while (true) {
    const long n = read_bytes(chunk, sizeof chunk);
    const int code = errno;
    if (interrupt().cancelled()) throw Error(ErrorCode::kCancelled, "interrupted");
    if (n < 0) throw std::system_error(code, std::generic_category(), "cannot read standard input");
    if (n == 0) return text;
    text.append(chunk, static_cast<std::size_t>(n));
  }
}

bool draws(std::FILE* stream) {
#ifdef _WIN32
  return is_terminal(_fileno(stream)) != 0;
#else
  if (is_terminal(fileno(stream)) == 0) return false;
  const char* const name = std::getenv("TERM");
  return name != nullptr && *name != '\0' && std::string_view(name) != "dumb";
#endif
}

void ProgressLine::show(const std::string& text) {
  if (!draws(stderr)) return;
  const auto now = std::chrono::steady_clock::now();
  if (visible_ && now - shown_ < std::chrono::milliseconds(100)) return;
  shown_ = now;
  visible_ = true;
  // The last column stays free: some terminals go to the next line when it is written to.
  const std::size_t columns = columns_of_stderr();
  std::fprintf(stderr, "\r\033[K%s", columns == 0 ? text.c_str() : cut(text, columns - 1).c_str());
  std::fflush(stderr);
}

void ProgressLine::clear() {
  if (!visible_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  visible_ = false;
}

}  // namespace rwkv::cli
