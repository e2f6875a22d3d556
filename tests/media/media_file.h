// Files of tests/data/media.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv::test {

inline std::string media_file(const std::string& name) {
  const auto path = std::filesystem::path(RWKV_SOURCE_DIR) / "tests" / "data" / "media" / name;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("no file " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

inline nlohmann::json media_json(const std::string& name) { return nlohmann::json::parse(media_file(name)); }

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace rwkv::test
