// A layer knows only those below it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace {

namespace fs = std::filesystem;

// What each folder of src/ may include besides itself.
const std::map<std::string, std::set<std::string>> kMayInclude{
    {"base", {}},
    {"formats", {"base"}},
    {"text", {"base", "formats"}},
    {"convert", {"base", "formats", "text"}},
    {"fetch", {"base", "formats"}},
    {"engine", {"base", "formats", "text"}},
    {"ggml", {"base"}},
    {"media", {"base", "formats", "engine", "ggml"}},
    {"backends", {"base", "formats", "text", "engine", "ggml"}},
    {"runtime", {"base", "formats", "text", "engine"}},
    {"protocol", {"base"}},
    {"host", {"base", "formats", "text", "engine", "media", "runtime"}},
    {"bridge", {"base", "formats", "text", "fetch", "engine", "runtime", "host", "protocol"}},
    {"server", {"base", "text", "engine", "runtime", "host"}},
    {"capi", {"base", "formats", "text", "convert", "engine", "runtime", "host", "server"}},
};

TEST(Layers, IncludesPointDownwards) {
  const fs::path src = fs::path(RWKV_SOURCE_DIR) / "src";
  const std::regex include("^#include \"([a-z_]+)/");
  int includes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(src)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".h" && extension != ".cpp") continue;
    const std::string layer = (*fs::relative(entry.path(), src).begin()).string();
    ASSERT_TRUE(kMayInclude.contains(layer)) << layer << " is not in the list of layers";
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      ++includes;
      const std::string used = match[1];
      EXPECT_TRUE(used == layer || kMayInclude.at(layer).contains(used)) << entry.path() << ": " << line;
    }
  }
  EXPECT_GT(includes, 50);
}

// Where the code (comments may) names a backend: the inherited contract has an argument, a structure and a list of
// names, one help text shows a message of it, and ggml itself packs the types that it defines.
const std::set<std::string> kNamesABackend{
    "cli/command_bridge.cpp",   "src/bridge/handlers_models.cpp", "src/capi/models_abi.cpp",
    "src/capi/runtime_abi.cpp", "src/convert/encoding.cpp",       "src/protocol/enums.h",
    "src/protocol/lifecycle.h",
};

TEST(Layers, LibcurlIsNamedInFetchAlone) {
  const fs::path root(RWKV_SOURCE_DIR);
  for (const char* top : {"src", "cli", "include"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      const std::string name = fs::relative(entry.path(), root).generic_string();
      if (name.starts_with("src/fetch/") || !entry.is_regular_file()) continue;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);)
        EXPECT_EQ(line.find("curl/"), std::string::npos) << name << ": " << line;
    }
  }
}

TEST(Layers, NoBackendIsNamedAboveTheBackendsExceptWhereTheContractDoes) {
  const fs::path root(RWKV_SOURCE_DIR);
  const std::regex backend("llama|scripted", std::regex::icase);
  const std::regex ggml("#include [<\"]ggml[.-]");
  std::set<std::string> naming;
  int files = 0;
  for (const char* top : {"src", "cli"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      const std::string name = fs::relative(entry.path(), root).generic_string();
      const std::string extension = entry.path().extension().string();
      if (name.starts_with("src/backends/") || (extension != ".h" && extension != ".cpp")) continue;
      ++files;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) {
        const std::string code = line.substr(0, line.find("//"));
        // Encoders are graphs of ggml's, and there is one place for what that needs of the machine.
        const bool on_ggml = name.starts_with("src/media/encoders/") || name.starts_with("src/ggml/");
        if (!std::regex_search(code, backend) && (on_ggml || !std::regex_search(code, ggml))) continue;
        naming.insert(name);
        EXPECT_TRUE(kNamesABackend.contains(name)) << name << ": " << line;
      }
    }
  }
  EXPECT_EQ(naming, kNamesABackend) << "the list has files that name none";
  EXPECT_GT(files, 100);
}

TEST(Version, IsTheSameEverywhere) {
  const fs::path root(RWKV_SOURCE_DIR);
  std::ifstream version_file(root / "VERSION");
  std::string version;
  std::getline(version_file, version);
  ASSERT_FALSE(version.empty());
  std::ifstream changelog(root / "CHANGELOG.md");
  std::string text((std::istreambuf_iterator<char>(changelog)), {});
  EXPECT_NE(text.find("## " + version), std::string::npos) << "CHANGELOG.md does not name version " << version;
  if (fs::exists(root / "pubspec.yaml")) {
    std::ifstream pubspec(root / "pubspec.yaml");
    std::string lines((std::istreambuf_iterator<char>(pubspec)), {});
    EXPECT_NE(lines.find("version: " + version), std::string::npos) << "pubspec.yaml does not name version " << version;
  }
}

}  // namespace
