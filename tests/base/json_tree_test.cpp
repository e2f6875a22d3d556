#include "base/json_tree.h"

#include <gtest/gtest.h>

namespace rwkv {
namespace {

using Json = nlohmann::json;

// What is empty is destroyed without a stack (tests/capi/lack fails each allocation and proves the rest).
TEST(JsonTree, TakenApartAValueHoldsNothing) {
  Json list = Json::parse(R"([1, "two", [3, {"four": [5]}], {}])");
  take_apart(list);
  EXPECT_EQ(list, Json::array());

  Json object = Json::parse(R"({"a": {"b": {"c": [1, 2]}}, "d": null})");
  take_apart(object);
  EXPECT_EQ(object, Json::object());

  Json text = "text";
  take_apart(text);
  EXPECT_EQ(text, Json("text"));
}

TEST(JsonTree, WhatIsMovedOutStays) {
  Json kept;
  {
    JsonTree tree(Json::parse(R"({"a": [1, 2]})"));
    kept = std::move(tree.value);
  }
  EXPECT_EQ(kept, Json::parse(R"({"a": [1, 2]})"));
}

}  // namespace
}  // namespace rwkv
