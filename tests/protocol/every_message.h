// One of every message of the protocol, with values that are not the defaults.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/codec.h"

namespace rwkv::protocol::test {

/// Gives every field, optional ones too, a value of its own.
class Filler {
 public:
  template <class T>
  void required(const char*, T& value) {
    fill(value);
  }
  template <class T>
  void optional(const char*, T& value) {
    fill(value);
  }

 private:
  void fill(bool& value) { value = !value; }
  void fill(std::int32_t& value) { value = -1000 - ++count_; }
  void fill(std::int64_t& value) { value = (std::int64_t{1} << 60) + ++count_; }
  void fill(double& value) { value = ++count_ + 0.25; }
  void fill(std::string& value) {
    value = "\"text\"\n" + std::string(1, '\0') + "\u6f22\U0001F600" + std::to_string(++count_);
  }
  void fill(Backend& value) { value.name = "web-rwkv"; }
  template <class T>
    requires std::is_enum_v<T>
  void fill(T& value) {
    value = static_cast<T>(names_of(T{}).size() - 1);
  }
  template <class T>
    requires requires { T::kType; }
  void fill(T& value) {
    T::each_field(value, *this);
  }
  void fill(std::vector<bool>& value) { value = {true, false}; }
  template <class T>
  void fill(std::vector<T>& value) {
    value.resize(2);
    for (T& item : value) fill(item);
  }
  template <class T>
  void fill(std::map<std::string, T>& value) {
    for (const char* key : {"", "a key"}) fill(value[key]);
  }
  template <class T>
  void fill(std::optional<T>& value) {
    fill(value.emplace());
  }

  int count_ = 0;
};

/// A message with every field set.
template <class T>
T filled() {
  T message{};
  Filler filler;
  T::each_field(message, filler);
  return message;
}

/// What the protocol says about the fields of a message.
struct Fields {
  std::vector<std::string> required_ones;
  std::vector<std::string> optional_ones;

  template <class T>
  void required(const char* name, const T&) {
    required_ones.push_back(name);
  }
  template <class T>
  void optional(const char* name, const T&) {
    optional_ones.push_back(name);
  }
};

/// One message of the protocol with all its fields set.
struct Sample {
  std::string type;
  Fields fields;
  Json json;
  bool is_request;
  bool differs_from_default;
  bool survives;  // parsing and decoding its text gave an equal one
};

template <class Message, class T>
Sample sample() {
  const T before = filled<T>();
  const Json json = encode(Message{42, before});
  Sample made{std::string(T::kType), {}, json, std::is_same_v<Message, RequestMessage>, !(before == T{}), false};
  T::each_field(before, made.fields);
  const Json parsed = parse_message(to_text(json));
  if constexpr (std::is_same_v<Message, RequestMessage>) {
    made.survives = decode_request(parsed).body == Request(before);
  } else {
    made.survives = decode_response(parsed).body == Response(before);
  }
  return made;
}

/// One of every request and every response.
inline std::vector<Sample> every_message() {
  std::vector<Sample> samples;
  const auto add = [&]<class Message, class Variant>() {
    [&]<std::size_t... i>(std::index_sequence<i...>) {
      (samples.push_back(sample<Message, std::variant_alternative_t<i, Variant>>()), ...);
    }(std::make_index_sequence<std::variant_size_v<Variant>>());
  };
  add.operator()<RequestMessage, Request>();
  add.operator()<ResponseMessage, Response>();
  return samples;
}

/// The message of the rwkv::Error that `function` throws; empty if it throws none.
template <class Function>
std::string error_of(Function&& function) {
  try {
    function();
  } catch (const rwkv::Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace rwkv::protocol::test
