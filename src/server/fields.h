// Typed reading of a request's fields. Null counts as absent, as OpenAI clients mean it.
#pragma once

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "server/api_error.h"

namespace rwkv::server {

using Json = nlohmann::json;

/// An integer however it is written: sliders and languages without integers send 20.0. Nothing for all else.
inline std::optional<std::int64_t> whole_number(const Json& json) {
  if (json.is_number_float()) {
    const double value = json.get<double>();
    if (!(std::fabs(value) <= 0x1p53) || value != std::floor(value)) return std::nullopt;
    return static_cast<std::int64_t>(value);
  }
  if (!json.is_number_integer()) return std::nullopt;
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
    return std::nullopt;
  }
  return json.get<std::int64_t>();
}

/// All throw ApiError 400 naming the field when it is there with another type or out of range.
class Fields {
 public:
  /// `path` stands before the fields' names in errors.
  explicit Fields(const Json& object, std::string path = {}) : object_(object), path_(std::move(path)) {
    if (!object.is_object())
      throw bad_field(path_.empty() ? "the body" : path_.substr(0, path_.size() - 1), "an object");
  }

  const Json* find(const char* name) const {
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  std::optional<bool> boolean(const char* name) const {
    const Json* json = find(name);
    if (!json) return std::nullopt;
    if (!json->is_boolean()) throw bad_field(path_ + name, "true or false");
    return json->get<bool>();
  }

  std::optional<std::int64_t> integer(const char* name, std::int64_t low, std::int64_t high) const {
    const Json* json = find(name);
    if (!json) return std::nullopt;
    const std::optional<std::int64_t> whole = whole_number(*json);
    if (!whole || *whole < low || *whole > high) {
      throw bad_field(path_ + name, "an integer from " + std::to_string(low) + " to " + std::to_string(high));
    }
    return whole;
  }

  std::optional<float> number(const char* name, int low, int high) const {
    const Json* json = find(name);
    if (!json) return std::nullopt;
    if (!json->is_number() || !(json->get<double>() >= low && json->get<double>() <= high)) {
      throw bad_field(path_ + name, "a number from " + std::to_string(low) + " to " + std::to_string(high));
    }
    return json->get<float>();
  }

  std::optional<std::string> string(const char* name) const {
    const Json* json = find(name);
    if (!json) return std::nullopt;
    if (!json->is_string()) throw bad_field(path_ + name, "a string");
    return json->get<std::string>();
  }

  std::string path_to(const char* name) const { return path_ + name; }

 private:
  const Json& object_;
  std::string path_;
};

}  // namespace rwkv::server
