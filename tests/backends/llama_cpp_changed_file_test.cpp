// Whatever is done to a model's file while it is loaded, the process goes on.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "base/error.h"
#include "engine/backend.h"
#include "support/scratch.h"
#include "support/tiny_rwkv.h"

namespace rwkv {
namespace {

class ChangedFile : public ::testing::Test {
 protected:
  void SetUp() override {
    const test::TinyShape shape{
        .version = 7, .layers = 2, .width = 128, .head_size = 64, .feed_forward = 512, .vocabulary = 300};
    test::write_file(path_, test::TinyRwkv(shape).gguf(test::kF16).bytes());
    load();
  }
  void load() {
    sequence_.reset();
    model_ = backend_by_name("llama.cpp").load(ModelSource(path_), {});
    sequence_ = model_->create_sequence();
  }
  std::vector<float> logits() {
    const Tokens text{1, 2, 3, 4, 5, 6, 7, 8};
    sequence_->reset();
    EvalItem item{.sequence = sequence_.get(), .tokens = text};
    model_->evaluate(std::span(&item, 1), CancelToken());
    return {item.output.begin(), item.output.end()};
  }
  void expect_bad_file() {
    for (int i = 0; i < 2; ++i) {
      try {
        logits();
        FAIL() << "was evaluated";
      } catch (const Error& error) {
        EXPECT_EQ(to_string(error.code()), "bad_file") << error.what();
        EXPECT_NE(std::string(error.what()).find(path_), std::string::npos);
      }
    }
  }

  test::ScratchFolder scratch_;
  const std::string path_ = (scratch_.path() / "model.gguf").string();
  std::unique_ptr<Model> model_;
  std::unique_ptr<Sequence> sequence_;
};

TEST_F(ChangedFile, CutItIsABadFileUntilItIsLoadedAnew) {
  const std::string content = test::read_file(path_);
  for (const std::size_t size : {std::size_t{0}, content.size() / 2, content.size() - 1}) {
    const auto before = logits();
    std::filesystem::resize_file(path_, size);
    expect_bad_file();
    test::write_file(path_, content);
    expect_bad_file();
    load();
    EXPECT_EQ(logits(), before);
  }
}

TEST_F(ChangedFile, CutInTheMiddleOfAnEvaluationItIsABadFile) {
  const std::string content = test::read_file(path_);
  for (int round = 0; round < 10; ++round) {
    load();
    std::atomic<bool> evaluates{false};
    std::thread other([&] {
      while (!evaluates) std::this_thread::yield();
      std::filesystem::resize_file(path_, 4096);
    });
    EXPECT_THROW(
        while (true) {
          logits();
          evaluates = true;
        },
        Error);
    other.join();
    expect_bad_file();
    test::write_file(path_, content);
  }
}

TEST_F(ChangedFile, WrittenOverInPlaceItIsABadFile) {
  std::fstream(path_, std::ios::in | std::ios::out).seekp(100'000).write("other", 5);
  std::filesystem::last_write_time(path_, std::filesystem::last_write_time(path_) + std::chrono::seconds(1));
  expect_bad_file();
}

TEST_F(ChangedFile, ReplacedByRenamingOrRemovedItStaysWhatItWas) {
  const auto before = logits();
  test::write_file(scratch_.path() / "new", "something else");
  std::filesystem::rename(scratch_.path() / "new", path_);
  EXPECT_EQ(logits(), before);
  std::filesystem::remove(path_);
  EXPECT_EQ(logits(), before);
}

}  // namespace
}  // namespace rwkv
