// Backends that are libraries of their own, as a user of the command meets them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "command.h"

namespace rwkv::test {
namespace {

using nlohmann::json;

namespace fs = std::filesystem;

// A folder with the reference plugin and one that is cut off.
class Plugins : public testing::Test {
 protected:
  Plugins() {
    const fs::path built = fs::path(RWKV_BINARY_DIR) / "tests" / "plugins" / "librwkv_backend_reference.so";
    fs::copy_file(built, folder_.path() / built.filename());
    write_file(folder_.path() / "librwkv_backend_broken.so", read_file(built).substr(0, 5000));
  }

  ScratchFolder folder_;
  const std::string path_ = folder_.path().string();
};

const json& entry_of(const json& list, const std::string& name) {
  for (const json& entry : list) {
    if (entry["name"] == name) return entry;
  }
  static const json none;
  return none;
}

TEST_F(Plugins, AreListedWithWhatTheyOfferOrWhyTheyCannotBeUsed) {
  const CommandResult result = rwkv({"--backend-dir", path_, "backends", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json list = json::parse(result.out);
  const json& reference = entry_of(list, "reference");
  ASSERT_TRUE(reference.is_object()) << list;
  EXPECT_EQ(reference["available"], true);
  EXPECT_EQ(reference["devices"][0]["id"], "cpu");
  EXPECT_EQ(reference["settings"][0]["key"], "logit_rows");
  const json& broken = entry_of(list, "broken");
  EXPECT_EQ(broken["available"], false);
  EXPECT_NE(broken["reason"].get<std::string>().find("is cut off; copy it again"), std::string::npos) << broken;
  EXPECT_EQ(list[0]["name"], "llama.cpp");
}

TEST_F(Plugins, ComputeWhatTheyAreAskedFor) {
  const std::vector<std::string> question{"logits", "-m", kModel.string(), "--tokens", "34,105,110"};
  std::vector<std::string> with_plugin = question;
  for (const char* word : {"--backend-dir", path_.c_str(), "--backend", "reference"}) with_plugin.emplace_back(word);
  const CommandResult result = rwkv(with_plugin);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json expected = json::parse(rwkv(question).out);
  const json given = json::parse(result.out);
  EXPECT_EQ(given["argmax"], expected["argmax"]);
  for (std::size_t i = 0; i < expected["logits"].size(); ++i) {
    ASSERT_NEAR(given["logits"][i].get<double>(), expected["logits"][i].get<double>(), 1e-3) << i;
  }
  const CommandResult chat = rwkv({"chat", "--backend-dir=" + path_, "--backend", "reference", "-m", kModel.string(),
                                   "--greedy", "-q", "-p", "What is the capital of Japan?"});
  EXPECT_EQ(chat.out, "Tokyo.\n") << chat.err;
}

TEST_F(Plugins, ThatAreBrokenOrMissingAreErrorsWithTheReason) {
  const auto with = [&](const std::string& backend) {
    return rwkv({"--backend-dir", path_, "logits", "-m", kModel.string(), "--tokens", "34", "--backend", backend});
  };
  const CommandResult broken = with("broken");
  EXPECT_EQ(broken.exit_code, 3);
  EXPECT_NE(broken.err.find("is cut off; copy it again"), std::string::npos) << broken.err;
  const CommandResult missing = with("missing");
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_NE(missing.err.find("it has llama.cpp"), std::string::npos) << missing.err;
  EXPECT_NE(missing.err.find("RWKV_BACKEND_DIR"), std::string::npos) << missing.err;
  const CommandResult nowhere = rwkv({"--backend-dir", path_ + "/nowhere", "backends"});
  EXPECT_EQ(nowhere.exit_code, 3);
  EXPECT_NE(nowhere.err.find("nowhere"), std::string::npos) << nowhere.err;
}

TEST_F(Plugins, OfTheEnvironmentAreInTheReportOfDoctor) {
  setenv("RWKV_BACKEND_DIR", path_.c_str(), 1);
  const CommandResult result = rwkv({"bridge"}, R"({"type":"Doctor","requestId":1})"
                                                "\n");
  unsetenv("RWKV_BACKEND_DIR");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("\"reference\""), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("is cut off; copy it again"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace rwkv::test
