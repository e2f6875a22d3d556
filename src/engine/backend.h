// A backend opens model files; the registry lists the backends that this library was built with.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "engine/device.h"
#include "engine/model.h"
#include "engine/source.h"

namespace rwkv {

/// The most sequences that a model is loaded with.
inline constexpr int kMostSequences = 16;

struct LoadOptions {
  int threads = 0;                     // 0: chosen from the machine; a backend may use fewer than are asked for
  int gpu_layers = -1;                 // -1: the backend's default, 0: none, more than the model has: all
  int max_sequences = kMostSequences;  // slots to provide, 1 to kMostSequences
  std::string device;                  // Device::id; empty: the backend's default
  /// The backend's own options, see Backend::settings().
  std::map<std::string, std::string> settings;
  /// Called on the loading thread with the loaded share, 0 to 1, not decreasing and 1 at the end. An exception that it
  /// throws ends the load, and load() throws it on.
  std::function<void(float)> progress;
  CancelToken cancel;
};

/// Memory that a loaded model takes, in bytes.
struct MemoryNeed {
  /// Weights that are used where they lie in the file. They are never locked: the system can take the pages back, but
  /// then it reads them again for every token.
  std::uint64_t mapped = 0;
  /// The rest: states of all sequences, work buffers, the vocabulary, weights that are kept in another form.
  std::uint64_t owned = 0;
  /// Addresses beside those that a load reserves at its worst moment and hardly writes to: stacks of threads, buffers
  /// for the worst case. They take no memory, but some processes have few addresses.
  std::uint64_t reserved = 0;
  /// Memory of the device that is not the host's.
  std::uint64_t on_device = 0;

  /// Memory of the host.
  std::uint64_t total() const noexcept { return mapped + owned; }
};

/// An option that one backend has.
struct Setting {
  std::string key;
  std::string meaning;  // with the values it can have, for people
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
  /// The devices that models can be loaded on, with figures of the moment, the default first. Empty where the backend
  /// is unavailable.
  virtual std::vector<Device> devices() const = 0;
  /// The keys that LoadOptions::settings can have.
  virtual std::vector<Setting> settings() const = 0;

  /// How well the backend suits the source on this machine, by content and not by name: 0 not at all, 50 a format that
  /// it reads, up to 100 a format that is made for it. See choose_backend(). Throws Error(kOutOfMemory) only.
  virtual int match(const ModelSource& source) const = 0;
  /// The memory that load() is going to take, beside the source's own mapping, once all sequences are in use. Reads the
  /// header alone. Throws as load() does.
  virtual MemoryNeed estimate(const ModelSource& source, const LoadOptions& options) const = 0;
  /// Checks the whole source first, then loads it. Throws Error(kNotFound, kIo, kBadFile, kUnsupported, kOutOfMemory,
  /// kCancelled, kInvalidArgument for options out of range).
  virtual std::unique_ptr<Model> load(const ModelSource& source, const LoadOptions& options) const = 0;
};

/// The check that all backends share: throws Error(kInvalidArgument) for a number of sequences out of range, a device
/// that the backend does not have and a setting that it does not know. The message lists the valid ones.
void check_options(const Backend& backend, const LoadOptions& options);

/// All backends of this build, available or not, best first.
const std::vector<std::unique_ptr<Backend>>& backends();

/// The backend with this name. Throws Error(kUnsupported) with the names of all backends.
const Backend& backend_by_name(std::string_view name);

/// The available backend that suits the source best, the first of equals; those go first that have the device, the
/// settings and the kind of device (layers on a GPU) that the options ask for. Where no available backend suits, an
/// unavailable one that does: its load() says what it lacks. Where none suits, throws Error(kBadFile), for a folder
/// Error(kIo), with what the source is.
const Backend& backend_for(const ModelSource& source, const LoadOptions& options = {});

/// Whether the name is one of a backend: "" and "auto" leave the choice to backend_for().
bool names_backend(std::string_view name) noexcept;

/// The backend that a load is to use which asks for `name`. With `allows_stand_in` another takes the place of the
/// named one where it suits the source better and the named one would run it on the processors, too. Throws like
/// backend_by_name() and backend_for().
const Backend& choose_backend(std::string_view name, bool allows_stand_in, const ModelSource& source,
                              const LoadOptions& options);

}  // namespace rwkv
