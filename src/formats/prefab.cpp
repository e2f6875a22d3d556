// web-rwkv 0.10: src/runtime/v7.rs (Model), src/tensor/matrix.rs (Matrix), src/tensor/serialization.rs (TensorBlob).
#include "formats/prefab.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/cbor.h"
#include "formats/packed_floats.h"

namespace rwkv {
namespace {

constexpr int kDeepest = 16;
constexpr std::size_t kDimensions = 4;  // the fastest first
constexpr std::uint64_t kInt8Group = 128;
constexpr std::uint64_t kFp4Group = 64;

struct Blob {
  std::array<std::uint64_t, kDimensions> shape{};
  std::span<const std::byte> data;
};

using Renaming = std::pair<std::string_view, std::string_view>;
constexpr std::array<Renaming, 4> kGlobal{{{"tensor.embed.ln.", "blocks.0.ln0."},
                                           {"tensor.embed.w", "emb.weight"},
                                           {"tensor.head.ln.", "ln_out."},
                                           {"tensor.head.w", "head.weight"}}};
constexpr std::array<Renaming, 9> kLayer{{{"att_ln.", "ln1."},
                                          {"ffn_ln.", "ln2."},
                                          {"att.gn.", "att.ln_x."},
                                          {"att.w_k", "att.key.weight"},
                                          {"att.w_v", "att.value.weight"},
                                          {"att.w_r", "att.receptance.weight"},
                                          {"att.w_o", "att.output.weight"},
                                          {"ffn.w_k", "ffn.key.weight"},
                                          {"ffn.w_v", "ffn.value.weight"}}};
constexpr std::array<std::string_view, 8> kLowRank{"att.w1", "att.w2", "att.a1", "att.a2",
                                                   "att.g1", "att.g2", "att.v1", "att.v2"};

template <std::size_t kSize>
std::string renamed(const std::array<Renaming, kSize>& names, std::string_view name) {
  for (const auto& [from, to] : names) {
    if (!name.starts_with(from)) continue;
    const std::string_view rest = name.substr(from.size());
    if (from.back() != '.') return rest.empty() ? std::string(to) : std::string();
    return rest == "w" || rest == "b" ? std::string(to) + (rest == "w" ? "weight" : "bias") : std::string();
  }
  return {};
}

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, const std::string& name) : cbor_(ByteReader(bytes, name)), file_(name) {}

  WeightFile run() {
    for (std::uint64_t left = cbor_.map(); left > 0; --left) {
      const std::string_view key = cbor_.text();
      if (key == "info") {
        read_info();
      } else if (key == "rescale") {
        rescale_ = cbor_.number();
      } else if (key == "tensor") {
        read_value("tensor", 0);
      } else {
        cbor_.skip();
      }
    }
    if (!cbor_.at_end()) cbor_.reader().fail("something follows the end of the model");
    check_info();
    for (const auto& [path, blob] : blobs_) add(path, blob);
    return std::move(file_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { cbor_.reader().fail(what); }

  void read_info() {
    for (std::uint64_t left = cbor_.map(); left > 0; --left) {
      const std::string_view key = cbor_.text();
      if (key == "version") {
        version_ = cbor_.text();
      } else if (key == "num_vocab") {
        vocabulary_ = cbor_.number();
      } else if (key == "num_layer") {
        layers_ = cbor_.number();
      } else {
        cbor_.skip();
      }
    }
  }

  void check_info() const {
    if (version_ != "V7") {
      throw Error(
          ErrorCode::kUnsupported,
          "'" + file_.name() + "' is a .prefab of version '" + version_.substr(0, 16) + "'; V7 (RWKV-7) can be read",
          file_.name());
    }
    if (rescale_ < layers_) {
      throw Error(ErrorCode::kUnsupported,
                  "'" + file_.name() + "' has layers that were scaled down every " + std::to_string(rescale_) +
                      "; make the .prefab without that",
                  file_.name());
    }
  }

  // Everything in a value that is a tensor, by the path that leads there.
  void read_value(const std::string& path, int depth) {
    if (depth == kDeepest) fail("tensors lie deeper than in any model");
    if (cbor_.kind() == CborReader::Kind::kArray) {
      const std::uint64_t count = cbor_.array();
      for (std::uint64_t i = 0; i < count; ++i) read_value(path + "." + std::to_string(i), depth + 1);
      return;
    }
    Blob blob;
    bool has_shape = false;
    bool has_data = false;
    for (std::uint64_t left = cbor_.map(); left > 0; --left) {
      const std::string key(cbor_.text());
      if (key == "shape") {
        if (cbor_.array() != kDimensions) fail("'" + path + "' has not four dimensions");
        for (std::uint64_t& size : blob.shape) size = cbor_.number();
        has_shape = true;
      } else if (key == "data") {
        blob.data = cbor_.bytes();
        has_data = true;
      } else if (path.size() + key.size() > kMaxWeightNameBytes) {
        fail("a name is longer than any model's");
      } else {
        read_value(path + "." + key, depth + 1);
      }
    }
    if (has_shape != has_data) fail("'" + path + "' lacks its shape or its data");
    if (!has_shape) return;
    if (blobs_.size() == kMaxWeightTensors) fail("there are more tensors than any model has");
    if (!blobs_.emplace(path, blob).second) fail("'" + path + "' occurs twice");
  }

  const Blob* find(const std::string& path) const {
    const auto found = blobs_.find(path);
    return found == blobs_.end() ? nullptr : &found->second;
  }

  const Blob& part(const std::string& path) const {
    const Blob* blob = find(path);
    if (blob == nullptr) fail("'" + path + "' is missing, which belongs to a quantised matrix");
    return *blob;
  }

  void add(const std::string& path, const Blob& blob) {
    const std::size_t dot = path.rfind('.');
    const std::string outer = path.substr(0, dot);
    const std::string last = path.substr(dot + 1);
    if (last == "Fp16") return add_tensor(outer, blob, nullptr);
    if (outer.ends_with(".Int8")) {
      return last == "w" ? add_int8(outer.substr(0, outer.size() - 5), blob, part(outer + ".m")) : void();
    }
    if (outer.ends_with(".Fp4") || outer.ends_with(".Nf4")) {
      return last == "w" ? add_fp4(outer.substr(0, outer.size() - 4), blob, part(outer + ".m"), part(outer + ".q"))
                         : void();
    }
    add_tensor(path, blob, nullptr);
  }

  void add_int8(const std::string& path, const Blob& numbers, const Blob& ranges) {
    const auto packing = std::make_shared<Packing>();
    packing->kind = Packing::Kind::kMinMax;
    packing->bits = 8;
    packing->group = kInt8Group;
    packing->type = DataType::kF16;
    packing->scales = ranges.data;
    add_tensor(path, numbers, packing);
  }

  void add_fp4(const std::string& path, Blob numbers, const Blob& largest, const Blob& book) {
    const auto packing = std::make_shared<Packing>();
    packing->kind = Packing::Kind::kCodeBook;
    packing->bits = 4;
    packing->group = kFp4Group;
    packing->type = DataType::kF16;
    packing->scales = largest.data;
    if (book.data.size() != sizeof packing->book) fail("'" + path + "' has a book of other than 16 numbers");
    std::memcpy(packing->book.data(), book.data.data(), sizeof packing->book);
    if (numbers.shape[0] > numbers.data.size()) fail("'" + path + "' has more values than bytes");
    numbers.shape[0] *= 2;  // two numbers a byte
    add_tensor(path, numbers, packing);
  }

  // By the author's name; what has none keeps its own.
  std::string author_name(const std::string& path) const {
    constexpr std::string_view kLayers = "tensor.layers.";
    if (!path.starts_with(kLayers)) {
      const std::string global = renamed(kGlobal, path);
      return global.empty() ? path : global;
    }
    const std::size_t dot = path.find('.', kLayers.size());
    if (dot == std::string::npos) return path;
    const std::string rest = path.substr(dot + 1);
    const std::string known = renamed(kLayer, rest);
    return "blocks." + path.substr(kLayers.size(), dot - kLayers.size()) + "." + (known.empty() ? rest : known);
  }

  void add_tensor(const std::string& path, const Blob& blob, const std::shared_ptr<const Packing>& packing) {
    WeightTensor tensor;
    tensor.name = author_name(path);
    tensor.type = DataType::kF16;
    tensor.packing = packing;
    tensor.data = blob.data;
    std::size_t rank = kDimensions;
    const std::size_t least = tensor.name.ends_with(".att.r_k") ? 2 : 1;  // a row a head, also where there is one
    while (rank > least && blob.shape[rank - 1] == 1) --rank;
    tensor.shape.assign(blob.shape.rend() - static_cast<std::ptrdiff_t>(rank), blob.shape.rend());
    tensor.strides = contiguous_strides(tensor.shape);
    tensor.elements = count_elements(cbor_.reader(), tensor.name, tensor.shape);
    check_sizes(tensor);
    if (tensor.name == "emb.weight" || tensor.name == "head.weight") leave_out_padding(tensor);
    const bool low_rank = std::any_of(kLowRank.begin(), kLowRank.end(),
                                      [&](std::string_view name) { return tensor.name.ends_with(name); });
    if (low_rank && rank == 2) {
      std::swap(tensor.shape[0], tensor.shape[1]);
      std::swap(tensor.strides[0], tensor.strides[1]);
    }
    file_.add(cbor_.reader(), std::move(tensor));
  }

  void check_sizes(const WeightTensor& tensor) const {
    const std::uint64_t bits = tensor.packing ? tensor.packing->bits : 16;
    if (tensor.data.size() != tensor.elements * bits / 8 || tensor.elements * bits % 8 != 0) {
      fail("'" + tensor.name + "' has " + std::to_string(tensor.data.size()) + " bytes, which are not " +
           std::to_string(tensor.elements) + " values of " + std::to_string(bits) + " bits");
    }
    if (!tensor.packing) return;
    const Packing& packing = *tensor.packing;
    const std::uint64_t halves = packing.kind == Packing::Kind::kMinMax ? 2 : 1;
    if (tensor.elements % packing.group != 0 ||
        packing.scales.size() != tensor.elements / packing.group * halves * data_type_bytes(packing.type)) {
      fail("'" + tensor.name + "' has scales that do not fit its size");
    }
  }

  // The library fills up the vocabulary to a multiple of 8.
  void leave_out_padding(WeightTensor& tensor) const {
    if (tensor.shape.size() != 2 || tensor.shape[0] <= vocabulary_ || vocabulary_ == 0) return;
    tensor.shape[0] = vocabulary_;
    tensor.elements = tensor.shape[0] * tensor.shape[1];
  }

  CborReader cbor_;
  WeightFile file_;
  std::string version_;
  std::uint64_t vocabulary_ = 0;
  std::uint64_t layers_ = 0;
  std::uint64_t rescale_ = 0;
  std::map<std::string, Blob> blobs_;
};

}  // namespace

WeightFile parse_prefab(std::span<const std::byte> bytes, const std::string& name) { return Parser(bytes, name).run(); }

}  // namespace rwkv
