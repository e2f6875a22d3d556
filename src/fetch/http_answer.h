// What the headers of an answer say about the file that follows.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fetch/file_version.h"

namespace rwkv::fetch {

std::string lower(std::string_view text);
bool is_sha256(std::string_view text);

/// The headers of one answer; those of a redirect before it that tell about the file itself stay.
struct HttpAnswer {
  std::string etag;           // as in FileVersion
  std::string modified;       // Last-Modified, strong or not
  std::string linked_sha256;  // what Hugging Face calls the file behind its redirect
  std::optional<std::uint64_t> linked_size;
  std::optional<std::uint64_t> length;
  // Content-Range says which bytes these are. Some hubs send it, and only a part of the file, with status 200.
  bool has_range = false;
  std::optional<std::uint64_t> range_begin;
  std::optional<std::uint64_t> range_total;
  bool packed = false;         // Content-Encoding: lengths and ranges are not those of the file
  bool shows_its_end = false;  // cut off, it is an error: it has a length, chunks or frames
  std::chrono::seconds retry_after{0};

  /// Takes in a line; a status line forgets what was said before.
  void read(std::string_view line);
  /// Of the file that this answer or a part of it comes from.
  FileVersion version() const;
  std::optional<std::uint64_t> total() const;

 private:
  void read_range(std::string_view value);

  std::string date_;
};

}  // namespace rwkv::fetch
