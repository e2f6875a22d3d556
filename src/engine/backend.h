// A backend opens model files; the registry lists the backends that this library was built with.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "engine/model.h"

namespace rwkv {

struct LoadOptions {
  int threads = 0;         // 0: chosen from the machine; a backend may use fewer than are asked for
  int gpu_layers = -1;     // -1: the backend's default, 0: none, more than the model has: all
  int max_sequences = 16;  // slots to provide, 1 to 16
  /// Called with 0..1, not decreasing and 1 at the end, from the loading thread. What it throws ends the load and comes
  /// out of load().
  std::function<void(float)> progress;
  CancelToken cancel;
};

/// Memory that a loaded model takes, in bytes.
struct MemoryNeed {
  /// Weights that are used where they lie in the file, never locked: the system can take the pages back, but then reads
  /// them again for every token.
  std::uint64_t mapped = 0;
  /// The rest: states of all sequences, work buffers, the vocabulary, weights that are kept in another form.
  std::uint64_t owned = 0;
  /// Addresses that are taken beside those and hardly written to, at the worst moment of a load: stacks of threads,
  /// buffers for the worst case. No memory, but some processes have few addresses.
  std::uint64_t reserved = 0;

  std::uint64_t total() const noexcept { return mapped + owned; }
};

class Backend {
 public:
  virtual ~Backend() = default;

  /// The name clients use, for example "llama.cpp".
  virtual std::string_view name() const noexcept = 0;
  /// Version and what it was built with, for people.
  virtual std::string description() const = 0;
  /// Why it cannot run on this machine, or nothing when it can.
  virtual std::optional<std::string> unavailable_reason() const = 0;
  /// Whether the file looks like one of this backend's, by content and not by name. Throws Error(kOutOfMemory) only.
  virtual bool recognises(const std::string& path) const = 0;
  /// What load() is going to take once all sequences are in use, from the file's header alone. Throws as that does.
  virtual MemoryNeed estimate(const std::string& path, const LoadOptions& options) const = 0;
  /// Checks the whole file first, then loads it. Throws Error(kNotFound, kIo, kBadFile, kUnsupported, kOutOfMemory,
  /// kCancelled, kInvalidArgument for options out of range).
  virtual std::unique_ptr<Model> load(const std::string& path, const LoadOptions& options) const = 0;
};

/// All backends of this build, available or not, best first.
const std::vector<std::unique_ptr<Backend>>& backends();

/// The backend with this name. Throws Error(kUnsupported) naming the ones there are.
const Backend& backend_by_name(std::string_view name);

/// The first available backend that recognises the file, or else an unavailable one, whose load() says what it lacks.
/// Throws Error(kNotFound, kIo) when the file does not exist or cannot be read and Error(kBadFile) when none recognises
/// it.
const Backend& backend_for_file(const std::string& path);

}  // namespace rwkv
