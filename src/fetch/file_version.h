// What tells whether two answers of a server are about the same bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace rwkv::fetch {

struct FileVersion {
  std::string etag;  // as sent but for the quotes of a strong one; a weak one, W/"...", does not promise equal bytes
  std::string modified;                // Last-Modified, if it is a strong validator (RFC 9110 8.8.2.2)
  std::optional<std::uint64_t> total;  // bytes of the whole file

  bool has_strong_etag() const { return !etag.empty() && !etag.starts_with("W/"); }
  /// Whether the rest of a file of this version can be told from that of another.
  bool can_be_told() const { return has_strong_etag() || !modified.empty(); }
  /// What If-Range may say (RFC 9110 13.1.5), or empty.
  std::string if_range() const;
  /// The one rule of what may be joined: the strong ETag is the same, or where there is none the strong Last-Modified;
  /// and nothing that both say differs.
  bool is_same(const FileVersion& other) const;

  bool operator==(const FileVersion&) const = default;

  /// Three lines, and back; what is missing is empty.
  std::string text() const;
  static FileVersion parse(const std::string& text);
};

}  // namespace rwkv::fetch
