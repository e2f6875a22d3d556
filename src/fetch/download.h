// A file from the network, whole and unaltered or not at all.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "base/cancel.h"

namespace rwkv::fetch {

struct DownloadRequest {
  std::string url;     // https; http only from this machine or with sha256, since anybody on the way can alter it
  std::string path;    // where the file goes, UTF-8; replaced if it is there
  std::string sha256;  // 64 hexadecimal digits, or empty: checked against the server's own figure where it gives one
  std::string token;   // sent to the address's own host only, for what is not public
  /// Without a byte for this long the connection is given up and another one goes on where it ended.
  std::chrono::seconds patience{30};
};

struct DownloadResult {
  std::uint64_t bytes = 0;
  std::uint64_t resumed_from = 0;  // bytes that an earlier run had left
  std::string sha256;
  bool verified = false;  // there was a figure to compare with
};

/// Bytes there are and the total, 0 while it is unknown.
using DownloadProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// Writes to `path`.part, which a later call goes on with, and renames it at the end. Lost connections and servers that
/// are busy are tried again, five times without progress. Throws Error: kInvalidArgument (address), kNotFound, kIo
/// (network, disk, server), kBadFile (not the expected bytes, or a page instead of a file; nothing is kept), kBusy
/// (another download goes to the same path), kCancelled, kUnsupported where there is no libcurl 7.85 or newer.
DownloadResult download(const DownloadRequest& request, const DownloadProgress& on_progress, const CancelToken& cancel);

}  // namespace rwkv::fetch
