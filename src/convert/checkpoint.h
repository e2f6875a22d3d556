// A checkpoint, open: a file, or a folder with its files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "formats/weights.h"

namespace rwkv::convert {

struct Checkpoint {
  std::vector<MappedFile> files;
  WeightFile weights;      // views into the files, by the names of the models' author
  std::string vocabulary;  // the path of the folder's World vocabulary; empty where it has none

  /// Of all files.
  std::uint64_t bytes() const noexcept;
  /// The one that `part` lies in.
  const MappedFile& file_of(std::span<const std::byte> part) const;
};

/// .pth, .safetensors or web-rwkv's .prefab, told apart by how the file begins. Of a folder (Hugging Face, MLX) the
/// safetensors that its index names, or the only checkpoint in it; an index or one of the parts stands for its folder.
/// Of a checkpoint of ModRWKV, which holds an encoder too, the language model (`llm.`). Other files are refused by what
/// they are. Throws Error(kNotFound, kIo, kBadFile, kUnsupported).
Checkpoint open_checkpoint(const std::string& path);
/// The same, but the names are those that the files have.
Checkpoint open_weights(const std::string& path);

/// What a model made of it is called: the file's name without its ending, or that of the folder.
std::string name_of_source(const std::string& path);

}  // namespace rwkv::convert
