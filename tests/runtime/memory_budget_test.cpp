// A model that does not fit is refused before it is loaded, and says why.
#include "runtime/memory_budget.h"

#include <gtest/gtest.h>

#include <chrono>

#include "runtime/language_model.h"
#include "support/refusal.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

using test::expect_words;

constexpr std::uint64_t kMegabyte = std::uint64_t{1} << 20;

Machine machine_with(std::uint64_t megabytes) {
  Machine machine;
  machine.system = "linux";
  machine.available_bytes = megabytes * kMegabyte;
  return machine;
}

MemoryNeed need(std::uint64_t mapped, std::uint64_t owned) { return {mapped * kMegabyte, owned * kMegabyte, 0}; }

std::string refusal(const std::string& file, const MemoryNeed& need, const std::shared_ptr<MemoryBudget>& budget,
                    const Machine& machine) {
  return test::refusal(ErrorCode::kOutOfMemory, [&] { const MemoryGrant grant(file, need, budget, machine); });
}

TEST(MemoryGrant, WhatTheBudgetDoesNotAllowIsRefusedWithAllFigures) {
  const auto budget = std::make_shared<MemoryBudget>();
  budget->set_limit(1000 * kMegabyte);
  const MemoryGrant first("a.gguf", need(600, 150), budget, machine_with(5000));
  EXPECT_EQ(budget->granted(), 750 * kMegabyte);
  expect_words(refusal("b.gguf", need(200, 51), budget, machine_with(5000)),
               {"b.gguf", "needs 251 MB", "weights 200 MB", "buffers 51 MB", "budget 1000 MB", "models 750 MB",
                "available on this machine 4400 MB", "raise the budget"});
  EXPECT_EQ(refusal("b.gguf", need(200, 50), budget, machine_with(5000)), "");
  EXPECT_EQ(budget->granted(), 750 * kMegabyte);
}

TEST(MemoryGrant, WhatTheMachineDoesNotHaveIsRefusedWithoutABudgetToo) {
  expect_words(refusal("a.gguf", need(100, 50), nullptr, machine_with(149)),
               {"needs 150 MB", "budget none", "available on this machine 149 MB"});
  EXPECT_EQ(refusal("a.gguf", need(100, 50), nullptr, machine_with(150)), "");
  EXPECT_EQ(refusal("a.gguf", need(1u << 20, 50), nullptr, Machine()), "") << "nothing is known of this machine";
}

TEST(MemoryGrant, WeightsThatAreInUseAreNotAvailableToOthers) {
  // Linux says that they are: the pages of a file can be dropped.
  const MemoryGrant first("a.gguf", need(400, 0), nullptr, machine_with(1000));
  EXPECT_EQ(refusal("b.gguf", need(600, 0), nullptr, machine_with(1000)), "");
  expect_words(refusal("b.gguf", need(601, 0), nullptr, machine_with(1000)), {"available on this machine 600 MB"});
}

TEST(MemoryGrant, AFileThatSeveralModelsMapCountsOnce) {
  const auto budget = std::make_shared<MemoryBudget>();
  budget->set_limit(1000 * kMegabyte);
  auto first = std::make_unique<MemoryGrant>("a.gguf", need(800, 50), budget, machine_with(2000));
  auto second = std::make_unique<MemoryGrant>("a.gguf", need(800, 50), budget, machine_with(2000));
  EXPECT_EQ(budget->granted(), 900 * kMegabyte);
  first.reset();
  EXPECT_EQ(budget->granted(), 850 * kMegabyte);
  second.reset();
  EXPECT_EQ(budget->granted(), 0u);
}

TEST(MemoryGrant, IsGivenBackOnceHoweverItIsMoved) {
  const auto budget = std::make_shared<MemoryBudget>();
  {
    MemoryGrant a("a.gguf", need(10, 1), budget, Machine());
    MemoryGrant b = std::move(a);
    MemoryGrant c("c.gguf", need(5, 1), budget, Machine());
    c = std::move(b);
    EXPECT_EQ(budget->granted(), 11 * kMegabyte);
    c = {};
    EXPECT_EQ(budget->granted(), 0u);
  }
  EXPECT_EQ(budget->granted(), 0u);
}

class Refused : public ::testing::Test {
 protected:
  ModelRequest script(const std::string& fields) {
    const auto path = scratch_.path() / "model.json";
    test::write_file(path, R"({"rwkv_script": 1, )" + fields + "}");
    ModelRequest request;
    request.model_path = path;
    return request;
  }

  test::ScratchFolder scratch_;
};

TEST_F(Refused, BeforeAByteIsLoaded) {
  // A thousand terabytes; loading would take 10 s.
  ModelRequest request = script(R"("needs_mb": 1000000000, "load_ms": 10000)");
  bool has_begun = false;
  request.options.progress = [&](float) { has_begun = true; };
  const auto start = std::chrono::steady_clock::now();
  try {
    LanguageModel::load(request);
    FAIL() << "was loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    expect_words(error.what(), {"needs 1000000000 MB", "budget none", "available on this machine"});
  }
  EXPECT_FALSE(has_begun);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST_F(Refused, AModelCountsAgainstItsBudgetWhileItLives) {
  ModelRequest request = script(R"("needs_mb": 60)");
  request.budget = std::make_shared<MemoryBudget>();
  request.budget->set_limit(100 * kMegabyte);
  auto model = LanguageModel::load(request);
  EXPECT_EQ(request.budget->granted(), 60 * kMegabyte);
  EXPECT_EQ(model->memory_use().model.owned, 60 * kMegabyte);
  EXPECT_THROW(LanguageModel::load(request), Error);
  EXPECT_TRUE(model->sleep());
  EXPECT_EQ(request.budget->granted(), 0u);
  auto other = LanguageModel::load(request);
  // The first cannot wake up any more.
  const auto result = model->generate(model->completion_prompt("x"), {}, {}, CancelToken());
  ASSERT_EQ(result.reason, EndReason::kError);
  EXPECT_EQ(result.error->code(), ErrorCode::kOutOfMemory);
  other.reset();
  EXPECT_NE(model->generate(model->completion_prompt("x"), {}, {}, CancelToken()).reason, EndReason::kError);
  model.reset();
  EXPECT_EQ(request.budget->granted(), 0u);
}

TEST_F(Refused, ALoadThatFailsGivesItsMemoryBack) {
  ModelRequest request = script(R"("needs_mb": 60, "load_error": "no such luck")");
  request.budget = std::make_shared<MemoryBudget>();
  EXPECT_THROW(LanguageModel::load(request), Error);
  EXPECT_EQ(request.budget->granted(), 0u);
}

TEST(DeviceMemory, WhatTheDeviceHasNotIsRefusedWithTheFigures) {
  Device device{"npu0", "an NPU", DeviceKind::kNpu, 2000 * kMegabyte, 500 * kMegabyte};
  MemoryNeed need;
  need.on_device = 500 * kMegabyte;
  EXPECT_NO_THROW(check_device_memory("a.gguf", need, device));
  need.on_device += 1;
  try {
    check_device_memory("a.gguf", need, device);
    FAIL() << "was let in";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    expect_words(error.what(), {"a.gguf", "501 MB", "npu0", "500 MB free"});
  }
  device.free_bytes = 0;  // unknown
  EXPECT_NO_THROW(check_device_memory("a.gguf", need, device));
}

}  // namespace
}  // namespace rwkv
