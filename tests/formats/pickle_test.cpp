// Pickles assembled by hand, against the comments of Python's pickletools.
#include "formats/pickle.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/weight_values.h"
#include "support/gguf_writer.h"

namespace rwkv::test {
namespace {

using Kind = PickleValue::Kind;

std::string pickled(const std::string& code) { return "\x80\x02" + code + "."; }
std::string text(const std::string& value) { return "X" + raw(static_cast<std::uint32_t>(value.size())) + value; }

struct Parsed {
  explicit Parsed(const std::string& code) : bytes(pickled(code)), pickle(parse_pickle(bytes_of(bytes), "p")) {}
  const PickleValue& root() const { return pickle.at(pickle.root); }
  std::string bytes;
  Pickle pickle;
};

void expect_refused(const std::string& bytes, const std::string& reason) {
  try {
    parse_pickle(bytes_of(bytes), "p");
    ADD_FAILURE() << "read; expected: " << reason;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
  }
}

TEST(Pickle, NumbersOfAllWidthsAreRead) {
  EXPECT_EQ(Parsed("J\xFE\xFF\xFF\xFF").root().number, -2);
  EXPECT_EQ(Parsed("K\xFF").root().number, 255);
  EXPECT_EQ(Parsed("M\x01\xFF").root().number, 0xFF01);
  EXPECT_EQ(Parsed(std::string("\x8a\x00", 2)).root().number, 0);
  EXPECT_EQ(Parsed("\x8a\x01\xFF").root().number, -1);
  EXPECT_EQ(Parsed(std::string("\x8a\x02\xFF\x00", 4)).root().number, 255);
  EXPECT_EQ(Parsed(std::string("\x8a\x05\x00\x00\x00\x00\x01", 7)).root().number, std::int64_t{1} << 32);
  EXPECT_EQ(Parsed("\x8a\x08" + raw(std::int64_t{-5})).root().number, -5);
  EXPECT_EQ(Parsed(std::string("G\x3F\xF8\x00\x00\x00\x00\x00\x00", 9)).root().real, 1.5);
}

TEST(Pickle, ContainersHoldWhatWasPutIn) {
  const Parsed dict("}(" + text("a") + "K\x01" + text("b") + "](K\x02Neu" + text("c") + ")s");
  ASSERT_EQ(dict.root().kind, Kind::kDict);
  ASSERT_EQ(dict.root().items.size(), 6u);
  const auto item = [&](std::size_t i) { return dict.pickle.item(dict.root(), i); };
  EXPECT_EQ(item(0).text, "a");
  EXPECT_EQ(item(1).number, 1);
  EXPECT_EQ(item(2).text, "b");
  EXPECT_EQ(item(3).kind, Kind::kList);
  EXPECT_EQ(dict.pickle.item(item(3), 0).number, 2);
  EXPECT_EQ(dict.pickle.item(item(3), 1).kind, Kind::kNone);
  EXPECT_EQ(item(5).kind, Kind::kTuple);
  for (const char* code : {"K\x01K\x02K\x03\x87", "(K\x01K\x02K\x03t", "(K\x01K\x02K\x03l"}) {
    const Parsed list(code);
    ASSERT_EQ(list.root().items.size(), 3u);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(list.pickle.item(list.root(), static_cast<std::size_t>(i)).number, i + 1);
  }
  const Parsed whole("(" + text("k") + "\x88" + "d");
  EXPECT_EQ(whole.pickle.item(whole.root(), 0).text, "k");
  EXPECT_EQ(whole.pickle.item(whole.root(), 1).kind, Kind::kBool);
}

TEST(Pickle, CallsAndGlobalsStayUncalled) {
  const Parsed parsed("cos\nsystem\n(" + text("ls") + "tR");
  EXPECT_EQ(parsed.root().kind, Kind::kCall);
  const PickleValue& global = parsed.pickle.item(parsed.root(), 0);
  EXPECT_TRUE(parsed.pickle.names(global, "os", "system"));
  EXPECT_FALSE(parsed.pickle.names(global, "os", "syste"));
  EXPECT_EQ(parsed.pickle.global_text(global), "os.system");
  EXPECT_EQ(parsed.pickle.item(parsed.pickle.item(parsed.root(), 1), 0).text, "ls");
  const Parsed stacked(text("os") + text("system") + "\x93)R");
  EXPECT_TRUE(stacked.pickle.names(stacked.pickle.item(stacked.root(), 0), "os", "system"));
  EXPECT_EQ(Parsed("ccollections\nOrderedDict\n)R").root().kind, Kind::kDict);
  EXPECT_EQ(Parsed("ccollections\nOrderedDict\n)R}b").root().kind, Kind::kDict);
}

TEST(Pickle, MemoGivesTheSameValueAgain) {
  const Parsed parsed(text("x") +
                      "q\x05"
                      "0h\x05h\x05\x86");
  EXPECT_EQ(parsed.root().kind, Kind::kTuple);
  EXPECT_EQ(parsed.root().items[0], parsed.root().items[1]);
  const Parsed itself(std::string("]q\0h\0a", 6));
  EXPECT_EQ(itself.root().items, std::vector<std::uint32_t>{itself.pickle.root});
}

TEST(Pickle, WhatIsNotWellFormedIsRefused) {
  expect_refused("", "a pickle needs");
  expect_refused("}.", "no pickle of protocol 2");
  expect_refused("\x80\x01}.", "protocol 1 is not");
  expect_refused("\x80\x06}.", "protocol 6 is not");
  expect_refused("\x80\x02}", "an instruction needs");
  expect_refused("\x80\x02.", "lacks its values");
  expect_refused(pickled("}}"), "values left over");
  expect_refused(pickled("(}"), "values left over");
  expect_refused(pickled("}(0"), "lacks its values");  // a mark is in the way
  expect_refused(pickled("}") + "x", "something follows");
  expect_refused(pickled("0"), "lacks its values");
  expect_refused(pickled("t"), "lacks its mark");
  expect_refused(pickled("N\x86"), "lacks its values");
  expect_refused(pickled("(N\x86"), "lacks its values");
  expect_refused(pickled("NNa"), "no list or dict");
  expect_refused(pickled("}Na"), "no list or dict");
  expect_refused(pickled("}(Nu"), "a key without a value");
  expect_refused(pickled("h\x07"), "never remembered");
  expect_refused(pickled("NNR"), "a call without a name");
  expect_refused(pickled("NN\x93"), "a name is not a text");
  expect_refused(pickled("cos\nsystem"), "a name needs");
  expect_refused(pickled("\x8a\x09" + std::string(9, '\1')), "more than 64 bits");
  expect_refused(pickled("X" + raw(0xFFFFFFFFu)), "a text needs 4294967295 bytes");
  expect_refused(pickled("\x8d" + raw(~std::uint64_t{0})), "a text needs");
  for (const char* code : {"i", "o", "\x82", "P", "\x8f", "\x92", "I1\n"}) {
    expect_refused(pickled(code), "none that weights need");
  }
  expect_refused(pickled(std::string(1'200'000, 'N')), "more values than any model's");
}

}  // namespace
}  // namespace rwkv::test
