// What the header of a model file says about the model, without its weights.
#pragma once

#include <optional>
#include <string>

#include "engine/backend.h"

namespace rwkv {

struct FileDescription {
  ModelInfo info;  // that of the loaded model, but for the fingerprint
  std::optional<Vocabulary> vocabulary;
};

/// A Backend implements this as well if it can describe a file from its header alone.
class DescribesFiles {
 public:
  virtual ~DescribesFiles() = default;

  /// Checks the source as Backend::load() does and throws as that does; reads no weights.
  virtual FileDescription describe(const ModelSource& source, const LoadOptions& options) const = 0;
};

}  // namespace rwkv
