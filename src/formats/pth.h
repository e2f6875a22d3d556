// PyTorch checkpoints (`torch.save`, .pth or .pt): tensors as views, nothing executed.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "formats/weights.h"

namespace rwkv {

/// The tensors of the dict that was saved, or of its entry `state_dict`, `model_state_dict`, `model`, `module` or
/// `weights` (where nothing beside it is a tensor); values that are no tensors are left out.
/// Integer keys become decimal names. Views point into `bytes`, which must outlive them; strides are as they were saved
/// and may be those of a transposed tensor. Throws Error(kBadFile, kUnsupported) with file, offset or tensor, and
/// reason: for archives other than stored ZIP (torch before 1.6 wrote another form), pickles that call anything but
/// what rebuilds tensors, storages of unknown types or wrong sizes, and tensors that reach beyond their storage. The
/// pickle's checksum is checked, those of the storages are stated. Memory
/// used is at most 100 bytes a byte of the pickle and never more than 200 MB.
WeightFile parse_pth(std::span<const std::byte> bytes, const std::string& name);

/// Whether the file begins as such an archive does.
bool looks_like_pth(std::span<const std::byte> bytes) noexcept;

}  // namespace rwkv
