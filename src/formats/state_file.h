// A saved state: the tokens that led to it, its numbers, and whose they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/token.h"
#include "formats/state_tensors.h"

namespace rwkv {

enum class StateType : std::uint32_t {
  kF32 = 0,  // exact
  kF16 = 1,  // half the size, rounded
};

struct StateFile {
  StateType type = StateType::kF32;
  std::uint64_t fingerprint = 0;  // of the model, see ModelInfo
  std::string backend;            // that evaluated the tokens; at most 24 bytes
  Tokens tokens;
  StateTensors tensors;
};

/// Atomically. Throws Error(kIo), and Error(kInvalidArgument) for values that are not finite or too large for halves.
void write_state_file(const std::string& path, const StateFile& file);

/// Throws Error(kInvalidArgument) where `path` is a file that is known to be something else than a saved state, which a
/// state would replace.
void refuse_to_replace(const std::string& path);

/// Layout in docs/FORMATS.md. Throws Error(kNotFound, kIo) and, for a file that is no state, of another version, cut
/// off or altered, Error(kBadFile).
StateFile read_state_file(const std::string& path);
/// The same from memory; `name` stands for the file in messages.
StateFile parse_state_file(std::span<const std::byte> bytes, const std::string& name);

/// Its tokens alone, for who has many files to look through: the values are not looked at. Throws as above.
struct StateFileHead {
  std::uint64_t fingerprint = 0;
  std::string backend;
  Tokens tokens;
};
StateFileHead read_state_file_head(const std::string& path);

/// Whether it begins as such a file does.
bool looks_like_state_file(std::span<const std::byte> bytes) noexcept;

/// What the existing engine saves: the bytes of a state in the form of the backend that made it, and the tokens.
/// Nothing in it says which model they are of.
struct OldStateFile {
  Tokens tokens;
  std::span<const std::byte> state;  // into the file
};

/// Throws Error(kBadFile) unless all parts fit the file exactly.
OldStateFile parse_old_state_file(std::span<const std::byte> bytes, const std::string& name);

}  // namespace rwkv
