// Addresses of files as people write them, and the hub that most of them are at.
#pragma once

#include <string>
#include <string_view>

namespace rwkv::fetch {

/// "host" or "host:port" in lower case; empty where the address has a user in it or cannot be taken apart.
std::string host_of(std::string_view url);
/// localhost, 127.0.0.1 or [::1]
bool is_this_machine(std::string_view url);

/// `text` as a whole address: "https://" is put before a host ("http://" before this machine), hf.co is
/// huggingface.co, a hub's page about a file becomes the file, and blanks are escaped. Empty if it is no address.
/// Throws Error(kInvalidArgument) for a repository of the hub, which is no file.
std::string whole_address(const std::string& text);

/// The last part of the address with its escapes undone. Throws Error(kInvalidArgument) where that is no name of a
/// file: empty, with a separator, a control character, or one of the names of folders.
std::string file_name_in(const std::string& url);

/// What the hub's clients keep to open gated files: HF_TOKEN, or the file that `hf auth login` writes. Empty if there
/// is none or the address is not the hub's (huggingface.co, HF_ENDPOINT; HF_TOKEN also opens one at this machine).
/// Throws Error(kInvalidArgument) for what cannot be one.
std::string hub_token(const std::string& url);

/// What to do where a server says 401 or 403 for `url`.
std::string how_to_be_let_in(const std::string& url, bool token_was_sent);

}  // namespace rwkv::fetch
