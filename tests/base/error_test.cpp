// Codes have stable names, and a cancel token is one flag in many hands.
#include "base/error.h"

#include <gtest/gtest.h>

#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>

#include "base/atomic_file.h"
#include "base/cancel.h"
#include "base/error_of.h"
#include "base/mapped_file.h"

namespace rwkv {
namespace {

TEST(ErrorCode, NamesAreStableAndDifferent) {
  const std::pair<ErrorCode, const char*> names[] = {{ErrorCode::kInvalidArgument, "invalid_argument"},
                                                     {ErrorCode::kNotFound, "not_found"},
                                                     {ErrorCode::kIo, "io"},
                                                     {ErrorCode::kBadFile, "bad_file"},
                                                     {ErrorCode::kUnsupported, "unsupported"},
                                                     {ErrorCode::kOutOfMemory, "out_of_memory"},
                                                     {ErrorCode::kBusy, "busy"},
                                                     {ErrorCode::kCancelled, "cancelled"},
                                                     {ErrorCode::kEvaluation, "evaluation"},
                                                     {ErrorCode::kInternal, "internal"}};
  for (const auto& [code, name] : names) EXPECT_EQ(to_string(code), name);
  EXPECT_EQ(to_string(static_cast<ErrorCode>(999)), "internal");
}

TEST(Error, CarriesCodeAndMessage) {
  try {
    throw Error(ErrorCode::kBusy, "in use");
  } catch (const std::exception& error) {
    EXPECT_STREQ(error.what(), "in use");
    EXPECT_EQ(dynamic_cast<const Error&>(error).code(), ErrorCode::kBusy);
  }
}

TEST(Error, CarriesTheFileItIsAboutInEachCopy) {
  static_assert(std::is_nothrow_copy_constructible_v<Error> && std::is_nothrow_copy_assignable_v<Error>);
  const Error error(ErrorCode::kBadFile, "'model.gguf' is cut off", "model.gguf");
  Error copy = out_of_memory();
  EXPECT_EQ(copy.file(), "");
  copy = error;
  EXPECT_EQ(copy.file(), "model.gguf");
  EXPECT_EQ(&copy.file(), &error.file()) << "a copy takes memory";
  EXPECT_EQ(error_of([&] { throw error; })->file(), "model.gguf");
}

TEST(Error, OfAFileThatIsNotThereNamesItAsTheCallerDid) {
  const std::string path = "./no/such//file";
  EXPECT_EQ(error_of([&] { MappedFile file(path); })->file(), path);
  EXPECT_EQ(error_of([&] { AtomicFile file(path); })->file(), path);
}

TEST(ErrorOf, WhateverIsThrownComesBackAsAnError) {
  EXPECT_FALSE(error_of([] {}));
  EXPECT_EQ(error_of([] { throw Error(ErrorCode::kBusy, "in use"); })->code(), ErrorCode::kBusy);
  EXPECT_EQ(error_of([] { throw std::bad_alloc(); })->code(), ErrorCode::kOutOfMemory);
  EXPECT_STREQ(error_of([] { throw std::runtime_error("why"); })->what(), "why");
  EXPECT_EQ(error_of([] { throw 7; })->code(), ErrorCode::kInternal);
}

TEST(CancelToken, CopiesShareTheFlagAndOthersDoNot) {
  const CancelToken token;
  const CancelToken copy = token;
  const CancelToken other;
  EXPECT_NO_THROW(token.check());
  std::thread([copy] { copy.cancel(); }).join();
  EXPECT_TRUE(token.cancelled());
  EXPECT_FALSE(other.cancelled());
  try {
    token.check();
    FAIL() << "not thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  token.clear();
  EXPECT_FALSE(copy.cancelled());
  EXPECT_NO_THROW(copy.check());
}

}  // namespace
}  // namespace rwkv
