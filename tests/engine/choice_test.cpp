// Which backend loads a file where several could.
#include "engine/choice.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "support/scratch.h"
#include "support/tiny_rwkv.h"

namespace rwkv::test {
namespace {

// Says how well it suits and what it has.
class Candidate final : public Backend {
 public:
  Candidate(std::string name, int match, std::vector<Device> devices)
      : name_(std::move(name)), match_(match), devices_(std::move(devices)) {}

  std::string_view name() const noexcept override { return name_; }
  std::string description() const override { return name_; }
  std::optional<std::string> unavailable_reason() const override {
    return devices_.empty() ? std::optional<std::string>("it has no device") : std::nullopt;
  }
  std::vector<Device> devices() const override { return devices_; }
  std::vector<Setting> settings() const override { return {{name_ + ".speed", "any"}}; }
  int match(const ModelSource&) const override { return match_; }
  MemoryNeed estimate(const ModelSource&, const LoadOptions&) const override { return {}; }
  std::unique_ptr<Model> load(const ModelSource&, const LoadOptions&) const override { return nullptr; }

 private:
  std::string name_;
  int match_;
  std::vector<Device> devices_;
};

class Choice : public ::testing::Test {
 protected:
  void add(const std::string& name, int match, std::vector<Device> devices) {
    all_.push_back(std::make_unique<Candidate>(name, match, std::move(devices)));
  }
  std::string chosen(const LoadOptions& options = {}) const {
    const Backend* best = best_backend(all_, source_, options);
    return best == nullptr ? "" : std::string(best->name());
  }

  const Device cpu_ = processor_device();
  const Device gpu_{"vulkan0", "a GPU", DeviceKind::kGpu, 0, 0};
  const ScratchFolder folder_;
  std::vector<std::unique_ptr<Backend>> all_;
  const ModelSource source_{folder_.path().string()};
};

TEST_F(Choice, TheHighestScoreWinsAndTheFirstOfEquals) {
  EXPECT_EQ(chosen(), "");
  add("none", 0, {cpu_});
  EXPECT_EQ(chosen(), "");
  add("one", 50, {cpu_});
  add("two", 50, {cpu_});
  EXPECT_EQ(chosen(), "one");
  add("three", 51, {cpu_});
  EXPECT_EQ(chosen(), "three");
}

TEST_F(Choice, OneThatCannotRunHereIsTheLastResort) {
  add("unavailable", 100, {});
  EXPECT_EQ(chosen(), "unavailable");
  add("available", 1, {cpu_});
  EXPECT_EQ(chosen(), "available");
}

TEST_F(Choice, WhatIsAskedForGoesBeforeTheScore) {
  add("fast", 80, {cpu_});
  add("wide", 50, {gpu_, cpu_});
  EXPECT_EQ(chosen(), "fast");
  LoadOptions options;
  options.device = "cpu";
  EXPECT_EQ(chosen(options), "fast");
  options.device = "vulkan0";
  EXPECT_EQ(chosen(options), "wide");
  options.device = "abacus";
  EXPECT_EQ(chosen(options), "fast") << "its error lists what it has";
  options = {};
  options.settings = {{"wide.speed", "1"}};
  EXPECT_EQ(chosen(options), "wide");
  options.settings = {{"fast.speed", "1"}};
  EXPECT_EQ(chosen(options), "fast");
}

TEST_F(Choice, LayersOnAGpuNeedOne) {
  LoadOptions options;
  add("fast", 80, {cpu_});
  add("plain", 50, {cpu_});
  options.gpu_layers = 12;
  EXPECT_EQ(chosen(options), "fast") << "no backend has a GPU";
  add("wide", 50, {gpu_, cpu_});
  EXPECT_EQ(chosen(options), "wide");
  options.gpu_layers = 0;
  EXPECT_EQ(chosen(options), "fast");
}

TEST_F(Choice, ANamedBackendIsReplacedOnlyWhereItWouldRunTheFileOnTheProcessors) {
  const auto may_be_replaced_by_another = [&](int match, std::vector<Device> devices, const LoadOptions& options = {}) {
    return may_be_replaced(Candidate("named", match, std::move(devices)), source_, options);
  };
  EXPECT_TRUE(may_be_replaced_by_another(50, {cpu_}));
  EXPECT_FALSE(may_be_replaced_by_another(0, {cpu_})) << "it does not read the file";
  EXPECT_FALSE(may_be_replaced_by_another(50, {gpu_, cpu_}));
  LoadOptions options;
  options.gpu_layers = 0;
  EXPECT_TRUE(may_be_replaced_by_another(50, {gpu_, cpu_}, options));
  options = {};
  options.device = "cpu";
  EXPECT_TRUE(may_be_replaced_by_another(50, {gpu_, cpu_}, options));
  options.device = "vulkan0";
  EXPECT_FALSE(may_be_replaced_by_another(50, {gpu_, cpu_}, options));
  options.device = "abacus";
  EXPECT_FALSE(may_be_replaced_by_another(50, {gpu_, cpu_}, options)) << "its own error names its devices";
}

// With the backends of this build.
class BuiltInChoice : public ::testing::Test {
 protected:
  std::string write(const TinyShape& shape) {
    const std::string path = (folder_.path() / ("rwkv" + std::to_string(shape.version) + ".gguf")).string();
    write_file(path, TinyRwkv(shape).gguf().bytes());
    return path;
  }
  static std::string chosen(const std::string& name, bool allows_stand_in, const std::string& path,
                            const LoadOptions& options = {}) {
    return std::string(choose_backend(name, allows_stand_in, ModelSource(path), options).name());
  }
  // Where our own engine has no kernels for the processor, llama.cpp is faster.
  static std::string best_for_rwkv7() {
#if defined(__x86_64__) && !defined(_WIN32)
    return "native";
#else
    return std::string(backend_by_name("native").description()).ends_with("portable") ? "llama.cpp" : "native";
#endif
  }

  const ScratchFolder folder_;
};

TEST_F(BuiltInChoice, OurOwnEngineRunsRwkv7AndLlamaCppWhatIsLeft) {
  const std::string seven = write({7, 1, 64, 64, 64, 8, 16});
  const std::string six = write({6, 1, 64, 64, 64, 8, 16});
  for (const std::string name : {"", "auto"}) {
    EXPECT_EQ(chosen(name, false, seven), best_for_rwkv7());
    EXPECT_EQ(chosen(name, false, six), "llama.cpp");
    LoadOptions options;
    options.settings = {{"weights", "copied"}};
    EXPECT_EQ(chosen(name, false, seven, options), "llama.cpp");
  }
}

TEST_F(BuiltInChoice, ANamedBackendIsUsedUnlessAnotherMayStandIn) {
  const std::string seven = write({7, 1, 64, 64, 64, 8, 16});
  const std::string six = write({6, 1, 64, 64, 64, 8, 16});
  EXPECT_EQ(chosen("llama.cpp", false, seven), "llama.cpp");
  EXPECT_EQ(chosen("native", false, seven), "native");
  EXPECT_EQ(chosen("llama.cpp", true, seven), best_for_rwkv7());
  EXPECT_EQ(chosen("llama.cpp", true, six), "llama.cpp");
  EXPECT_EQ(chosen("native", true, six), "native") << "its error says who runs the file";
  EXPECT_EQ(chosen("scripted", true, seven), "scripted") << "its error says that the file is no script";
}

}  // namespace
}  // namespace rwkv::test
