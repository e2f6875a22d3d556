// From JSON to the members of a message. Used by codec.cpp alone.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "protocol/enums.h"

namespace rwkv::protocol {

/// Messages and their parts.
template <class T>
concept HasFields = requires { T::kType; };
template <class E>
concept Enum = std::is_enum_v<E>;

template <HasFields T>
T read_object(const nlohmann::json& json, const std::string& name);

// Each read() says whether `json` has the right type and range; then it has set `to`. `name` is the field's, for errors
// inside of it.

inline bool read(const nlohmann::json& json, bool& to, const std::string&) {
  if (!json.is_boolean()) return false;
  to = json.get<bool>();
  return true;
}

inline bool read(const nlohmann::json& json, std::int64_t& to, const std::string&) {
  if (!json.is_number_integer()) return false;
  constexpr auto highest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > highest) return false;
  to = json.get<std::int64_t>();
  return true;
}

inline bool read(const nlohmann::json& json, std::int32_t& to, const std::string& name) {
  std::int64_t wide = 0;
  if (!read(json, wide, name)) return false;
  if (wide < std::numeric_limits<std::int32_t>::min() || wide > std::numeric_limits<std::int32_t>::max()) return false;
  to = static_cast<std::int32_t>(wide);
  return true;
}

inline bool read(const nlohmann::json& json, double& to, const std::string&) {
  if (!json.is_number() || !std::isfinite(json.get<double>())) return false;
  to = json.get<double>();
  return true;
}

inline bool read(const nlohmann::json& json, std::string& to, const std::string&) {
  if (!json.is_string()) return false;
  to = json.get_ref<const std::string&>();
  return true;
}

inline bool read(const nlohmann::json& json, Backend& to, const std::string& name) {
  if (!read(json, to.name, name)) return false;
  for (const EnumName& known : names_of(Backend())) {
    if (known.dart == to.name) to.name = known.wire;
  }
  return true;
}

template <Enum E>
bool read(const nlohmann::json& json, E& to, const std::string&) {
  if (!json.is_string()) return false;
  static constexpr auto names = names_of(E{});
  const auto& text = json.get_ref<const std::string&>();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].wire == text || names[i].dart == text) {
      to = static_cast<E>(i);
      return true;
    }
  }
  return false;
}

template <HasFields T>
bool read(const nlohmann::json& json, T& to, const std::string& name) {
  if (!json.is_object()) return false;
  to = read_object<T>(json, name);
  return true;
}

template <class T>
bool read(const nlohmann::json& json, std::vector<T>& to, const std::string& name) {
  if (!json.is_array()) return false;
  to.clear();
  to.reserve(json.size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    T item{};
    // Only objects have something inside to name.
    if (!read(json[i], item, HasFields<T> ? name + "[" + std::to_string(i) + "]" : name)) return false;
    to.push_back(std::move(item));
  }
  return true;
}

template <class T>
bool read(const nlohmann::json& json, std::map<std::string, T>& to, const std::string& name) {
  if (!json.is_object()) return false;
  to.clear();
  for (const auto& [key, value] : json.items()) {
    if (!read(value, to[key], name)) return false;
  }
  return true;
}

/// What a value of type T must be, after "must be".
template <class T>
struct Expected;
template <>
struct Expected<bool> {
  static std::string one() { return "true or false"; }
  static std::string many() { return "booleans"; }
};
template <>
struct Expected<std::int32_t> {
  static std::string one() { return "an integer from -2147483648 to 2147483647"; }
  static std::string many() { return "integers from -2147483648 to 2147483647"; }
};
template <>
struct Expected<std::int64_t> {
  static std::string one() { return "a 64-bit integer"; }
  static std::string many() { return "64-bit integers"; }
};
template <>
struct Expected<double> {
  static std::string one() { return "a finite number"; }
  static std::string many() { return "finite numbers"; }
};
template <>
struct Expected<std::string> {
  static std::string one() { return "a string"; }
  static std::string many() { return "strings"; }
};
template <>
struct Expected<Backend> : Expected<std::string> {};
template <Enum E>
struct Expected<E> {
  static std::string one() {
    std::string text = "one of";
    for (const EnumName& name : names_of(E{})) text += (text.ends_with("of") ? " " : ", ") + std::string(name.wire);
    return text;
  }
};
template <HasFields T>
struct Expected<T> {
  static std::string one() { return "an object"; }
  static std::string many() { return "objects"; }
};
template <class T>
struct Expected<std::vector<T>> {
  static std::string one() { return "a list of " + Expected<T>::many(); }
  static std::string many() { return "lists of " + Expected<T>::many(); }
};

template <class T>
struct Expected<std::map<std::string, T>> {
  static std::string one() { return "an object of " + Expected<T>::many(); }
};

/// Visits the fields of a message (see each_field).
class FieldReader {
 public:
  FieldReader(const nlohmann::json& object, const std::string& owner) : object_(object), owner_(owner) {}

  template <class T>
  void required(const char* field, T& to) {
    const auto found = object_.find(field);
    if (found == object_.end()) fail(field, "is missing; it must be " + Expected<T>::one());
    set(*found, field, to);
  }

  template <class T>
  void optional(const char* field, T& to) {
    const auto found = object_.find(field);
    if (found != object_.end() && !found->is_null()) set(*found, field, to);
  }
  template <class T>
  void optional(const char* field, std::optional<T>& to) {
    const auto found = object_.find(field);
    if (found != object_.end() && !found->is_null()) set(*found, field, to.emplace());
  }

 private:
  template <class T>
  void set(const nlohmann::json& json, const char* field, T& to) {
    if (!read(json, to, owner_ + "." + field)) fail(field, "must be " + Expected<T>::one());
  }

  [[noreturn]] void fail(const char* field, const std::string& what) const {
    throw rwkv::Error(ErrorCode::kInvalidArgument, owner_ + "." + field + " " + what);
  }

  const nlohmann::json& object_;
  const std::string& owner_;
};

/// `name` is for errors: "ChatAsync", "ChatBatchAsync.slotConfigs[2]". Throws Error(kInvalidArgument).
template <HasFields T>
T read_object(const nlohmann::json& json, const std::string& name) {
  T object;
  T::each_field(object, FieldReader(json, name));
  return object;
}

}  // namespace rwkv::protocol
