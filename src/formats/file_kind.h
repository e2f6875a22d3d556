// What a file is, by its content: for the message when it is not what a reader wants.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace rwkv {

enum class WantedFile { kModel, kCheckpoint, kVocabulary };

/// What the file turns out to be, with what to do, for example "is a Git LFS pointer, ..."; empty
/// where it may be what is wanted or nobody knows what it is. Looks at the first few KB.
std::string mistaken_file(WantedFile wanted, std::span<const std::byte> bytes);

/// "is part 1 of 2 of a model; ..." for names like 'model-00001-of-00002.safetensors'; else empty.
std::string mistaken_part(const std::string& path);

}  // namespace rwkv
