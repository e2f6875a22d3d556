// Pages that must follow the code.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> matches(const std::string& text, const std::regex& pattern) {
  std::set<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) found.insert((*it)[1]);
  return found;
}

TEST(Documents, EachNumberOfAContractTestIsExplainedAndEachExplainedOneIsTested) {
  const fs::path root(RWKV_SOURCE_DIR);
  std::set<std::string> tested;
  for (const auto& entry : fs::directory_iterator(root / "tests" / "bridge")) {
    const std::string text = text_of(entry.path());
    for (const std::string& name :
         matches(text, std::regex(R"(TEST(?:_F)?\((?:Contract|Defect), ([A-Za-z0-9_]+)\))"))) {
      tested.merge(matches(name, std::regex("(?:^|_)([SD][0-9]{2})(?=_)")));
    }
  }
  EXPECT_GT(tested.size(), 80u);
  std::set<std::string> explained;
  std::ifstream page(root / "docs" / "CONTRACT_TESTS.md");
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("| S") || line.starts_with("| D"))
      explained.merge(matches(line.substr(0, line.find('|', 1)), std::regex("([SD][0-9]{2})")));
  }
  EXPECT_EQ(tested, explained);
}

TEST(Documents, EachSlowTestIsThere) {
  const fs::path tests = fs::path(RWKV_SOURCE_DIR) / "tests";
  std::set<std::string> there;
  for (const auto& entry : fs::recursive_directory_iterator(tests)) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string text = text_of(entry.path());
    const std::regex test(R"(TEST(?:_F)?\(\s*(\w+),\s*(\w+)\))");
    for (std::sregex_iterator it(text.begin(), text.end(), test), end; it != end; ++it) {
      there.insert((*it)[1].str() + "." + (*it)[2].str());
    }
  }
  const auto slow = matches(text_of(tests / "slow_tests.cmake"), std::regex(R"(\b([A-Z]\w+\.[A-Z]\w+))"));
  EXPECT_GT(slow.size(), 10u);
  for (const std::string& name : slow) EXPECT_TRUE(there.contains(name)) << name;
}

}  // namespace
