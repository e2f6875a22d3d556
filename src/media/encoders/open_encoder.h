// An encoder of pictures or sound out of its files, whatever their format.
#pragma once

#include <memory>
#include <string>

#include "engine/encoder.h"
#include "engine/source.h"

namespace rwkv {

struct EncoderFiles {
  std::string encoder;  // path
  std::string adapter;  // path; empty: the encoder's file has the adapter too
};

struct EncoderDescription {
  EncoderInfo info;
  MemoryNeed memory;  // with the buffers of an encoding, but for the picture or recording itself
};

/// Whether the file says that it is an encoder, sound or not: a header of GGUF or whisper.cpp is looked at.
bool is_encoder(const ModelSource& source);

/// What load_encoder() would load, by the headers of the files. Throws as that does.
EncoderDescription describe_encoder(const EncoderFiles& files, const EncoderOptions& options);

/// Opens SigLIP (GGUF "clip", of 2025 or ours) or Whisper (GGUF "whisper-rwkv" or whisper.cpp's file with an adapter).
/// Every tensor is checked against the header; weights stay in the mapped files. Throws Error(kNotFound, kIo, kBadFile,
/// kUnsupported, kOutOfMemory, kInvalidArgument for options out of range); files of other kinds are refused by what
/// they are, with what to do.
std::unique_ptr<Encoder> load_encoder(const EncoderFiles& files, const EncoderOptions& options);

}  // namespace rwkv
