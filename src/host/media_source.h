// A picture or a recording as a client names it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv::host {

/// A file, or its bytes where the client hands them over.
struct MediaSource {
  std::string path;              // UTF-8; what stands for the bytes in messages where `bytes` are given
  std::vector<std::byte> bytes;  // a file's whole content; empty: `path` is read
};

/// The largest picture or recording: ten minutes of 48 kHz stereo in floats, or any photo.
inline constexpr std::size_t kLargestMediaFile = std::size_t{256} << 20;

/// A text with its pictures taken out.
struct TaggedText {
  std::string text;  // with a kMediaMark for each of `pictures`
  std::vector<MediaSource> pictures;
};

/// What somebody says beside pictures: the byte of the marks becomes U+FFFD.
std::string plain_text(std::string_view text);

/// Finds `<TAG>path</TAG>`, each start with the first end after it; a start without an end is text, as everything is
/// where `tag` is empty.
TaggedText find_pictures(std::string_view text, std::string_view tag);

}  // namespace rwkv::host
