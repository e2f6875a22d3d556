#include "backend_contract/subject.h"

#include <ggml.h>

#include <ostream>
#include <utility>

#include "backends/llama_cpp/llama_cpp_backend.h"
#include "backends/native/native_backend.h"
#include "backends/plugin/library.h"
#include "backends/plugin/plugin_backend.h"
#include "backends/scripted/scripted_backend.h"

namespace rwkv::test {
namespace {

// With matrices as ggml packs them, where their rows can have the type; the table of embeddings stays exact.
GgufWriter quantised(const TinyRwkv& model, std::uint32_t id) {
  const auto type = static_cast<ggml_type>(id);
  GgufWriter file = model.gguf();
  for (const TinyRwkv::Tensor& tensor : model.tensors()) {
    const auto columns = static_cast<std::int64_t>(tensor.dimensions[0]);
    if (!tensor.matrix || tensor.name == "token_embd.weight" || columns % ggml_blck_size(type) != 0) continue;
    const auto values = static_cast<std::int64_t>(tensor.values.size());
    std::string data(ggml_row_size(type, values), '\0');
    ggml_quantize_chunk(type, tensor.values.data(), data.data(), 0, values / columns, columns, nullptr);
    GgufWriter::Tensor& written = file.find(tensor.name);
    written.type = id;
    written.data = std::move(data);
  }
  return file;
}

}  // namespace

std::string Subject::file(std::uint32_t seed) const {
  if (version != 0 && type != kF32 && type != kF16) return quantised(TinyRwkv(shape(), seed), type).bytes();
  if (version != 0) return TinyRwkv(shape(), seed).gguf(type).bytes();
  // Other words, and another name since a script has no weights that tell it apart.
  const std::string words = std::to_string(seed);
  return R"({"rwkv_script": 1, "name": "script )" + words + R"(", "replies": [{"say": ")" + words +
         R"( is the answer"}]})";
}

std::vector<float> Subject::embeddings_of(const Tokens& tokens) const {
  std::vector<float> rows;
  if (version == 0) {
    for (const TokenId token : tokens) rows.push_back(static_cast<float>(token));
    return rows;
  }
  const TinyRwkv weights(shape());
  const std::vector<float>& table = weights["token_embd.weight"];
  const std::ptrdiff_t width = shape().width;
  for (const TokenId token : tokens) {
    const auto row = table.begin() + token * width;
    rows.insert(rows.end(), row, row + width);
  }
  return rows;
}

std::ostream& operator<<(std::ostream& out, const Subject& subject) { return out << subject.label; }

const std::vector<Subject>& subjects() {
  static const std::vector<Subject> all = [] {
    static const auto llama = make_llama_cpp_backend();
    static const auto native = make_native_backend();
    static const auto scripted = make_scripted_backend();
    static const auto reference = make_plugin_backend(RWKV_TEST_PLUGINS "/" + plugin::file_name("reference"));
    // Single precision against double: rounding, amplified by the layers' norms. With F16 ggml rounds the other factor
    // of a product to 11 bits as well, and random layers amplify it.
    const Traits exact{.tolerance = 1e-3, .order_tolerance = 1e-4, .loads = 50};
    const Traits halves{.tolerance = 1e-1, .order_tolerance = 1e-2, .loads = 50};
    // Always the same sums in the same order, of halves too.
    const Traits plain{.tolerance = 1e-3, .uses_threads = false};
    const Traits same_bits{.tolerance = 1e-3};
    // Against weights that were not rounded to 8 bits; tests/backends/native_model_test.cpp compares with what is left.
    const Traits rounded{.tolerance = 3e-1};
    const Traits script{.reads_weights = false, .checks_states = false};
    return std::vector<Subject>{
        {"LlamaCppRwkv7F32", llama.get(), 7, kF32, exact},      {"LlamaCppRwkv7F16", llama.get(), 7, kF16, halves},
        {"LlamaCppRwkv6F32", llama.get(), 6, kF32, exact},      {"LlamaCppRwkv6F16", llama.get(), 6, kF16, halves},
        {"ReferenceRwkv7F32", reference.get(), 7, kF32, plain}, {"ReferenceRwkv7F16", reference.get(), 7, kF16, plain},
        {"NativeRwkv7F32", native.get(), 7, kF32, same_bits},   {"NativeRwkv7F16", native.get(), 7, kF16, same_bits},
        {"NativeRwkv7Q8_0", native.get(), 7, kQ8_0, rounded},   {"Scripted", scripted.get(), 0, kF32, script},
    };
  }();
  return all;
}

std::string Contract::write(const std::string& bytes) {
  const std::string path = (folder_.path() / ("model" + std::to_string(++files_))).string();
  write_file(path, bytes);
  return path;
}

std::unique_ptr<Model> Contract::load(std::uint32_t seed, int sequences) {
  return load_path(write(GetParam().file(seed)), one_thread(sequences));
}

std::unique_ptr<Model> Contract::load_path(const std::string& path, const LoadOptions& options) {
  return backend().load(ModelSource(path), options);
}

}  // namespace rwkv::test
