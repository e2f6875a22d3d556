// What a model file says of itself, for those who need no weights.
#pragma once

#include <optional>
#include <string>

#include "engine/backend.h"

namespace rwkv {

struct FileDescription {
  ModelInfo info;  // as the loaded model's, without its fingerprint
  std::optional<Vocabulary> vocabulary;
};

/// What a Backend is as well if it can describe a file from its header alone.
class DescribesFiles {
 public:
  virtual ~DescribesFiles() = default;

  /// The source is checked as Backend::load() checks it, and refused as that does; no weights are read.
  virtual FileDescription describe(const ModelSource& source, const LoadOptions& options) const = 0;
};

}  // namespace rwkv
