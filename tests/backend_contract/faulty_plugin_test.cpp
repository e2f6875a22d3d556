// Plugins that are broken in one way each: refused when they are opened, or reported when it shows. Nothing crashes.
#include <cstdlib>
#include <filesystem>

#include "backends/plugin/library.h"
#include "backends/plugin/plugin_backend.h"
#include "base/log.h"
#include "support/tiny_model.h"

namespace rwkv::test {
namespace {

namespace fs = std::filesystem;

fs::path plugin_path(const std::string& name) { return fs::path(RWKV_TEST_PLUGINS) / plugin::file_name(name); }

class FaultyPlugin : public testing::Test {
 protected:
  ~FaultyPlugin() override { unsetenv("RWKV_TEST_FAULT"); }

  // The plugin in a folder of its own: the same file twice would be the same library.
  std::string copy_of(const std::string& name) {
    const fs::path folder = folder_.path() / std::to_string(++plugins_);
    fs::create_directory(folder);
    fs::copy_file(plugin_path(name), folder / plugin::file_name(name));
    return (folder / plugin::file_name(name)).string();
  }
  std::string prepare(const std::string& fault) {
    setenv("RWKV_TEST_FAULT", fault.c_str(), 1);
    return copy_of("faulty");
  }
  std::unique_ptr<Backend> open(const std::string& fault) { return make_plugin_backend(prepare(fault)); }

  // Refused when it is opened, and listed as not available with the same words.
  void refused(const std::string& path, ErrorCode code, const std::string& reason) {
    expect_error(code, reason, [&] { make_plugin_backend(path); });
    const auto found = find_plugins({fs::path(path).parent_path().string()}, {});
    ASSERT_EQ(found.size(), 1u) << path;
    ASSERT_TRUE(found[0]->unavailable_reason().has_value());
    EXPECT_NE(found[0]->unavailable_reason()->find(reason), std::string::npos) << *found[0]->unavailable_reason();
    EXPECT_NE(found[0]->unavailable_reason()->find(path), std::string::npos) << *found[0]->unavailable_reason();
    EXPECT_TRUE(found[0]->devices().empty());
    const ModelSource source(kModel.string());
    EXPECT_EQ(found[0]->match(source), 0);
    expect_error(code, reason, [&] { found[0]->load(source, {}); });
    expect_error(code, reason, [&] { found[0]->estimate(source, {}); });
  }

  const ModelSource source_{kModel.string()};
  ScratchFolder folder_;

 private:
  int plugins_ = 0;
};

TEST_F(FaultyPlugin, WithoutAFaultIsAPlugin) {
  const auto backend = open("");
  EXPECT_EQ(backend->name(), "faulty");
  const auto model = backend->load(source_, one_thread(1));
  const auto sequence = model->create_sequence();
  EXPECT_EQ(feed(*model, *sequence, {1}).size(), 480u);
  EXPECT_NE(log::dump().find("the faulty plugin is there"), std::string::npos);
}

TEST_F(FaultyPlugin, OfAnotherVersionIsRefusedWithBothNumbers) {
  refused(prepare("old"), ErrorCode::kUnsupported,
          "version 0 of the interface, this library has version 1; get a newer");
  refused(prepare("new"), ErrorCode::kUnsupported, "version 2 of the interface, this library has version 1");
  refused(prepare("no_table"), ErrorCode::kUnsupported, "does not work with version 1");
}

TEST_F(FaultyPlugin, WithATableThatIsNotWholeIsRefused) {
  refused(prepare("no_size"), ErrorCode::kUnsupported, "no table");
  refused(prepare("short"), ErrorCode::kUnsupported, "bytes, not");
  refused(prepare("no_name"), ErrorCode::kUnsupported, "'name'");
  refused(prepare("other_name"), ErrorCode::kUnsupported, "calls itself 'other'");
  for (const char* entry : {"available", "device_count", "device", "match", "estimate", "load", "release", "info",
                            "set_threads", "create_sequence", "free_sequence", "reset", "save", "restore", "evaluate",
                            "name", "version", "description", "settings"}) {
    refused(prepare(std::string("null:") + entry), ErrorCode::kUnsupported, "lacks '" + std::string(entry) + "'");
  }
}

TEST_F(FaultyPlugin, LibrariesThatAreNoneAreRefused) {
  refused(copy_of("no_entry"), ErrorCode::kUnsupported, "no function rwkv_backend_entry");
}

TEST_F(FaultyPlugin, FilesThatAreNoLibrariesAreRefused) {
  const std::string whole = read_file(plugin_path("reference"));
  int files = 0;
  const auto refuse_bytes = [&](const std::string& bytes) {
    const fs::path folder = folder_.path() / ("bad" + std::to_string(++files));
    fs::create_directory(folder);
    const std::string path = (folder / plugin::file_name("bad")).string();
    write_file(path, bytes);
    refused(path, ErrorCode::kBadFile, "cannot open the library");
  };
  refuse_bytes("");
  refuse_bytes("no library");
  refuse_bytes(
      "\x7F"
      "ELF");
  for (std::size_t size = 100; size < whole.size() / 2; size = size * 3 / 2) refuse_bytes(whole.substr(0, size));
  const fs::path folder = folder_.path() / "folder";
  fs::create_directories(folder / plugin::file_name("folder"));
  refused((folder / plugin::file_name("folder")).string(), ErrorCode::kIo, "folder");
}

TEST_F(FaultyPlugin, ErrorsOfEachFunctionComeOutWithTheirText) {
  const std::string text = "as it was asked to";
  const ErrorCode code = ErrorCode::kEvaluation;
  EXPECT_EQ(open("fail:available")->unavailable_reason(), text);
  expect_error(ErrorCode::kUnsupported, text, [&] { open("fail:available")->load(source_, {}); });
  EXPECT_TRUE(open("fail:device")->devices().empty());
  expect_error(ErrorCode::kUnsupported, "no device of it", [&] { open("fail:device")->load(source_, {}); });
  expect_error(code, text, [&] { open("fail:estimate")->estimate(source_, {}); });
  expect_error(code, text, [&] { open("fail:load")->load(source_, {}); });
  expect_error(code, text, [&] { open("fail:info")->load(source_, {}); });
  expect_error(code, text, [&] { open("fail:set_threads")->load(source_, {})->set_threads(2); });
  expect_error(code, text, [&] { open("fail:create_sequence")->load(source_, {})->create_sequence(); });
}

TEST_F(FaultyPlugin, AnErrorOfASequenceLeavesItAtZeroOrUnusable) {
  const auto with_sequence = [&](const std::string& fault, const auto& then) {
    const auto backend = open(fault);
    const auto model = backend->load(source_, one_thread(2));
    const auto sequence = model->create_sequence();
    feed(*model, *sequence, {1, 2});
    then(*model, *sequence);
  };
  const auto fails = [](const auto& function) { expect_error(ErrorCode::kEvaluation, "as it was asked to", function); };
  with_sequence("fail:save", [&](Model&, Sequence& sequence) {
    fails([&] { sequence.save(); });
    EXPECT_EQ(sequence.position(), 2);
  });
  with_sequence("fail:restore", [&](Model& model, Sequence& sequence) {
    fails([&] { sequence.restore(sequence.save()); });
    EXPECT_EQ(sequence.position(), 0);
    const auto other = model.create_sequence();
    EXPECT_EQ(feed(model, sequence, {3}), feed(model, *other, {3}));
  });
  with_sequence("fail:evaluate", [&](Model& model, Sequence& sequence) {
    const auto other = model.create_sequence();
    const Logits fresh = feed(model, *other, {3});
    fails([&] { feed(model, sequence, {1, 2, 3}); });
    EXPECT_EQ(sequence.position(), 0);
    EXPECT_EQ(other->position(), 1);
    EXPECT_EQ(feed(model, sequence, {3}), fresh);
  });
  with_sequence("fail:reset", [&](Model& model, Sequence& sequence) {
    fails([&] { sequence.reset(); });
    EXPECT_EQ(sequence.position(), 0);
    fails([&] { feed(model, sequence, {1}); });  // what it holds is not the zero state
    fails([&] { sequence.restore(State()); });
  });
}

TEST_F(FaultyPlugin, WhatCannotBeIsReportedAndNotUsed) {
  const auto broken = [&](const std::string& fault, const std::string& reason) {
    expect_error(ErrorCode::kUnsupported, reason, [&] { open(fault)->load(source_, one_thread(3)); });
  };
  broken("no_model", "no model and no error");
  broken("info:layers", "number of layers is -1");
  broken("info:vocabulary", "a model of 480 tokens has 7");
  broken("info:no_batch_sizes", "no batch sizes");
  broken("info:descending", "do not ascend");
  broken("info:device", "no device of it");
  broken("info:state", "not the numbers");
  broken("info:stable", "stable chunk is 0");
  expect_error(ErrorCode::kUnsupported, "no sequence and no error",
               [&] { open("no_sequence")->load(source_, {})->create_sequence(); });
  expect_error(ErrorCode::kBadFile, "does not say why", [&] { open("no_reason")->load(source_, {}); });
  expect_error(ErrorCode::kInternal, "12345", [&] { open("unknown_code")->load(source_, {}); });
  expect_error(ErrorCode::kBadFile, "\uFFFD", [&] { open("endless_text")->load(source_, {}); });
  EXPECT_EQ(open("many_devices")->devices().size(), 256u);
  EXPECT_EQ(open("far_match")->match(source_), 100);
  for (const char* fault : {"few_values", "no_values"}) {
    const auto model = open(fault)->load(source_, one_thread(1));
    const auto sequence = model->create_sequence();
    expect_error(ErrorCode::kEvaluation, "values, not 480", [&] { feed(*model, *sequence, {1}); });
    EXPECT_EQ(sequence->position(), 0);
  }
}

TEST_F(FaultyPlugin, OfSeveralOfOneNameTheFirstFolderCounts) {
  const fs::path first = folder_.path() / "first";
  const fs::path second = folder_.path() / "second";
  for (const fs::path& folder : {first, second}) {
    fs::create_directory(folder);
    fs::copy_file(plugin_path("reference"), folder / plugin::file_name("reference"));
    write_file(folder / "librwkv_other.so", "is none");
  }
  write_file(first / plugin::file_name("broken"), "");
  const auto found = find_plugins({(folder_.path() / "nowhere").string(), first.string(), second.string()}, {});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0]->name(), "broken");
  EXPECT_TRUE(found[0]->unavailable_reason());
  EXPECT_EQ(found[1]->name(), "reference");
  EXPECT_FALSE(found[1]->unavailable_reason());
  const auto taken = find_plugins({second.string()}, {"reference"});
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_NE(taken[0]->unavailable_reason().value_or("").find("name of one"), std::string::npos);
}

TEST_F(FaultyPlugin, TheChosenFolderComesBeforeThatOfTheEnvironment) {
  setenv("RWKV_BACKEND_DIR", "/from/environment", 1);
  EXPECT_EQ(plugin_folders("").front(), "/from/environment");
  EXPECT_EQ(plugin_folders("/chosen").front(), "/chosen");
  unsetenv("RWKV_BACKEND_DIR");
  const auto folders = plugin_folders("");
  const std::string beside = (fs::path(RWKV_BINARY_DIR) / "lib" / "rwkv").string();
  EXPECT_NE(std::find(folders.begin(), folders.end(), beside), folders.end());
}

}  // namespace
}  // namespace rwkv::test
