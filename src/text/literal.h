// How token bytes are written down: Python literals in vocabulary files, a simpler escape in GGUF files.
#pragma once

#include <string>
#include <string_view>

namespace rwkv {

/// Appends the bytes of a Python literal, `'...'` or `"..."` (text, becomes UTF-8) or either with `b` in front (bytes).
/// Returns what is wrong with the literal, or nothing; `out` then holds an unspecified part of it.
std::string_view append_python_literal(std::string_view literal, std::string& out);

/// Appends the bytes of an RWKV token text from a GGUF file: `\t` `\n` `\r`, `\xHH`, and backslash + any other
/// character for that character. Returns what is wrong, or nothing.
std::string_view append_gguf_token(std::string_view text, std::string& out);

}  // namespace rwkv
