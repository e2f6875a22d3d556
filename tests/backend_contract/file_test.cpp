// Sources that are not what they should be, and files that are changed while a model is loaded from them.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "backend_contract/subject.h"
#include "base/log.h"
#include "support/printed.h"

namespace rwkv::test {
namespace {

class Files : public Contract {
 protected:
  // Loads or throws our error; what loads must evaluate.
  bool survives(const std::string& path) {
    try {
      const auto model = load_path(path, one_thread(1));
      const auto sequence = model->create_sequence();
      const auto rows = model->info().vocabulary;
      EXPECT_EQ(feed(*model, *sequence, random_tokens(5, rows, 1)).size(), static_cast<std::size_t>(rows));
      sequence->restore(sequence->save());
      return true;
    } catch (const Error&) {
      return false;
    }
  }
};

TEST_P(Files, BadOnesAreTypedAndNotMatched) {
  expect_error(ErrorCode::kNotFound, "nowhere", [&] { load_path((folder_.path() / "nowhere").string(), {}); });
  expect_error(ErrorCode::kIo, "folder", [&] { load_path(folder_.path().string(), {}); });
  const std::string good = GetParam().file();
  for (const std::string& bytes : {std::string(), std::string("not a model"), std::string(1000, '\0')}) {
    const std::string path = write(bytes);
    EXPECT_EQ(backend().match(ModelSource(path)), 0);
    expect_error(ErrorCode::kBadFile, path, [&] { load_path(path, {}); });
    expect_error(ErrorCode::kBadFile, path, [&] { backend().estimate(ModelSource(path), {}); });
  }
  EXPECT_GT(backend().match(ModelSource(write(good))), 0);
  EXPECT_EQ(backend().match(ModelSource(folder_.path().string())), 0);
  for (const Subject& other : subjects()) {
    if (other.traits.reads_weights == traits().reads_weights) continue;
    EXPECT_EQ(backend().match(ModelSource(write(other.file()))), 0) << other;
  }
}

TEST_P(Files, CutAnywhereOneIsRefusedByName) {
  const std::string good = GetParam().file();
  const std::size_t step = traits().reads_weights ? good.size() / 97 : 1;
  for (std::size_t size = good.size() - 1; size > step; size -= step) {
    const std::string path = write(good.substr(0, size));
    expect_error(ErrorCode::kBadFile, "'" + path + "'", [&] { load_path(path, {}); });
    expect_error(ErrorCode::kBadFile, "'" + path + "'", [&] { backend().estimate(ModelSource(path), {}); });
    std::filesystem::remove(path);
  }
}

TEST_P(Files, FlippedBitsAreRefusedOrHarmless) {
  const std::string good = GetParam().file();
  const std::size_t header =
      GetParam().version == 0 ? good.size() : TinyRwkv(GetParam().shape()).gguf(GetParam().type).header().size();
  std::mt19937 random(static_cast<std::uint32_t>(GetParam().version));
  int loaded = 0;
  int refused = 0;
  for (int round = 0; round < 200; ++round) {
    std::string bytes = good;
    for (auto flips = 1 + random() % 3; flips > 0; --flips) {
      // Three of four in the header, the others anywhere.
      const std::size_t at = random() % (round % 4 != 0 ? header : bytes.size());
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
    }
    const std::string path = write(bytes);
    ++(survives(path) ? loaded : refused);
    std::filesystem::remove(path);
  }
  EXPECT_GT(loaded, 0);
  EXPECT_GT(refused, 10);
}

TEST_P(Files, PathMayBeAnyUnicode) {
  const std::string path = (folder_.path() / "\u6A21\u578B \U0001F426").string();
  write_file(path, GetParam().file());
  EXPECT_TRUE(survives(path));
}

TEST_P(Files, NothingIsPrinted) {
  const std::string bad = write("GGUF");
  log::set_level(log::Level::kDebug);
  EXPECT_EQ(printed_by([&] {
              const auto model = load();
              const auto sequence = model->create_sequence();
              feed(*model, *sequence, {1, 2, 3});
              model->set_threads(2);
              feed(*model, *sequence, {1});
              sequence->restore(sequence->save());
              survives(bad);
            }),
            "");
  log::set_level(log::Level::kInfo);
}

FOR_ALL_BACKENDS(Files);

class ChangedFile : public Contract {
 protected:
  void SetUp() override {
    if (!traits().reads_weights) GTEST_SKIP() << "has read its file when it is loaded";
    const TinyShape shape{.version = GetParam().version,
                          .layers = 2,
                          .width = 128,
                          .head_size = 64,
                          .feed_forward = 512,
                          .vocabulary = 300};
    path_ = write(TinyRwkv(shape).gguf(GetParam().type).bytes());
    load_again();
  }
  void load_again() {
    sequence_.reset();
    model_ = load_path(path_, one_thread(1));
    sequence_ = model_->create_sequence();
  }
  Logits logits() {
    sequence_->reset();
    return feed(*model_, *sequence_, {1, 2, 3, 4, 5, 6, 7, 8});
  }
  void expect_bad_file() {
    for (int i = 0; i < 2; ++i) expect_error(ErrorCode::kBadFile, path_, [&] { logits(); });
  }

  std::string path_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Sequence> sequence_;
};

TEST_P(ChangedFile, CutItIsABadFileUntilItIsLoadedAnew) {
  const std::string content = read_file(path_);
  for (const std::size_t size : {std::size_t{0}, content.size() / 2, content.size() - 1}) {
    const auto before = logits();
    std::filesystem::resize_file(path_, size);
    expect_bad_file();
    write_file(path_, content);
    expect_bad_file();
    load_again();
    EXPECT_EQ(logits(), before);
  }
}

TEST_P(ChangedFile, CutInTheMiddleOfAnEvaluationItIsABadFile) {
  const std::string content = read_file(path_);
  for (int round = 0; round < 10; ++round) {
    load_again();
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
    write_file(path_, content);
  }
}

TEST_P(ChangedFile, WrittenOverInPlaceItIsABadFile) {
  std::fstream(path_, std::ios::in | std::ios::out).seekp(100'000).write("other", 5);
  std::filesystem::last_write_time(path_, std::filesystem::last_write_time(path_) + std::chrono::seconds(1));
  expect_bad_file();
}

TEST_P(ChangedFile, ReplacedByRenamingOrRemovedItStaysWhatItWas) {
  const auto before = logits();
  write_file(folder_.path() / "new", "something else");
  std::filesystem::rename(folder_.path() / "new", path_);
  EXPECT_EQ(logits(), before);
  std::filesystem::remove(path_);
  EXPECT_EQ(logits(), before);
}

FOR_ALL_BACKENDS(ChangedFile);

}  // namespace
}  // namespace rwkv::test
