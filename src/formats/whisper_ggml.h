// Whisper encoders with an RWKV adapter, as whisper.cpp's ggml files with two header fields more: read without trusting
// a byte of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/ggml_type.h"

namespace rwkv {

struct WhisperGgmlTensor {
  GgmlType type = GgmlType::kF32;
  std::vector<std::uint64_t> dimensions;  // 1 to 4, the contiguous one first
  std::span<const std::byte> data;        // not aligned
};

struct WhisperGgmlFile {
  // As in the header, each from 1 to a bound that no model comes near.
  std::uint32_t audio_context = 0;
  std::uint32_t width = 0;
  std::uint32_t heads = 0;
  std::uint32_t layers = 0;
  std::uint32_t mel_bands = 0;
  std::uint32_t row_width = 0;             // of the adapter's output
  std::uint32_t adapter_hidden = 0;        // of its two inner layers
  std::uint32_t mel_bins = 0;              // frequencies of a frame
  std::span<const std::byte> mel_filters;  // mel_bands x mel_bins floats, not aligned
  std::map<std::string_view, WhisperGgmlTensor> tensors;
};

/// Whether the bytes begin as such a file does.
bool is_whisper_ggml(std::span<const std::byte> bytes) noexcept;

/// Views point into `bytes`. Reads the header, passes over the vocabulary, and takes the tensors up to the end.
/// Throws Error(kBadFile, kUnsupported) with file, offset and reason; whisper.cpp's own files, which have no adapter,
/// are kUnsupported.
WhisperGgmlFile parse_whisper_ggml(std::span<const std::byte> bytes, const std::string& name);

}  // namespace rwkv
