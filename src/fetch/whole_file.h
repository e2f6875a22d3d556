// Whether a file that came without its length is all there.
#pragma once

#include <string>

namespace rwkv::fetch {

/// Whether a file of a known format (GGUF, safetensors, a checkpoint of PyTorch) has all that its header says. False
/// for others.
bool is_whole_by_its_header(const std::string& path);

}  // namespace rwkv::fetch
