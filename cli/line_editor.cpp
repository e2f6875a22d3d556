#include "line_editor.h"

#include "terminal.h"
#ifdef RWKV_HAS_LIBEDIT
#include <histedit.h>
#include <langinfo.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <clocale>
#include <cstring>
#include <utility>

#include "key_input.h"
#endif

namespace rwkv::cli {

#ifdef RWKV_HAS_LIBEDIT
namespace {

constexpr wchar_t kInsertKey = 0x1D;  // Ctrl-], by which a pasted text gets into the line
constexpr const char* kPrompt = "> ";

char* prompt(EditLine*) { return const_cast<char*>(kPrompt); }

// Characters of which the column width is known, and text in UTF-8, whatever the environment says.
void use_utf8() {
  std::setlocale(LC_CTYPE, "");
  for (const char* name : {"C.UTF-8", "en_US.UTF-8", "UTF-8"}) {
    if (std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0) return;
    std::setlocale(LC_CTYPE, name);
  }
}

winsize window() {
  winsize size{};
  ioctl(0, TIOCGWINSZ, &size);
  return size;
}

}  // namespace

struct LineEditor::Editing {
  explicit Editing(std::FILE* where) : screen(where) {
    use_utf8();
    edit = el_init("rwkv", stdin, screen, stderr);
    if (edit == nullptr) return;
    el_set(edit, EL_CLIENTDATA, this);
    el_set(edit, EL_PROMPT, prompt);
    el_set(edit, EL_EDITOR, "emacs");
    el_set(edit, EL_SIGNAL, 0);
    el_set(edit, EL_ADDFN, "rwkv-insert", "Insert a pasted text", insert);
    el_set(edit, EL_BIND, "^]", "rwkv-insert", nullptr);
    el_set(edit, EL_BIND, "^W", "ed-delete-prev-word", nullptr);
    el_set(edit, EL_GETCFN, next_key);
    history = history_winit();
    HistEventW event;
    history_w(history, &event, H_SETSIZE, 1000);
    history_w(history, &event, H_SETUNIQUE, 1);
    el_wset(edit, EL_HIST, history_w, history);
  }
  Editing(const Editing&) = delete;
  Editing& operator=(const Editing&) = delete;
  ~Editing() {
    if (edit != nullptr) el_end(edit);
    if (history != nullptr) history_wend(history);
  }

  bool read(std::string& text) {
    // Before the prompt is seen: libedit does it after, and what is typed between the two would be edited, echoed and
    // cut by the terminal.
    el_set(edit, EL_PREP_TERM, 1);
    keys.take_typed_ahead();
    size = window();
    std::fputs("\033[?2004h", screen);  // pasted text comes between marks
    int length = 0;
    const wchar_t* const line = el_wgets(edit, &length);
    std::fputs("\033[?2004l", screen);
    if (line == nullptr || length <= 0) {
      if (!interrupt().cancelled()) std::fputs("\n", screen);
      std::fflush(screen);
      return false;
    }
    std::fflush(screen);
    std::wstring typed(line, static_cast<std::size_t>(length));
    while (!typed.empty() && typed.back() == L'\n') typed.pop_back();
    text = to_utf8(typed);
    HistEventW event;
    if (!typed.empty()) history_w(history, &event, H_ENTER, typed.c_str());
    return true;
  }

  static Editing& of(EditLine* edit) {
    void* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    return *static_cast<Editing*>(self);
  }

  static unsigned char insert(EditLine* edit, int) {
    Editing& self = of(edit);
    if (self.continued) el_deletestr(edit, 1);
    self.continued = false;
    const std::wstring text = std::exchange(self.insertion, {});
    if (text.empty()) return CC_NORM;
    return el_winsertstr(edit, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  }

  static int next_key(EditLine* edit, wchar_t* key) { return of(edit).next(*key); }

  // 1 with a key, 0 at the end of input, -1 on Ctrl-C.
  int next(wchar_t& key) {
    while (true) {
      const Key got = keys.next([this] { look_at_terminal(); });
      const LineInfoW* const line = el_wline(edit);
      const bool at_end = line->cursor == line->lastchar;
      switch (got.kind) {
        case Key::kInterrupted: return -1;
        case Key::kEnd: return 0;
        case Key::kDelete:
          if (at_end) continue;  // else it would be the end of input
          key = 0x04;
          return 1;
        case Key::kText:
          insertion = got.text;
          key = kInsertKey;
          return 1;
        case Key::kEnter:
          continued = at_end && line->cursor > line->buffer && line->cursor[-1] == L'\\';
          insertion = L"\n";
          key = continued ? kInsertKey : L'\n';
          return 1;
        case Key::kCharacter: key = got.character; return 1;
      }
    }
  }

  // The window may have another size now, and who stopped and continued the program has its own terminal settings.
  void look_at_terminal() {
    const winsize now = window();
    if (now.ws_col != size.ws_col || now.ws_row != size.ws_row) {
      size = now;
      el_resize(edit);
      std::fputs("\r\033[J", screen);
      el_set(edit, EL_REFRESH);
    }
    termios settings{};
    if (tcgetattr(0, &settings) == 0 && (settings.c_lflag & ICANON) != 0) {
      el_set(edit, EL_PREP_TERM, 1);
      std::fputs("\033[?2004h", screen);
      el_set(edit, EL_REFRESH);
    }
  }

  std::FILE* screen;
  EditLine* edit = nullptr;
  HistoryW* history = nullptr;
  KeyInput keys;
  winsize size{};
  std::wstring insertion;
  bool continued = false;
};

LineEditor::LineEditor(std::FILE* screen) : screen_(screen) {
  if (!stdin_is_terminal() || !draws(screen)) return;
  editing_ = std::make_unique<Editing>(screen);
  if (editing_->edit == nullptr) editing_.reset();
}

bool LineEditor::read(std::string& text) { return editing_ ? editing_->read(text) : read_plain(text); }
#else
struct LineEditor::Editing {};

LineEditor::LineEditor(std::FILE* screen) : screen_(screen) {}

bool LineEditor::read(std::string& text) { return read_plain(text); }
#endif

LineEditor::~LineEditor() = default;

bool LineEditor::read_plain(std::string& text) {
  // Longer lines come cut from a terminal that edits them for us, as Linux has it.
  constexpr std::size_t kLongestLine = 4095;
  text.clear();
  std::fputs("> ", screen_);
  std::fflush(screen_);
  std::string line;
  while (true) {
    if (!read_line(line)) return false;
    if (line.size() == kLongestLine) {
      print_error("the terminal cuts lines at " + std::to_string(kLongestLine) +
                  " bytes, so the end of this one may be missing; a longer text can be piped in");
    }
    text += line;
    const bool continued = text.ends_with('\\');
    if (continued) text.pop_back();
    if (!continued && !input_waits()) break;  // lines that come at once were pasted
    text += '\n';
  }
  while (text.ends_with('\n')) text.pop_back();
  return true;
}

}  // namespace rwkv::cli
