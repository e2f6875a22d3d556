// Checkpoints to the files that engines run, without Python.
#pragma once

#include <cstdint>
#include <string>

#include "convert/encoder_plan.h"
#include "convert/rwkv_plan.h"
#include "convert/tensor_writer.h"

namespace rwkv::convert {

struct Report {
  std::string architecture;  // "rwkv7" or "rwkv6"; empty where nobody looked
  std::uint64_t tensors = 0;
  std::uint64_t parameters = 0;
  std::uint64_t source_bytes = 0;
  std::uint64_t output_bytes = 0;
};

struct GgufRequest {
  std::string source;      // see open_checkpoint
  std::string output;      // replaced when the whole new file is on the disk
  std::string vocabulary;  // World vocabulary file; empty: the one in the source's folder
  std::string name;        // `general.name`; empty: the source's file name without its ending
  WeightFormat format = WeightFormat::kF16;
  WriteOptions options;
};

/// Writes RWKV-6 or RWKV-7 as GGUF, with the metadata, names and shapes of llama.cpp's converter. The passport has
/// checked the file before it appears. Memory: a few MB, whatever the model's size, besides the vocabulary. Throws
/// Error of open_checkpoint, Vocabulary::from_file, plan_rwkv and write_tensors.
Report convert_to_gguf(const GgufRequest& request);

struct EncoderRequest {
  EncoderKind kind = EncoderKind::kVision;
  std::string source;   // see open_weights
  std::string adapter;  // the checkpoint with the adapter; empty: the source has it
  std::string output;   // replaced when the whole new file is on the disk
  std::string name;     // as in GgufRequest
  WeightFormat format = WeightFormat::kF16;
  EncoderWishes wishes;  // heads: also taken from a config.json beside the source
  WriteOptions options;
};

/// Writes an encoder of pictures or sound, with its adapter, as GGUF (docs/FORMATS.md). One of pictures may lack its
/// adapter. Throws Error of open_weights, plan_vision, plan_audio and write_tensors.
Report convert_encoder(const EncoderRequest& request);

/// Writes the tensors of a PyTorch checkpoint as halves in safetensors, in the form that the web-rwkv family reads:
/// names of safetensors_name(), matrices of the time mix with their last two dimensions exchanged. Throws as above;
/// tensors without elements and of other types than F32, F16, BF16 and F64 are kUnsupported.
Report convert_to_safetensors(const std::string& source, const std::string& output, const WriteOptions& options);

}  // namespace rwkv::convert
