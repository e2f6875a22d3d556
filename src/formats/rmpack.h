// .rmpack, a container of named blobs with a JSON configuration: read without trusting a byte of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rwkv {

struct RmpackFile {
  struct Blob {
    std::string_view name;
    std::span<const std::byte> data;  // begins at a multiple of 4096 bytes of the file
  };
  /// The values of the configuration that are numbers, truth values or texts; lists and objects are left out.
  using Value = std::variant<bool, std::int64_t, double, std::string>;

  std::map<std::string, Value, std::less<>> config;
  std::vector<Blob> blobs;  // in the order of the file, which is the order of layers in an initial state

  const Blob* find(std::string_view name) const noexcept;
  /// A whole number of the configuration, or `otherwise`.
  std::int64_t number(std::string_view key, std::int64_t otherwise) const noexcept;
  /// true, 1, or one of the texts "true", "1", "yes" and "on".
  bool flag(std::string_view key) const noexcept;
};

/// Views point into `bytes`, which must outlive them. Throws Error(kBadFile) with file, offset and reason for a wrong
/// beginning, a configuration that is no JSON object or has a key twice, counts and sizes that the file
/// cannot hold, names that occur twice, and blobs that overlap, are not aligned or lie outside. Memory used is at most
/// 16 times the size of the configuration and the table.
RmpackFile parse_rmpack(std::span<const std::byte> bytes, const std::string& name);

}  // namespace rwkv
