// Random models with matrices of any of ggml's types.
#pragma once

#include <ggml.h>

#include <string>

#include "support/tiny_rwkv.h"

namespace rwkv::test {

/// The file of the model with matrices of this type where their rows can have it; `read_back`: as F32, but with the
/// values that the type leaves of them.
inline std::string quantised(const TinyRwkv& model, ggml_type type, bool read_back = false) {
  GgufWriter file = model.gguf();
  for (const TinyRwkv::Tensor& tensor : model.tensors()) {
    if (!tensor.matrix || tensor.dimensions[0] % static_cast<std::uint64_t>(ggml_blck_size(type)) != 0) continue;
    const auto columns = static_cast<std::int64_t>(tensor.dimensions[0]);
    const auto values = static_cast<std::int64_t>(tensor.values.size());
    std::string data(ggml_row_size(type, values), '\0');
    ggml_quantize_chunk(type, tensor.values.data(), data.data(), 0, values / columns, columns, nullptr);
    GgufWriter::Tensor& written = file.find(tensor.name);
    if (read_back) {
      ggml_get_type_traits(type)->to_float(data.data(), reinterpret_cast<float*>(written.data.data()), values);
    } else {
      written.type = static_cast<std::uint32_t>(type);
      written.data = data;
    }
  }
  return file.bytes();
}

}  // namespace rwkv::test
