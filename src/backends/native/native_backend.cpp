#include "backends/native/native_backend.h"

#include <new>
#include <string>
#include <type_traits>

#include "backends/native/native_model.h"
#include "backends/native/select_kernels.h"
#include "engine/file_description.h"

namespace rwkv {
namespace {

class NativeBackend final : public Backend, public DescribesFiles {
 public:
  std::string_view name() const noexcept override { return "native"; }

  std::string description() const override {
    return std::string("our own engine, RWKV-7 GGUF files, ") + native::fastest_kernels().name;
  }

  std::optional<std::string> unavailable_reason() const override { return std::nullopt; }

  std::vector<Device> devices() const override { return {processor_device()}; }

  std::vector<Setting> settings() const override { return {}; }

  int match(const ModelSource& source) const override {
    constexpr int kMadeForIt = 80;
    constexpr int kSlowly = 40;  // those that read the format at all go before it
    if (!source.is_gguf()) return 0;
    try {
      native::check_is_supported(source.gguf(), source.passport());
      return native::has_fast_kernels() ? kMadeForIt : kSlowly;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kOutOfMemory) throw;
      return 0;
    } catch (const std::bad_alloc&) {
      throw Error(ErrorCode::kOutOfMemory, "not enough memory to look at '" + source.path() + "'");
    }
  }

  MemoryNeed estimate(const ModelSource& source, const LoadOptions& options) const override {
    return checked(source, options, [&](const GgufFile& gguf, const RwkvPassport& passport) {
      return native::memory_need(gguf, passport, options);
    });
  }

  FileDescription describe(const ModelSource& source, const LoadOptions& options) const override {
    return checked(source, options, [&](const GgufFile& gguf, const RwkvPassport& passport) {
      return FileDescription{native::model_info(gguf, passport, options), native::vocabulary_in(gguf, passport)};
    });
  }

  std::unique_ptr<Model> load(const ModelSource& source, const LoadOptions& options) const override {
    return checked(source, options, [&](const GgufFile&, const RwkvPassport&) -> std::unique_ptr<Model> {
      return std::make_unique<native::NativeModel>(source, options);
    });
  }

 private:
  template <class Function>
  std::invoke_result_t<Function, const GgufFile&, const RwkvPassport&> checked(const ModelSource& source,
                                                                               const LoadOptions& options,
                                                                               const Function& then) const {
    check_options(*this, options);
    try {
      options.cancel.check();
      const GgufFile& gguf = source.gguf();
      options.cancel.check();
      const RwkvPassport& passport = source.passport();
      options.cancel.check();
      native::check_is_supported(gguf, passport);
      return then(gguf, passport);
    } catch (const std::bad_alloc&) {
      throw Error(ErrorCode::kOutOfMemory, "not enough memory to load '" + source.path() + "'");
    }
  }
};

}  // namespace

std::unique_ptr<Backend> make_native_backend() { return std::make_unique<NativeBackend>(); }

}  // namespace rwkv
