#include "fetch/file_version.h"

#include <charconv>
#include <sstream>

namespace rwkv::fetch {

std::string FileVersion::if_range() const {
  if (has_strong_etag()) return '"' + etag + '"';
  return etag.empty() ? modified : "";
}

bool FileVersion::is_same(const FileVersion& other) const {
  if (total && other.total && *total != *other.total) return false;
  if (etag != other.etag) return false;
  return has_strong_etag() || (!modified.empty() && modified == other.modified);
}

std::string FileVersion::text() const {
  return etag + '\n' + modified + '\n' + (total ? std::to_string(*total) : "") + '\n';
}

FileVersion FileVersion::parse(const std::string& text) {
  std::istringstream lines(text);
  FileVersion version;
  std::string total;
  std::getline(lines, version.etag);
  std::getline(lines, version.modified);
  std::getline(lines, total);
  std::uint64_t value = 0;
  const auto end = std::from_chars(total.data(), total.data() + total.size(), value);
  if (!total.empty() && end.ec == std::errc() && end.ptr == total.data() + total.size()) version.total = value;
  return version;
}

}  // namespace rwkv::fetch
