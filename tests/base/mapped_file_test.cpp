// Files as memory: what can be mapped is, everything else is a typed error that names the path.
#include "base/mapped_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include <string>
#include <utility>

#include "base/error.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

void expect_refused(const std::string& path, ErrorCode code, const std::string& advice = "") {
  try {
    const MappedFile file(path);
    FAIL() << "mapped";
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    if (code == ErrorCode::kInvalidArgument) return;  // a path with NUL cannot be shown
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos);
    EXPECT_TRUE(std::string(error.what()).ends_with(advice)) << error.what();
  }
}

// The host's own handler, there before the first file is mapped.
[[maybe_unused]] const auto handler_before_ours = std::signal(SIGBUS, [](int) { _exit(77); });

TEST(MappedFile, CutWhileItIsMappedItHasZerosAndSaysSo) {
  const test::ScratchFolder folder;
  const std::string path = (folder.path() / "file").string();
  test::write_file(path, std::string(300'000, 'x'));
  const MappedFile file(path);
  const MappedFile whole(path);
  EXPECT_EQ(static_cast<char>(file.bytes()[299'999]), 'x');
  EXPECT_NO_THROW(file.check_whole());
  std::filesystem::resize_file(path, 70'000);
  EXPECT_EQ(static_cast<char>(file.bytes()[1000]), 'x');
  EXPECT_NO_THROW(file.check_whole());
  EXPECT_EQ(static_cast<char>(file.bytes()[200'000]), 0);
  EXPECT_EQ(static_cast<char>(file.bytes()[299'999]), 0);
  EXPECT_THROW(file.check_whole(), Error);
  EXPECT_NO_THROW(whole.check_whole()) << "nothing was read of it";
}

TEST(MappedFile, ABusErrorThatIsNotItsOwnGoesToTheHandlerOfTheHost) {
  const test::ScratchFolder folder;
  const std::string path = (folder.path() / "file").string();
  test::write_file(path, std::string(100'000, 'x'));
  const MappedFile ours(path);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const int file = open(path.c_str(), O_RDONLY);
    const auto* theirs = static_cast<const volatile char*>(mmap(nullptr, 100'000, PROT_READ, MAP_SHARED, file, 0));
    std::filesystem::resize_file(path, 0);
    _exit(theirs[50'000] + 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 77) << status;
}

TEST(MappedFile, ShowsTheBytesOfTheFile) {
  const test::ScratchFolder folder;
  const std::string path = (folder.path() / "file").string();
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += static_cast<char>(i * 7);
  test::write_file(path, bytes);
  const MappedFile file(path);
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(text_of(file), bytes);
}

TEST(MappedFile, EmptyFileHasNoBytes) {
  const test::ScratchFolder folder;
  const std::string path = (folder.path() / "empty").string();
  test::write_file(path, "");
  EXPECT_TRUE(MappedFile(path).bytes().empty());
}

TEST(MappedFile, PathIsUtf8) {
  const test::ScratchFolder folder;
  const std::string path = (folder.path() / "\u6A21\u578B \U0001F426 \u00E9").string();
  test::write_file(path, "text");
  EXPECT_EQ(text_of(MappedFile(path)), "text");
}

TEST(MappedFile, WhatIsNoFileIsRefusedAtOnce) {
  const test::ScratchFolder folder;
  const std::string file = (folder.path() / "file").string();
  test::write_file(file, "text");
  expect_refused("", ErrorCode::kNotFound);
  expect_refused((folder.path() / "nowhere").string(), ErrorCode::kNotFound, "; check the path");
  expect_refused(file + "/below", ErrorCode::kNotFound, "; check the path");
  expect_refused(folder.path().string(), ErrorCode::kIo);
  expect_refused("/dev/null", ErrorCode::kIo);
  expect_refused(std::string(5000, 'x'), ErrorCode::kIo);
  expect_refused(file + std::string("\0.gguf", 6), ErrorCode::kInvalidArgument);
  const std::string pipe = (folder.path() / "pipe").string();
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  expect_refused(pipe, ErrorCode::kIo);  // and does not wait for a writer
}

TEST(MappedFile, MovesWithoutCopyAndReleasesOnce) {
  const test::ScratchFolder folder;
  const std::string a = (folder.path() / "a").string();
  const std::string b = (folder.path() / "b").string();
  test::write_file(a, "first");
  test::write_file(b, "second");
  MappedFile first(a);
  const auto* data = first.bytes().data();
  MappedFile moved(std::move(first));
  EXPECT_EQ(moved.bytes().data(), data);
  EXPECT_TRUE(first.bytes().empty());  // NOLINT(bugprone-use-after-move)
  moved = MappedFile(b);
  EXPECT_EQ(text_of(moved), "second");
  EXPECT_EQ(moved.path(), b);
  MappedFile& same = moved;
  moved = std::move(same);
  EXPECT_EQ(text_of(moved), "second");
}

TEST(MappedFile, StaysReadableWhenItsNameIsTakenAway) {
  const test::ScratchFolder folder;
  const std::string path = (folder.path() / "file").string();
  test::write_file(path, "text");
  const MappedFile file(path);
  std::filesystem::remove(path);
  EXPECT_EQ(text_of(file), "text");
}

TEST(MappedFile, ForgottenPagesAreReadAgain) {
  const test::ScratchFolder folder;
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i) + " ";
  test::write_file(folder.path() / "file", text);
  const MappedFile file((folder.path() / "file").string());
  const auto bytes = file.bytes();
  const auto same = [&] { return std::equal(bytes.begin(), bytes.end(), std::as_bytes(std::span(text)).begin()); };
  EXPECT_TRUE(same());
  for (const std::size_t begin : {std::size_t{0}, std::size_t{1}, std::size_t{65'537}, bytes.size()}) {
    file.forget(bytes.subspan(begin));
    EXPECT_TRUE(same()) << begin;
  }
  file.forget({});
}

}  // namespace
}  // namespace rwkv
