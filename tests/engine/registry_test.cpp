// Which backend takes a file.
#include "engine/registry.h"

#include <gtest/gtest.h>

#include "support/scratch.h"
#include "support/tiny_rwkv.h"

namespace rwkv::test {
namespace {

template <class Call>
void expect_error(ErrorCode code, const std::string& part, Call&& call) {
  try {
    call();
    ADD_FAILURE() << "nothing thrown, expected " << to_string(code);
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

const Backend& backend_of(const std::string& path) { return backend_for(ModelSource(path)); }

TEST(Registry, BackendsHaveNamesAndDescriptionsOfTheirOwn) {
  std::vector<std::string_view> names;
  for (const auto& backend : backends()) {
    EXPECT_FALSE(backend->description().empty());
    EXPECT_EQ(&backend_by_name(backend->name()), backend.get());
    names.push_back(backend->name());
  }
  EXPECT_EQ(names, (std::vector<std::string_view>{"llama.cpp", "native", "scripted"}));
  expect_error(ErrorCode::kUnsupported, "it has llama.cpp, native, scripted", [] { backend_by_name("web-rwkv"); });
}

TEST(Registry, FileIsTakenByContentAndNotByName) {
  const ScratchFolder folder;
  const auto file = [&](const std::string& name, const std::string& bytes) {
    write_file(folder.path() / name, bytes);
    return (folder.path() / name).string();
  };
  EXPECT_EQ(backend_of(file("model.json", TinyRwkv({6, 1, 64, 64, 64, 8, 16}).gguf().bytes())).name(), "llama.cpp");
  EXPECT_EQ(backend_of(file("script.gguf", R"({"rwkv_script": 1})")).name(), "scripted");
  expect_error(ErrorCode::kBadFile, "not a model file", [&] { backend_of(file("x.gguf", "text")); });
  expect_error(ErrorCode::kBadFile, "empty.gguf' is empty", [&] { backend_of(file("empty.gguf", "")); });
  expect_error(ErrorCode::kNotFound, "nowhere.gguf", [&] { backend_of((folder.path() / "nowhere.gguf").string()); });
  expect_error(ErrorCode::kIo, "is a folder, and no backend", [&] { backend_of(folder.path().string()); });
}

TEST(Registry, EveryAvailableBackendHasADeviceAndTakesItsNameAndNoOther) {
  for (const auto& backend : backends()) {
    if (backend->unavailable_reason()) continue;
    const std::vector<Device> devices = backend->devices();
    ASSERT_FALSE(devices.empty()) << backend->name();
    LoadOptions options;
    for (const Device& device : devices) {
      options.device = device.id;
      EXPECT_NO_THROW(check_options(*backend, options)) << device.id;
    }
    options.device = "abacus";
    expect_error(ErrorCode::kInvalidArgument, "no device 'abacus'; it has " + devices.front().id,
                 [&] { check_options(*backend, options); });
  }
}

TEST(Registry, AnUnknownSettingIsRefusedWithTheKnownOnes) {
  for (const auto& backend : backends()) {
    LoadOptions options;
    for (const Setting& setting : backend->settings()) options.settings[setting.key];
    EXPECT_NO_THROW(check_options(*backend, options));
    options.settings["wieghts"] = "copied";
    std::string known = " or any other";
    if (const auto settings = backend->settings(); !settings.empty()) known = "; it has " + settings.front().key;
    expect_error(ErrorCode::kInvalidArgument, "no setting 'wieghts'" + known,
                 [&] { check_options(*backend, options); });
  }
}

TEST(Registry, NumbersOfSequencesOutOfRangeAreRefused) {
  for (const int sequences : {-1, 0, kMostSequences + 1}) {
    LoadOptions options;
    options.max_sequences = sequences;
    for (const auto& backend : backends()) {
      expect_error(ErrorCode::kInvalidArgument, "not 1 to 16", [&] { check_options(*backend, options); });
    }
  }
}

}  // namespace
}  // namespace rwkv::test
