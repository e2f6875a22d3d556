// The process-wide side of llama.cpp: set up once, silent, its log in ours.
#pragma once

#include <string>

namespace rwkv::llama_cpp {

/// Sets up llama.cpp on first use. No other function of llama.cpp may run before it.
void ensure_library();

/// The last error lines that llama.cpp logged on this thread since the last call, for error messages.
std::string take_errors();

}  // namespace rwkv::llama_cpp
