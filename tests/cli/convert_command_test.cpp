// rwkv convert as a stranger uses it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "command.h"

namespace rwkv::test {
namespace {

using nlohmann::json;

const std::filesystem::path kCheckpoints = std::filesystem::path(RWKV_SOURCE_DIR) / "tests" / "data" / "convert";

TEST(ConvertCommand, ConvertedModelIsSoundAndComputesTheReferencesLogits) {
  const ScratchFolder folder;
  const std::string output = folder.path() / "model.gguf";
  const CommandResult converted = rwkv({"convert", kCheckpoints / "rwkv7.pth", output, "--type", "F32", "--vocab",
                                        kCheckpoints / "vocab.txt", "--name", "a name", "--json"});
  ASSERT_EQ(converted.exit_code, 0) << converted.err;
  EXPECT_EQ(json::parse(converted.out)["outputBytes"], std::filesystem::file_size(output));
  const json info = json::parse(rwkv({"info", output, "--json"}).out);
  EXPECT_EQ(info["name"], "a name");
  EXPECT_EQ(info["weightType"], "F32");
  EXPECT_EQ(info["parameters"], json::parse(converted.out)["parameters"]);
  for (const json& fixture : json::parse(read_file(kCheckpoints / "rwkv7.json"))) {
    std::string tokens;
    for (const json& token : fixture["tokens"]) tokens += (tokens.empty() ? "" : ",") + token.dump();
    const json given = json::parse(rwkv({"logits", "-m", output, "--tokens", tokens}).out);
    EXPECT_EQ(given["argmax"], fixture["argmax"]);
    for (std::size_t i = 0; i < given["logits"].size(); ++i) {
      EXPECT_NEAR(given["logits"][i].get<double>(), fixture["logits"][i].get<double>(), 1e-3) << i;
    }
  }
}

TEST(ConvertCommand, EncodersAreConvertedAndInfoSaysWhatTheyAre) {
  const ScratchFolder folder;
  const std::filesystem::path encoders = kCheckpoints.parent_path() / "encoders";
  const std::string output = folder.path() / "encoder.gguf";
  const CommandResult converted = rwkv({"convert", encoders / "whisper.safetensors", output, "--kind", "audio",
                                        "--heads", "3", "--stride", "1", "--padding", "1", "--name", "ears", "--json"});
  ASSERT_EQ(converted.exit_code, 0) << converted.err;
  const json info = json::parse(rwkv({"info", output, "--json"}).out);
  EXPECT_EQ(info["name"], "ears");
  EXPECT_EQ(info["architecture"], "whisper");
  EXPECT_EQ(info["encodes"], "sound");
  EXPECT_EQ(info["modelWidth"], 32);
  EXPECT_EQ(info["weightType"], "F16");
  EXPECT_NE(rwkv({"info", output}).out.find("an encoder of sound"), std::string::npos);
  const CommandResult other = rwkv({"convert", encoders / "whisper.safetensors", output, "--kind", "vision"});
  EXPECT_EQ(other.exit_code, 3) << other.err;
  EXPECT_NE(other.err.find("no SigLIP encoder"), std::string::npos);
  EXPECT_EQ(rwkv({"convert", kCheckpoints / "rwkv7.pth", output, "--heads", "3"}).exit_code, 2);
}

TEST(ConvertCommand, EndingOfTheOutputChoosesTheFormat) {
  const ScratchFolder folder;
  for (const char* name : {"model.safetensors", "model.st", "MODEL.SAFETENSORS", "model.St"}) {
    const std::string output = folder.path() / name;
    EXPECT_EQ(rwkv({"convert", kCheckpoints / "rwkv6.pth", output}).exit_code, 0);
    EXPECT_EQ(read_file(output).find("{\"__metadata__\":{\"format\":\"pt\"}"), 8u);
    EXPECT_EQ(rwkv({"convert", kCheckpoints / "rwkv6.pth", output, "--type", "f32"}).exit_code, 2);
  }
}

TEST(ConvertCommand, ExitCodesSayWhatWasWrong) {
  const ScratchFolder folder;
  const std::string output = folder.path() / "model.gguf";
  const std::string vocabulary = kCheckpoints / "vocab.txt";
  const auto code = [&](const std::string& source, std::vector<std::string> rest) {
    rest.insert(rest.begin(), {"convert", source, output});
    const CommandResult result = rwkv(rest);
    EXPECT_NE(result.err, "");
    EXPECT_EQ(result.out, "");
    return result.exit_code;
  };
  const std::string source = kCheckpoints / "rwkv7.pth";
  EXPECT_EQ(code(source, {}), 2);  // no vocabulary
  EXPECT_EQ(code(source, {"--vocab", vocabulary, "--type", "q3_k"}), 2);
  EXPECT_EQ(code(folder.path() / "absent.pth", {"--vocab", vocabulary}), 3);
  EXPECT_EQ(code(vocabulary, {"--vocab", vocabulary}), 3);
  EXPECT_EQ(code(source, {"--vocab", folder.path() / "absent.txt"}), 3);
  EXPECT_EQ(code(std::filesystem::path(RWKV_SOURCE_DIR) / "tests" / "data" / "formats" / "harmful.pth",
                 {"--vocab", vocabulary}),
            3);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace rwkv::test
