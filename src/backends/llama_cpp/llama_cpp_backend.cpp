#include "backends/llama_cpp/llama_cpp_backend.h"

#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "backends/llama_cpp/library.h"
#include "backends/llama_cpp/llama_cpp_model.h"
#include "backends/llama_cpp/processor.h"
#include "backends/llama_cpp/sizes.h"
#include "base/mapped_file.h"
#include "engine/file_description.h"

namespace rwkv {
namespace {

constexpr int kMaxSequences = 16;

class LlamaCppBackend final : public Backend, public DescribesFiles {
 public:
  std::string_view name() const noexcept override { return "llama.cpp"; }

  std::string description() const override {
    return "llama.cpp " RWKV_LLAMA_CPP_VERSION ", RWKV-6 and RWKV-7 GGUF files";
  }

  std::optional<std::string> unavailable_reason() const override {
    if (const auto missing = llama_cpp::missing_instructions()) {
      return "this processor lacks " + *missing +
             ", which this build needs; build with -DRWKV_NATIVE=ON on this machine";
    }
    return std::nullopt;
  }

  bool recognises(const std::string& path) const override {
    try {
      const MappedFile file(path);
      return file.bytes().size() >= 4 && std::memcmp(file.bytes().data(), "GGUF", 4) == 0;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kOutOfMemory) throw;
      return false;
    }
  }

  MemoryNeed estimate(const std::string& path, const LoadOptions& options) const override {
    return checked(path, options, [&](const GgufFile& gguf, const RwkvPassport& passport) {
      const int threads = llama_cpp::usable_threads(
          options.threads > 0 ? options.threads : llama_cpp::default_threads(passport.parameters));
      return llama_cpp::memory_need(gguf, passport, options.max_sequences, threads);
    });
  }

  FileDescription describe(const std::string& path, const LoadOptions& options) const override {
    return checked(path, options, [&](const GgufFile& gguf, const RwkvPassport& passport) {
      ModelInfo info = llama_cpp::model_info(gguf, passport, options);
      info.threads = llama_cpp::usable_threads(info.threads);
      return FileDescription{std::move(info), llama_cpp::vocabulary_in(gguf, passport)};
    });
  }

  std::unique_ptr<Model> load(const std::string& path, const LoadOptions& options) const override {
    return checked(path, options, [&](const GgufFile& gguf, const RwkvPassport& passport) -> std::unique_ptr<Model> {
      llama_cpp::ensure_library();
      return std::make_unique<llama_cpp::LlamaCppModel>(gguf, passport, options);
    });
  }

 private:
  // llama.cpp opens the file again by its path. Who can replace the file in between can make it abort; we guard against
  // bad files, not against an attacker with write access to the folder.
  template <class Function>
  std::invoke_result_t<Function, const GgufFile&, const RwkvPassport&> checked(const std::string& path,
                                                                               const LoadOptions& options,
                                                                               const Function& then) const {
    if (const auto reason = unavailable_reason()) throw Error(ErrorCode::kUnsupported, "llama.cpp: " + *reason);
    if (options.max_sequences < 1 || options.max_sequences > kMaxSequences) {
      throw Error(ErrorCode::kInvalidArgument, "the number of sequences is " + std::to_string(options.max_sequences) +
                                                   ", not 1 to " + std::to_string(kMaxSequences));
    }
    try {
      options.cancel.check();
      const MappedFile file(path);
      const GgufFile gguf = GgufFile::parse(file.bytes(), path);
      options.cancel.check();
      const RwkvPassport passport = check_rwkv_model(gguf);
      options.cancel.check();
      if (const int step = llama_cpp::head_size_step(); passport.head_size % step != 0) {
        throw Error(ErrorCode::kUnsupported, "'" + path + "' has heads of " + std::to_string(passport.head_size) +
                                                 " values; llama.cpp on this processor needs a multiple of " +
                                                 std::to_string(step));
      }
      return then(gguf, passport);
    } catch (const std::bad_alloc&) {
      throw Error(ErrorCode::kOutOfMemory, "not enough memory to load '" + path + "'");
    }
  }
};

}  // namespace

std::unique_ptr<Backend> make_llama_cpp_backend() { return std::make_unique<LlamaCppBackend>(); }

}  // namespace rwkv
