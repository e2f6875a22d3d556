// From the members of a message to JSON. Used by codec.cpp alone.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json_tree.h"
#include "protocol/json_reader.h"

namespace rwkv::protocol {

template <class T>
  requires HasFields<std::remove_const_t<T>>
nlohmann::json write_object(T& object);

/// Visits the fields of a message (see each_field).
class FieldWriter {
 public:
  FieldWriter(nlohmann::json& object, std::string_view owner) : object_(object), owner_(owner) {}

  template <class T>
  void required(const char* field, const T& value) {
    JsonTree made(json_of(value, field));
    object_[field] = std::move(made.value);
  }
  // A text of a message that is given away.
  void required(const char* field, std::string& value) { object_[field] = std::move(value); }
  template <class T>
  void optional(const char* field, const T& value) {
    required(field, value);
  }
  template <class T>
  void optional(const char* field, const std::optional<T>& value) {
    if (value) required(field, *value);
  }

 private:
  template <class T>
  nlohmann::json json_of(const T& value, const char* field) const {
    if constexpr (HasFields<T>) {
      return write_object(value);
    } else if constexpr (Enum<T>) {
      return to_string(value);
    } else if constexpr (std::is_same_v<T, double>) {
      if (!std::isfinite(value)) {
        throw rwkv::Error(ErrorCode::kInternal, std::string(owner_) + "." + field + " is not a finite number");
      }
      return value;
    } else {
      return value;
    }
  }
  nlohmann::json json_of(const Backend& value, const char*) const { return value.name; }
  template <class T>
  nlohmann::json json_of(const std::vector<T>& values, const char* field) const {
    JsonTree list(nlohmann::json::array());
    for (const T& value : values) {
      JsonTree made(json_of(value, field));
      list.value.push_back(std::move(made.value));
    }
    return std::move(list.value);
  }

  nlohmann::json& object_;
  std::string_view owner_;
};

/// The texts of an object that is not const are moved out of it. Throws Error(kInternal) when a number is not finite.
template <class T>
  requires HasFields<std::remove_const_t<T>>
nlohmann::json write_object(T& object) {
  JsonTree json(nlohmann::json::object());
  T::each_field(object, FieldWriter(json.value, T::kType));
  return std::move(json.value);
}

}  // namespace rwkv::protocol
