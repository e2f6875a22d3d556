// The layout: torch/serialization.py of PyTorch 2; the calls: torch/_utils.py.
#include "formats/pth.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "base/crc32.h"
#include "formats/pickle.h"
#include "formats/zip_archive.h"

namespace rwkv {
namespace {

using Kind = PickleValue::Kind;

constexpr std::size_t kMaxPickleBytes = std::size_t{64} << 20;
constexpr std::string_view kPickleName = "/data.pkl";

// Where trainers put the weights: Lightning, DeepSpeed ('module') and those of one's own.
constexpr std::array<std::string_view, 5> kEntries{"state_dict", "model_state_dict", "model", "module", "weights"};

struct StorageType {
  std::string_view name;
  DataType type;
};

constexpr std::array kStorageTypes{
    StorageType{"FloatStorage", DataType::kF32},     StorageType{"HalfStorage", DataType::kF16},
    StorageType{"BFloat16Storage", DataType::kBF16}, StorageType{"DoubleStorage", DataType::kF64},
    StorageType{"LongStorage", DataType::kI64},      StorageType{"IntStorage", DataType::kI32},
    StorageType{"ShortStorage", DataType::kI16},     StorageType{"CharStorage", DataType::kI8},
    StorageType{"ByteStorage", DataType::kU8},       StorageType{"BoolStorage", DataType::kBool},
};

struct Storage {
  DataType type;
  std::uint64_t elements;
  std::span<const std::byte> data;
};

class Interpreter {
 public:
  Interpreter(std::span<const std::byte> bytes, const std::string& name)
      : name_(name), reader_(bytes, name_), archive_(parse_zip(bytes, name)) {}

  WeightFile run() {
    const ZipEntry& entry = find_pickle();
    if (entry.data.size() > kMaxPickleBytes) reader_.fail("'data.pkl' is larger than any model's");
    if (crc32(entry.data) != entry.crc) reader_.fail("'data.pkl' does not have its checksum: the file is damaged");
    check_byte_order();
    pickle_ = parse_pickle(entry.data, name_);

    const PickleValue* dict = &find_weights();
    WeightFile file(name_);
    for (std::size_t i = 0; i < dict->items.size(); i += 2) {
      const PickleValue& value = pickle_.item(*dict, i + 1);
      if (value.kind != Kind::kCall) continue;
      file.add(reader_, read_tensor(key_text(pickle_.item(*dict, i)), value));
    }
    std::vector<WeightStorage> storages;
    for (const std::string_view entry_name : storages_) {
      const ZipEntry& storage = archive_.at(entry_name);
      storages.push_back({entry_name, storage.data, storage.crc});
    }
    file.set_storages(std::move(storages));
    return file;
  }

 private:
  // The dict of tensors: what was saved, or where trainers put it.
  const PickleValue& find_weights() const {
    const PickleValue* dict = &pickle_.at(pickle_.root);
    if (dict->kind == Kind::kCall) {
      throw Error(ErrorCode::kUnsupported,
                  "'" + name_ + "' is a Python object, '" + pickle_.global_text(pickle_.item(*dict, 0)) +
                      "', saved as it is; save its state_dict() instead",
                  name_);
    }
    if (dict->kind != Kind::kDict) reader_.fail("what was saved is no dict of tensors");
    for (std::size_t depth = 0; depth < kEntries.size(); ++depth) {
      const PickleValue* inner = find_entry(*dict);
      if (inner == nullptr) break;
      dict = inner;
    }
    for (std::size_t i = 1; i < dict->items.size(); i += 2) {
      if (pickle_.item(*dict, i).kind == Kind::kCall) return *dict;
    }
    reader_.fail("none of what was saved is a tensor: it has " + keys_of(*dict) +
                 ". Save the model's state_dict() by itself");
  }

  // 'state_dict' in any case, the other names where there are no tensors beside them.
  const PickleValue* find_entry(const PickleValue& dict) const {
    bool has_tensors = false;
    for (std::size_t i = 1; i < dict.items.size(); i += 2) {
      const PickleValue& value = pickle_.item(dict, i);
      has_tensors =
          has_tensors || (value.kind == Kind::kCall && pickle_.item(pickle_.item(value, 0), 0).text == "torch._utils");
    }
    for (const std::string_view entry : kEntries) {
      if (has_tensors && entry != kEntries.front()) break;
      for (std::size_t i = 0; i < dict.items.size(); i += 2) {
        const PickleValue& value = pickle_.item(dict, i + 1);
        if (pickle_.item(dict, i).text == entry && value.kind == Kind::kDict) return &value;
      }
    }
    return nullptr;
  }

  std::string keys_of(const PickleValue& dict) const {
    constexpr std::size_t kMost = 8;
    std::string text;
    for (std::size_t i = 0; i < std::min(dict.items.size(), 2 * kMost); i += 2) {
      const PickleValue& key = pickle_.item(dict, i);
      text += text.empty() ? "'" : ", '";
      text += key.kind == Kind::kText ? std::string(key.text.substr(0, 64)) : std::to_string(key.number);
      text += '\'';
    }
    if (dict.items.size() > 2 * kMost) text += " and more";
    return text.empty() ? "nothing" : text;
  }

  const ZipEntry& find_pickle() {
    const ZipEntry* found = nullptr;
    for (const auto& [entry_name, entry] : archive_) {
      if (!entry_name.ends_with(kPickleName) || entry_name.find('/') != entry_name.size() - kPickleName.size())
        continue;
      if (found != nullptr) reader_.fail("there are two files 'data.pkl'");
      found = &entry;
      folder_ = entry_name.substr(0, entry_name.size() - kPickleName.size() + 1);
    }
    if (found == nullptr) reader_.fail("there is no 'data.pkl' in this archive: it is no PyTorch checkpoint");
    return *found;
  }

  void check_byte_order() const {
    const auto it = archive_.find(folder_ + "byteorder");
    if (it == archive_.end()) return;
    const std::string_view order(reinterpret_cast<const char*>(it->second.data.data()), it->second.data.size());
    if (order != "little") {
      throw Error(ErrorCode::kUnsupported,
                  "'" + name_ + "' was saved by a big-endian machine; save it again on another", name_);
    }
  }

  std::string key_text(const PickleValue& key) const {
    if (key.kind == Kind::kText) return std::string(key.text);
    if (key.kind == Kind::kInteger) return std::to_string(key.number);
    reader_.fail("a tensor's name is neither a text nor a number");
  }

  [[noreturn]] void fail(const std::string& tensor, const std::string& reason) const {
    reader_.fail("tensor '" + tensor.substr(0, 256) + "' " + reason);
  }

  // _rebuild_tensor(storage, offset, size, stride) or _v2 with two more, maybe in a _rebuild_parameter(tensor, ...).
  WeightTensor read_tensor(std::string tensor_name, const PickleValue& value) {
    const PickleValue* call = &value;
    if (pickle_.names(pickle_.item(*call, 0), "torch._utils", "_rebuild_parameter")) {
      const PickleValue& arguments = pickle_.item(*call, 1);
      if (arguments.items.empty() || pickle_.item(arguments, 0).kind != Kind::kCall) {
        fail(tensor_name, "is a parameter without its tensor");
      }
      call = &pickle_.item(arguments, 0);
    }
    const PickleValue& function = pickle_.item(*call, 0);
    if (!pickle_.names(function, "torch._utils", "_rebuild_tensor_v2") &&
        !pickle_.names(function, "torch._utils", "_rebuild_tensor")) {
      throw Error(ErrorCode::kUnsupported,
                  "'" + name_ + "': '" + tensor_name.substr(0, 256) + "' calls '" + pickle_.global_text(function) +
                      "', which no weights need; nothing was called",
                  name_);
    }
    const PickleValue& arguments = pickle_.item(*call, 1);
    if (arguments.items.size() < 4) fail(tensor_name, "lacks arguments");
    const Storage storage = read_storage(tensor_name, pickle_.item(arguments, 0));

    WeightTensor tensor;
    tensor.type = storage.type;
    const std::uint64_t offset = size_of(tensor_name, pickle_.item(arguments, 1));
    tensor.shape = sizes_of(tensor_name, pickle_.item(arguments, 2));
    tensor.strides = sizes_of(tensor_name, pickle_.item(arguments, 3));
    tensor.elements = count_elements(reader_, tensor_name, tensor.shape);
    if (tensor.shape.size() != tensor.strides.size()) fail(tensor_name, "has a shape and strides of unequal lengths");
    if (tensor.elements > storage.elements) fail(tensor_name, "has more elements than its storage");
    if (tensor.elements > 0) {
      std::uint64_t last = offset;
      for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
        const std::uint64_t steps = tensor.shape[i] - 1;
        if (steps > 0 && tensor.strides[i] > storage.elements / steps) fail(tensor_name, "reaches beyond its storage");
        if (last < storage.elements) last += steps * tensor.strides[i];
      }
      if (last >= storage.elements) fail(tensor_name, "reaches beyond its storage");
      const std::size_t size = data_type_bytes(storage.type);
      tensor.data = storage.data.subspan(static_cast<std::size_t>(offset) * size,
                                         static_cast<std::size_t>(last - offset + 1) * size);
    }
    tensor.name = std::move(tensor_name);
    return tensor;
  }

  // ('storage', type, key of its file, device, number of elements)
  Storage read_storage(const std::string& tensor, const PickleValue& value) {
    if (value.kind != Kind::kPersistent || pickle_.item(value, 0).kind != Kind::kTuple) fail(tensor, "has no storage");
    const PickleValue& id = pickle_.item(value, 0);
    if (id.items.size() < 5 || pickle_.item(id, 0).text != "storage" || pickle_.item(id, 2).kind != Kind::kText) {
      fail(tensor, "has no storage");
    }
    const PickleValue& type = pickle_.item(id, 1);
    const auto known = std::find_if(kStorageTypes.begin(), kStorageTypes.end(), [&](const StorageType& candidate) {
      return pickle_.names(type, "torch", candidate.name);
    });
    if (known == kStorageTypes.end()) {
      const std::string type_name = type.kind == Kind::kGlobal ? pickle_.global_text(type) : "no name";
      throw Error(ErrorCode::kUnsupported,
                  "'" + name_ + "': tensor '" + tensor.substr(0, 256) + "' is stored as '" + type_name +
                      "', which is not known here; save it as float, half or bfloat16",
                  name_);
    }
    const auto file = archive_.find(folder_ + "data/" + std::string(pickle_.item(id, 2).text));
    if (file == archive_.end()) fail(tensor, "has its data in a file that is not in the archive");
    const std::uint64_t elements = size_of(tensor, pickle_.item(id, 4));
    const std::span<const std::byte> data = file->second.data;
    const std::size_t size = data_type_bytes(known->type);
    if (data.size() % size != 0 || elements != data.size() / size) {
      fail(tensor, "has a storage of " + std::to_string(elements) + " elements in a file of " +
                       std::to_string(data.size()) + " bytes");
    }
    storages_.insert(file->first);
    return {known->type, elements, data};
  }

  std::uint64_t size_of(const std::string& tensor, const PickleValue& value) const {
    if (value.kind != Kind::kInteger || value.number < 0) fail(tensor, "has a size that is no natural number");
    return static_cast<std::uint64_t>(value.number);
  }

  std::vector<std::uint64_t> sizes_of(const std::string& tensor, const PickleValue& value) const {
    if (value.kind != Kind::kTuple || value.items.size() > kMaxWeightDimensions) {
      fail(tensor, "has a shape that is no tuple of up to " + std::to_string(kMaxWeightDimensions) + " sizes");
    }
    std::vector<std::uint64_t> sizes;
    sizes.reserve(value.items.size());
    for (std::size_t i = 0; i < value.items.size(); ++i) sizes.push_back(size_of(tensor, pickle_.item(value, i)));
    return sizes;
  }

  const std::string name_;
  ByteReader reader_;
  std::map<std::string_view, ZipEntry> archive_;
  std::string folder_;  // with its slash
  Pickle pickle_;
  std::set<std::string_view> storages_;  // names of files in the archive that tensors are in
};

}  // namespace

bool looks_like_pth(std::span<const std::byte> bytes) noexcept {
  constexpr std::array<unsigned char, 4> kZip{'P', 'K', 3, 4};
  return bytes.size() >= kZip.size() && std::memcmp(bytes.data(), kZip.data(), kZip.size()) == 0;
}

WeightFile parse_pth(std::span<const std::byte> bytes, const std::string& name) {
  if (!looks_like_pth(bytes)) {
    throw Error(ErrorCode::kUnsupported,
                "'" + name +
                    "' is no PyTorch checkpoint of torch 1.6 or later; older ones have to be "
                    "loaded and saved again with a newer torch",
                name);
  }
  return Interpreter(bytes, name).run();
}

}  // namespace rwkv
