// A saved state: the tokens that led to it and its bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/token.h"

namespace rwkv {

struct StateFile {
  Tokens tokens;
  std::vector<std::byte> state;  // in the form of the backend that made it, which knows its own
};

/// Atomically. Throws Error(kIo, kInvalidArgument).
void write_state_file(const std::string& path, std::span<const TokenId> tokens, std::span<const std::byte> state);

/// Layout in docs/FORMATS.md. Throws Error(kNotFound, kIo) and, for a file that is no state, of another version, cut
/// off or altered, Error(kBadFile).
StateFile read_state_file(const std::string& path);
/// The same from memory; `name` stands for the file in messages.
StateFile parse_state_file(std::span<const std::byte> bytes, const std::string& name);

}  // namespace rwkv
