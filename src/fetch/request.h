// From what somebody asks for to what is downloaded.
#pragma once

#include <string>

#include "fetch/download.h"

namespace rwkv::fetch {

/// The request for `what`, a name of the catalogue or an address (as people write them, see whole_address), at the
/// mirror and with the token that the environment gives. It goes to `output`: a file, or a folder, which is made if it
/// is written as one, and then gets a file of the address's own name; empty: to the current folder. `sha256` is 64
/// hexadecimal digits in any case, also after "sha256:", or empty: the catalogue's, where it has one. Throws Error:
/// kNotFound (no such name), kInvalidArgument (a repository, an address without a file name), kIo (the folder cannot be
/// made).
DownloadRequest request_for(const std::string& what, const std::string& output, const std::string& sha256);

}  // namespace rwkv::fetch
