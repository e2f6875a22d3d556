#include "base/json_message.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json_tree.h"

namespace rwkv {
namespace {

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::kInvalidArgument, message); }

// JSON may escape half of a surrogate pair, which no UTF-8 can say: such escapes are turned into \ufffd. Strings of
// Dart and JavaScript can hold them.
std::string mend_surrogates(std::string_view text) {
  std::string out(text);
  const auto unit_at = [&](std::size_t at) -> int {
    if (at + 6 > out.size() || out[at] != '\\' || out[at + 1] != 'u') return -1;
    int unit = 0;
    for (std::size_t i = at + 2; i < at + 6; ++i) {
      const char c = out[i];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return -1;
      unit = unit * 16 + digit;
    }
    return unit;
  };
  const auto is_low = [](int unit) { return unit >= 0xDC00 && unit <= 0xDFFF; };
  for (std::size_t i = 0; i < out.size();) {
    if (out[i] != '\\') {
      ++i;
      continue;
    }
    const int unit = unit_at(i);
    const bool is_high = unit >= 0xD800 && unit <= 0xDBFF;
    if (is_high && is_low(unit_at(i + 6))) {
      i += 12;
    } else if (is_high || is_low(unit)) {
      out.replace(i + 2, 4, "fffd");
      i += 6;
    } else {
      i += 2;  // any other escape; its digits hold no backslash
    }
  }
  return out;
}

constexpr std::size_t kMaxMessageValues = 1'000'000;  // of all levels

// nlohmann's parser with a callback walks the whole list at the end of each object in it, n objects cost n². This
// builds the value from the parser's events, each at constant cost, and counts them.
class BoundedBuilder {
 public:
  bool null() { return put(nullptr) != nullptr; }
  bool boolean(bool value) { return put(value) != nullptr; }
  bool number_integer(Json::number_integer_t value) { return put(value) != nullptr; }
  bool number_unsigned(Json::number_unsigned_t value) { return put(value) != nullptr; }
  bool number_float(Json::number_float_t value, const std::string&) { return put(value) != nullptr; }
  bool string(std::string& value) { return put(std::move(value)) != nullptr; }
  bool binary(Json::binary_t&) { return false; }
  bool key(std::string& value) {
    member_ = &(*open_.back())[std::move(value)];
    return true;
  }
  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool parse_error(std::size_t byte, const std::string&, const Json::exception& error) {
    if (dynamic_cast<const Json::parse_error*>(&error) == nullptr) fail("The message holds a number that is too large");
    bad_byte = byte;
    return false;
  }

  JsonTree root{nullptr};
  std::optional<std::size_t> bad_byte;

 private:
  Json* put(Json value) {
    if (++count_ > kMaxMessageValues) {
      fail("The message has more than " + std::to_string(kMaxMessageValues) + " values");
    }
    if (open_.empty()) return &(root.value = std::move(value));
    Json& parent = *open_.back();
    if (parent.is_object()) {
      take_apart(*member_);  // a repeated key has one
      return &(*member_ = std::move(value));
    }
    parent.push_back(std::move(value));
    return &parent.back();
  }
  bool open(Json empty) {
    if (open_.size() >= static_cast<std::size_t>(kMaxMessageDepth)) {
      fail("The message is nested deeper than " + std::to_string(kMaxMessageDepth) + " levels");
    }
    open_.push_back(put(std::move(empty)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::vector<Json*> open_;
  Json* member_ = nullptr;
  std::size_t count_ = 0;
};

// Nothing, and where it is wrong, for what is not JSON.
std::optional<Json> parse_bounded(std::string_view text, std::size_t& bad_byte) {
  BoundedBuilder builder;
  if (Json::sax_parse(text, &builder)) return std::move(builder.root.value);
  bad_byte = builder.bad_byte.value_or(0);
  return std::nullopt;
}

}  // namespace

Json parse_message(std::string_view text) {
  if (text.size() > kMaxMessageBytes) {
    fail("The message has " + std::to_string(text.size()) + " bytes; at most " + std::to_string(kMaxMessageBytes) +
         " are taken");
  }
  // The parser takes a bare NUL for the end and would not look at what follows.
  if (const std::size_t at = text.find('\0'); at != std::string_view::npos) {
    fail("The message is not valid JSON at byte " + std::to_string(at + 1));
  }
  std::size_t bad_byte = 0;
  std::optional<Json> json = parse_bounded(text, bad_byte);
  if (!json) json = parse_bounded(mend_surrogates(text), bad_byte);
  if (!json) fail("The message is not valid JSON at byte " + std::to_string(bad_byte));
  return std::move(*json);
}

std::string to_text(Json json) {
  const JsonTree tree(std::move(json));
  return tree.value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace rwkv
