// A JSON value that goes without needing memory.
#pragma once

#include <nlohmann/json.hpp>
#include <utility>

namespace rwkv {

/// Empties a value from its leaves up. The library's destructor puts what is nested on a stack that it allocates, and
/// ends the process where it cannot: emptied, there is nothing to put there. Recurses as deep as the value is.
inline void take_apart(nlohmann::json& json) noexcept {
  if (json.is_array()) {
    auto& list = json.get_ref<nlohmann::json::array_t&>();
    for (nlohmann::json& item : list) take_apart(item);
    list.clear();
  } else if (json.is_object()) {
    auto& members = json.get_ref<nlohmann::json::object_t&>();
    for (auto& [name, member] : members) take_apart(member);
    members.clear();
  }
}

/// Holds a value of bounded depth where memory may be lacking. Moving `value` out leaves null.
struct JsonTree {
  explicit JsonTree(nlohmann::json from) noexcept : value(std::move(from)) {}
  JsonTree(const JsonTree&) = delete;
  JsonTree& operator=(const JsonTree&) = delete;
  ~JsonTree() { take_apart(value); }

  nlohmann::json value;
};

}  // namespace rwkv
