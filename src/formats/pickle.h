// Python pickles as data: the values they describe, with calls left uncalled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv {

struct PickleValue {
  enum class Kind {
    kNone,
    kBool,        // number
    kInteger,     // number
    kFloat,       // real
    kText,        // text: str, bytes or an old string
    kTuple,       // items
    kList,        // items
    kDict,        // items: key, value, key, value ...
    kGlobal,      // a module and a name in it, see Pickle::names; nothing is looked up
    kCall,        // items: what is called, a tuple of arguments; nothing is called
    kPersistent,  // items: the id of something kept outside the pickle
  };

  Kind kind = Kind::kNone;
  std::int64_t number = 0;
  double real = 0;
  std::string_view text;             // in the pickle
  std::vector<std::uint32_t> items;  // indices into Pickle::values; a value can contain itself
};

struct Pickle {
  std::vector<PickleValue> values;
  std::uint32_t root = 0;

  const PickleValue& at(std::uint32_t index) const { return values[index]; }
  const PickleValue& item(const PickleValue& of, std::size_t index) const { return values[of.items[index]]; }
  /// Whether `global` is one and stands for this name.
  bool names(const PickleValue& global, std::string_view module, std::string_view name) const noexcept;
  /// Its name for messages.
  std::string global_text(const PickleValue& global) const;
};

/// The opcodes of protocols 2 to 5 that torch and plain containers use. `collections.OrderedDict()` becomes a dict; the
/// attributes that a BUILD sets and the items that calls are given are dropped; every other call is left as it is.
/// Views point into `bytes`. Throws Error(kBadFile, kUnsupported) with file, offset within the pickle and reason. At
/// most 2^20 values are made (100 MB), and no more than there are bytes.
Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& name);

}  // namespace rwkv
