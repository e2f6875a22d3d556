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
    {"engine", {"base", "formats", "text"}},
    {"backends", {"base", "formats", "text", "engine"}},
    {"runtime", {"base", "formats", "text", "engine"}},
    {"protocol", {"base"}},
    {"bridge", {"base", "formats", "text", "engine", "runtime", "protocol"}},
    {"server", {"base", "text", "engine", "runtime", "protocol"}},
    {"capi", {"base", "formats", "text", "convert", "engine", "runtime", "protocol", "bridge", "server"}},
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

TEST(Layers, NoBackendIsNamedAboveTheBackends) {
  const fs::path root(RWKV_SOURCE_DIR);
  const std::regex backend_header("#include [<\"](llama|ggml)");
  for (const char* folder :
       {"src/runtime", "src/engine", "src/text", "src/formats", "src/bridge", "src/server", "cli"}) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) {
        EXPECT_FALSE(std::regex_search(line, backend_header)) << entry.path() << ": " << line;
      }
    }
  }
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
