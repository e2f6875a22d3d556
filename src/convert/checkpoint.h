// A checkpoint file, open.
#pragma once

#include <string>

#include "base/mapped_file.h"
#include "formats/weights.h"

namespace rwkv::convert {

struct Checkpoint {
  MappedFile file;
  WeightFile weights;  // views into the file, by the names of the models' author
};

/// .pth or .safetensors, told apart by how the file begins. Other files are refused by what they are. Throws
/// Error(kNotFound, kIo, kBadFile, kUnsupported).
Checkpoint open_checkpoint(const std::string& path);

}  // namespace rwkv::convert
