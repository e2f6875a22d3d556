// What is said of something that is refused.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error_of.h"

namespace rwkv::test {

/// The message of the Error with this code that `function` throws; empty where it throws none.
template <class Function>
std::string refusal(ErrorCode code, const Function& function) {
  const auto error = error_of(function);
  if (!error) return "";
  EXPECT_EQ(to_string(error->code()), to_string(code));
  return error->what();
}

inline void expect_words(const std::string& text, const std::vector<std::string>& words) {
  for (const std::string& word : words) EXPECT_NE(text.find(word), std::string::npos) << word << " in: " << text;
}

}  // namespace rwkv::test
