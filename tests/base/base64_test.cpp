#include "base/base64.h"

#include <gtest/gtest.h>

#include <string>

namespace rwkv {
namespace {

std::string decoded(const std::string& text) {
  const auto bytes = decode_base64(text);
  return bytes ? std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()) : "refused";
}

// RFC 4648, section 10.
TEST(Base64, TheStandardsOwnExamples) {
  EXPECT_EQ(decoded(""), "");
  EXPECT_EQ(decoded("Zg=="), "f");
  EXPECT_EQ(decoded("Zm8="), "fo");
  EXPECT_EQ(decoded("Zm9v"), "foo");
  EXPECT_EQ(decoded("Zm9vYg=="), "foob");
  EXPECT_EQ(decoded("Zm9vYmE="), "fooba");
  EXPECT_EQ(decoded("Zm9vYmFy"), "foobar");
}

TEST(Base64, BothAlphabetsAndMissingPaddingAreTaken) {
  EXPECT_EQ(decoded("+/+/"), decoded("-_-_"));
  EXPECT_EQ(decoded("+/+/"), "\xFB\xFF\xBF");
  EXPECT_EQ(decoded("Zg"), "f");
  EXPECT_EQ(decoded("Zm8"), "fo");
}

TEST(Base64, WhatNoBytesGiveIsRefused) {
  for (const char* text : {"Z", "Zm9vY", "Zm9v Zm9v", "Zg=", "=", "Z===", "Zh==", "Zm9=", "Zm\n9v", "\xC3\xA9=="}) {
    EXPECT_EQ(decoded(text), "refused") << text;
  }
}

}  // namespace
}  // namespace rwkv
