// Opcodes: the comments of Python's pickletools.
#include "formats/pickle.h"

#include <bit>
#include <unordered_map>

#include "formats/byte_reader.h"

namespace rwkv {
namespace {

using Kind = PickleValue::Kind;

constexpr std::size_t kMaxValues = std::size_t{1} << 20;
constexpr std::uint8_t kNewestProtocol = 5;

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const std::string& name) : reader_(bytes, name) {}

  Pickle run() {
    if (reader_.read<std::uint8_t>("a pickle") != 0x80) reader_.fail("this is no pickle of protocol 2 or later");
    const auto protocol = reader_.read<std::uint8_t>("the protocol");
    if (protocol < 2 || protocol > kNewestProtocol) {
      reader_.fail("pickle protocol " + std::to_string(protocol) + " is not one of 2 to 5");
    }
    while (step(reader_.read<std::uint8_t>("an instruction"))) {
    }
    pickle_.root = pop();
    if (!stack_.empty() || !marks_.empty()) reader_.fail("the pickle ends with values left over");
    if (reader_.remaining() != 0) reader_.fail("something follows the end of the pickle");
    return std::move(pickle_);
  }

 private:
  bool step(std::uint8_t code) {
    switch (code) {
      case '.': return false;
      case 0x95:  // FRAME
        if (reader_.read<std::uint64_t>("a frame") > reader_.remaining()) reader_.fail("a frame is cut off");
        return true;
      case '(': marks_.push_back(stack_.size()); return true;
      case '0': pop(); return true;
      case '1': pop_to_mark(); return true;
      case 'N': push({Kind::kNone, 0, 0, {}, {}}); return true;
      case 0x88: push({Kind::kBool, 1, 0, {}, {}}); return true;
      case 0x89: push({Kind::kBool, 0, 0, {}, {}}); return true;
      case 'J': return push_integer(reader_.read<std::int32_t>("a number"));
      case 'K': return push_integer(reader_.read<std::uint8_t>("a number"));
      case 'M': return push_integer(reader_.read<std::uint16_t>("a number"));
      case 0x8a: return push_long();
      case 'G': return push_float();
      case 'X':
      case 'T':
      case 'B': return push_text(reader_.read<std::uint32_t>("a length"));
      case 0x8c:
      case 'U':
      case 'C': return push_text(reader_.read<std::uint8_t>("a length"));
      case 0x8d:
      case 0x8e: return push_text(reader_.read<std::uint64_t>("a length"));
      case ')': push({Kind::kTuple, 0, 0, {}, {}}); return true;
      case 't': push({Kind::kTuple, 0, 0, {}, pop_to_mark()}); return true;
      case 0x85: return push_tuple(1);
      case 0x86: return push_tuple(2);
      case 0x87: return push_tuple(3);
      case ']': push({Kind::kList, 0, 0, {}, {}}); return true;
      case 'l': push({Kind::kList, 0, 0, {}, pop_to_mark()}); return true;
      case 'a': return append({pop()}, Kind::kList);
      case 'e': return append(pop_to_mark(), Kind::kList);
      case '}': push({Kind::kDict, 0, 0, {}, {}}); return true;
      case 'd': push({Kind::kDict, 0, 0, {}, {}}); return append(pop_to_mark_below_top(), Kind::kDict);
      case 's': return append(pop_pair(), Kind::kDict);
      case 'u': return append(pop_to_mark(), Kind::kDict);
      case 'q': return put(reader_.read<std::uint8_t>("a memo number"));
      case 'r': return put(reader_.read<std::uint32_t>("a memo number"));
      case 0x94: return put(static_cast<std::uint32_t>(memo_.size()));
      case 'h': return get(reader_.read<std::uint8_t>("a memo number"));
      case 'j': return get(reader_.read<std::uint32_t>("a memo number"));
      case 'c': return push_global();
      case 0x93: return push_stack_global();
      case 'Q': push({Kind::kPersistent, 0, 0, {}, {pop()}}); return true;
      case 'R':
      case 0x81: return push_call();
      case 'b':  // BUILD: attributes, of which weights need none
        pop();
        top();
        return true;
      default:
        throw Error(ErrorCode::kUnsupported,
                    "'" + reader_.name() + "' at byte " + std::to_string(reader_.offset() - 1) +
                        " of its pickle: instruction " + std::to_string(code) + " is none that weights need",
                    reader_.name());
    }
  }

  void push(PickleValue value) {
    if (pickle_.values.size() == kMaxValues) reader_.fail("the pickle makes more values than any model's");
    pickle_.values.push_back(std::move(value));
    stack_.push_back(static_cast<std::uint32_t>(pickle_.values.size() - 1));
  }

  bool push_integer(std::int64_t number) {
    push({Kind::kInteger, number, 0, {}, {}});
    return true;
  }

  // Little-endian two's complement of as many bytes as it takes.
  bool push_long() {
    const auto length = reader_.read<std::uint8_t>("a length");
    const auto bytes = reader_.take(length, "a number");
    if (length > 8) reader_.fail("a number of more than 64 bits");
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < length; ++i) value |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
    if (length > 0 && length < 8 && (static_cast<unsigned>(bytes[length - 1u]) & 0x80u) != 0) {
      value |= ~std::uint64_t{0} << (8 * length);
    }
    return push_integer(static_cast<std::int64_t>(value));
  }

  bool push_float() {
    const auto bytes = reader_.take(8, "a number");
    std::uint64_t value = 0;
    for (const std::byte byte : bytes) value = value << 8 | static_cast<std::uint64_t>(byte);
    push({Kind::kFloat, 0, std::bit_cast<double>(value), {}, {}});
    return true;
  }

  bool push_text(std::uint64_t length) {
    push({Kind::kText, 0, 0, reader_.take_text(length, "a text"), {}});
    return true;
  }

  bool push_tuple(std::size_t count) {
    std::vector<std::uint32_t> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    push({Kind::kTuple, 0, 0, {}, std::move(items)});
    return true;
  }

  bool push_global() {
    push({Kind::kText, 0, 0, take_line(), {}});
    push({Kind::kText, 0, 0, take_line(), {}});
    return push_stack_global();
  }

  std::string_view take_line() {
    ByteReader ahead = reader_;
    while (ahead.read<char>("a name") != '\n') {
    }
    std::string_view line = reader_.take_text(ahead.offset() - reader_.offset(), "a name");
    line.remove_suffix(1);
    return line;
  }

  bool push_stack_global() {
    std::vector<std::uint32_t> names = pop_pair();
    for (const std::uint32_t name : names) {
      if (pickle_.at(name).kind != Kind::kText) reader_.fail("a name is not a text");
    }
    push({Kind::kGlobal, 0, 0, {}, std::move(names)});
    return true;
  }

  bool push_call() {
    std::vector<std::uint32_t> items = pop_pair();
    if (pickle_.at(items[0]).kind != Kind::kGlobal || pickle_.at(items[1]).kind != Kind::kTuple) {
      reader_.fail("a call without a name or without arguments");
    }
    if (pickle_.names(pickle_.at(items[0]), "collections", "OrderedDict") && pickle_.at(items[1]).items.empty()) {
      push({Kind::kDict, 0, 0, {}, {}});
    } else {
      push({Kind::kCall, 0, 0, {}, std::move(items)});
    }
    return true;
  }

  bool append(const std::vector<std::uint32_t>& items, Kind kind) {
    PickleValue& target = pickle_.values[top()];
    if (target.kind == Kind::kCall) return true;  // what an object holds, of which weights need none
    if (target.kind != kind) reader_.fail("values are added to something that is no list or dict");
    if (kind == Kind::kDict && items.size() % 2 != 0) reader_.fail("a key without a value");
    target.items.insert(target.items.end(), items.begin(), items.end());
    return true;
  }

  bool put(std::uint32_t index) {
    if (memo_.size() >= kMaxValues) reader_.fail("the pickle remembers more values than any model's");
    memo_[index] = top();
    return true;
  }

  bool get(std::uint32_t index) {
    const auto it = memo_.find(index);
    if (it == memo_.end()) reader_.fail("value " + std::to_string(index) + " was never remembered");
    stack_.push_back(it->second);
    return true;
  }

  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  std::uint32_t top() const {
    if (stack_.size() <= floor()) reader_.fail("an instruction lacks its values");
    return stack_.back();
  }

  std::uint32_t pop() {
    const std::uint32_t index = top();
    stack_.pop_back();
    return index;
  }

  std::vector<std::uint32_t> pop_pair() {
    const std::uint32_t second = pop();
    const std::uint32_t first = pop();
    return {first, second};
  }

  std::vector<std::uint32_t> pop_to_mark() {
    if (marks_.empty()) reader_.fail("an instruction lacks its mark");
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<std::uint32_t> items(from, stack_.end());
    stack_.erase(from, stack_.end());
    marks_.pop_back();
    return items;
  }

  // The same for items below a value that was pushed after them, which stays.
  std::vector<std::uint32_t> pop_to_mark_below_top() {
    const std::uint32_t kept = pop();
    std::vector<std::uint32_t> items = pop_to_mark();
    stack_.push_back(kept);
    return items;
  }

  ByteReader reader_;
  Pickle pickle_;
  std::vector<std::uint32_t> stack_;
  std::vector<std::size_t> marks_;  // sizes of the stack
  std::unordered_map<std::uint32_t, std::uint32_t> memo_;
};

}  // namespace

bool Pickle::names(const PickleValue& global, std::string_view module, std::string_view name) const noexcept {
  return global.kind == Kind::kGlobal && item(global, 0).text == module && item(global, 1).text == name;
}

std::string Pickle::global_text(const PickleValue& global) const {
  constexpr std::size_t kMost = 64;
  return std::string(item(global, 0).text.substr(0, kMost)) + "." + std::string(item(global, 1).text.substr(0, kMost));
}

Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& name) { return Machine(bytes, name).run(); }

}  // namespace rwkv
