#include "backends/llama_cpp/llama_cpp_backend.h"

#include <new>
#include <type_traits>
#include <utility>

#include "backends/llama_cpp/library.h"
#include "backends/llama_cpp/llama_cpp_model.h"
#include "backends/llama_cpp/load_options.h"
#include "backends/llama_cpp/sizes.h"
#include "engine/file_description.h"
#include "ggml/processor.h"

namespace rwkv {
namespace {

class LlamaCppBackend final : public Backend, public DescribesFiles {
 public:
  std::string_view name() const noexcept override { return "llama.cpp"; }

  std::string description() const override {
    return "llama.cpp " RWKV_LLAMA_CPP_VERSION ", RWKV-6 and RWKV-7 GGUF files";
  }

  std::optional<std::string> unavailable_reason() const override {
    if (const auto missing = ggml::missing_instructions()) {
      return "this processor lacks " + *missing +
             ", which this build needs; build with -DRWKV_NATIVE=ON on this machine";
    }
    return std::nullopt;
  }

  std::vector<Device> devices() const override {
    return unavailable_reason() ? std::vector<Device>() : llama_cpp::devices();
  }

  std::vector<Setting> settings() const override { return {llama_cpp::weights_setting()}; }

  int match(const ModelSource& source) const override {
    constexpr int kReadsTheFormat = 50;
    return source.is_gguf() ? kReadsTheFormat : 0;
  }

  MemoryNeed estimate(const ModelSource& source, const LoadOptions& options) const override {
    return checked(source, options, [&](const GgufFile& gguf, const RwkvPassport& passport) {
      const int threads =
          ggml::usable_threads(options.threads > 0 ? options.threads : ggml::default_threads(passport.parameters));
      return llama_cpp::memory_need(gguf, passport, options, threads);
    });
  }

  FileDescription describe(const ModelSource& source, const LoadOptions& options) const override {
    return checked(source, options, [&](const GgufFile& gguf, const RwkvPassport& passport) {
      ModelInfo info = llama_cpp::model_info(gguf, passport, options);
      info.threads = ggml::usable_threads(info.threads);
      return FileDescription{std::move(info), llama_cpp::vocabulary_in(gguf, passport)};
    });
  }

  std::unique_ptr<Model> load(const ModelSource& source, const LoadOptions& options) const override {
    return checked(source, options, [&](const GgufFile& gguf, const RwkvPassport& passport) -> std::unique_ptr<Model> {
      llama_cpp::ensure_library();
      return std::make_unique<llama_cpp::LlamaCppModel>(gguf, passport, options);
    });
  }

 private:
  // llama.cpp opens the file again by its path. Who can replace the file in between can make it abort; we guard against
  // bad files, not against an attacker with write access to the folder.
  template <class Function>
  std::invoke_result_t<Function, const GgufFile&, const RwkvPassport&> checked(const ModelSource& source,
                                                                               const LoadOptions& options,
                                                                               const Function& then) const {
    if (const auto reason = unavailable_reason()) throw Error(ErrorCode::kUnsupported, "llama.cpp: " + *reason);
    check_options(*this, options);
    llama_cpp::weights_are_copied(options);  // throws for a value that means nothing
    try {
      options.cancel.check();
      const GgufFile& gguf = source.gguf();
      options.cancel.check();
      const RwkvPassport& passport = source.passport();
      options.cancel.check();
      if (const int step = ggml::head_size_step(); passport.head_size % step != 0) {
        throw Error(ErrorCode::kUnsupported,
                    "'" + source.path() + "' has heads of " + std::to_string(passport.head_size) +
                        " values; llama.cpp on this processor needs a multiple of " + std::to_string(step),
                    source.path());
      }
      return then(gguf, passport);
    } catch (const std::bad_alloc&) {
      throw Error(ErrorCode::kOutOfMemory, "not enough memory to load '" + source.path() + "'");
    }
  }
};

}  // namespace

std::unique_ptr<Backend> make_llama_cpp_backend() { return std::make_unique<LlamaCppBackend>(); }

}  // namespace rwkv
