// Which of several backends loads a source.
#pragma once

#include <memory>
#include <span>

#include "engine/backend.h"

namespace rwkv {

/// The one that suits the source best, the first of equals; null where none suits. Those that can run here go first,
/// then those that have what the options ask for: the device, the settings, a GPU for its layers. Throws what
/// Backend::match() throws.
const Backend* best_backend(std::span<const std::unique_ptr<Backend>> backends, const ModelSource& source,
                            const LoadOptions& options);

/// Whether another backend may take the place of one that was asked for by its name: where that one would run the
/// source, and on the processors. Who names a backend for a GPU gets no processor for it.
bool may_be_replaced(const Backend& named, const ModelSource& source, const LoadOptions& options);

}  // namespace rwkv
