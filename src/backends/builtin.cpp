// The list of backends. To add one: its folder, its header here, a line below.
#include "backends/llama_cpp/llama_cpp_backend.h"
#include "backends/scripted/scripted_backend.h"
#include "engine/registry.h"

namespace rwkv {

std::vector<std::unique_ptr<Backend>> builtin_backends() {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_llama_cpp_backend());
  backends.push_back(make_scripted_backend());
  return backends;
}

}  // namespace rwkv
