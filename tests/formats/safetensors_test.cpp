// Headers that lie, byte by byte.
#include "formats/safetensors.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/weight_values.h"
#include "support/gguf_writer.h"

namespace rwkv::test {
namespace {

std::string file_of(const std::string& header, std::size_t data_bytes) {
  return raw(static_cast<std::uint64_t>(header.size())) + header + std::string(data_bytes, '\1');
}

std::string tensor(const std::string& name, const std::string& shape, int begin, int end,
                   const std::string& type = "F32") {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

void expect_refused(const std::string& header, std::size_t data_bytes, const std::string& reason,
                    ErrorCode code = ErrorCode::kBadFile) {
  const std::string bytes = file_of(header, data_bytes);
  try {
    parse_safetensors(bytes_of(bytes), "x.safetensors");
    ADD_FAILURE() << header << " was read; expected: " << reason;
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
  }
}

TEST(Safetensors, HeadersOfTheFormatAreRead) {
  for (const std::string& header :
       {"{" + tensor("a", "[2]", 0, 8) + "}", "{" + tensor("a", "[2]", 0, 8) + "}    ",
        "{\"__metadata__\":{\"a\":\"b\"}," + tensor("a", "[1,2,1]", 0, 8) + "}",
        "{" + tensor("b", "[0]", 4, 4) + "," + tensor("a", "[]", 4, 8) + "," + tensor("c", "[1]", 0, 4) + "}"}) {
    const std::string bytes = file_of(header, 8);
    EXPECT_NO_THROW(touch(parse_safetensors(bytes_of(bytes), "x"))) << header;
  }
  const std::string empty = file_of("{}", 0);
  EXPECT_TRUE(parse_safetensors(bytes_of(empty), "x").tensors().empty());
}

TEST(Safetensors, OtherJsonIsRefused) {
  expect_refused("[]", 0, "does not begin with '{'");
  expect_refused("{", 0, "not JSON");
  expect_refused("{} {}", 0, "not JSON");
  expect_refused("{\"a\":\"\xFF\"}", 0, "not JSON");
  expect_refused("{\"a\":1}", 0, "a number where the format has none, at 'a'");
  expect_refused("{\"a\":null}", 0, "null");
  expect_refused("{\"a\":[]}", 0, "a list");
  expect_refused("{\"a\":{\"dtype\":{}}}", 0, "an object");
  expect_refused("{\"a\":{\"dtype\":[]}}", 0, "a list");
  expect_refused("{\"a\":{\"shape\":[[]]}}", 0, "a list");
  expect_refused("{\"a\":{\"shape\":[{}]}}", 0, "an object");
  expect_refused("{\"a\":{\"shape\":[-1]}}", 0, "a negative number");
  expect_refused("{\"a\":{\"shape\":[1.5]}}", 0, "no size");
  expect_refused("{\"a\":{\"shape\":[18446744073709551616]}}", 0, "no size");
  expect_refused("{\"a\":{\"shape\":[\"x\"]}}", 0, "a text");
  expect_refused("{\"a\":{\"shape\":[true]}}", 0, "a truth value");
  expect_refused("{\"a\":{\"size\":[]}}", 0, "unknown property 'size'");
  expect_refused("{\"a\":{}}", 0, "'a' lacks its type");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0]}}", 0, "'a' lacks");
  expect_refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0, "'dtype' twice");
  expect_refused("{\"a\":{\"shape\":[],\"shape\":[]}}", 0, "'shape' twice");
  expect_refused("{\"a\":{\"shape\":[1,1,1,1,1,1,1,1,1]}}", 0, "more than 8 dimensions");
  expect_refused("{\"__metadata__\":{\"a\":1}}", 0, "a number");
  expect_refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "'__metadata__' occurs twice");
  expect_refused("{" + tensor("a", "[1]", 0, 4, "F4") + "}", 4, "the type 'F4'", ErrorCode::kUnsupported);
  expect_refused("{" + std::string(100'000, '['), 0, "");
}

TEST(Safetensors, PlacesThatDoNotFitAreRefused) {
  const std::string a = tensor("a", "[2]", 0, 8);
  expect_refused("{" + a + "," + a + "}", 8, "where 8 comes next");
  expect_refused("{" + tensor("a", "[0]", 0, 0) + "," + tensor("a", "[0]", 0, 0) + "}", 0, "'a' occurs twice");
  expect_refused("{" + a + "}", 7, "cut off");
  expect_refused("{" + a + "}", 9, "1 bytes are left over");
  expect_refused("{" + a + "," + tensor("b", "[1]", 12, 16) + "}", 16, "where 8 comes next");
  expect_refused("{" + a + "," + tensor("b", "[1]", 4, 8) + "}", 8, "where 8 comes next");
  expect_refused("{" + tensor("a", "[2]", 8, 0) + "}", 8, "from 8 to 0");
  expect_refused("{" + tensor("a", "[3]", 0, 8) + "}", 8, "not 3 values of F32");
  expect_refused("{" + tensor("a", "[2]", 0, 7) + "}", 7, "not 2 values of F32");
  expect_refused("{" + tensor("a", "[4611686018427387906]", 0, 8) + "}", 8, "impossible dimension");
  expect_refused("{" + tensor("a", "[4294967296,4294967296,4294967298]", 0, 8) + "}", 8, "impossible dimension");
  expect_refused("{" + tensor("a", "[0,4294967296,4294967296]", 0, 0) + "}", 0, "impossible dimension");
  expect_refused("{" + tensor("", "[2]", 0, 8) + "}", 8, "no name");
  expect_refused("{" + tensor(std::string(2000, 'n'), "[2]", 0, 8) + "}", 8, "longer than the limit");
}

TEST(Safetensors, ImpossibleHeaderLengthsAreRefused) {
  for (const std::uint64_t length :
       {std::uint64_t{3}, std::uint64_t{1} << 25, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    const std::string bytes = raw(length) + "{}";
    EXPECT_THROW(parse_safetensors(bytes_of(bytes), "x"), Error) << length;
  }
}

}  // namespace
}  // namespace rwkv::test
