// Names of tensors in RWKV checkpoints.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rwkv::convert {

/// Where a tensor of a GGUF file comes from.
struct RwkvSource {
  std::vector<std::string> names;  // in the checkpoint; several become one, one after the other
  bool transposed = false;         // the checkpoint has it as `x @ m`, GGUF as `m @ x`
  bool rescaled = false;           // RWKV-6: divided by a power of two in deep layers
  std::uint64_t layer = 0;
};

/// `gguf_name` is one of expected_tensors() for this version (6 or 7).
RwkvSource rwkv_source(const std::string& gguf_name, int version);

/// A name of a `.pth` file as it is in the safetensors files of the web-rwkv family.
std::string safetensors_name(std::string name);
/// Whether such a file has the tensor's last two dimensions exchanged.
bool safetensors_transposes(const std::string& safetensors_name);

}  // namespace rwkv::convert
