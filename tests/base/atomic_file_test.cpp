// A file takes its place whole, where its name leads, and nothing but an ordinary file is ever replaced.
#include "base/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/error.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

namespace fs = std::filesystem;
using test::read_file;
using test::ScratchFolder;

void write(const fs::path& path, const std::string& text) {
  write_file_atomically(path, {std::as_bytes(std::span(text))});
}

void expect_refused(const fs::path& path, const std::string& why) {
  try {
    write(path, "new");
    ADD_FAILURE() << "written: " << path;
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(ErrorCode::kIo)) << error.what();
    EXPECT_NE(std::string(error.what()).find("'" + path.string() + "'"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << error.what();
  }
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

unsigned mode_of(const fs::path& path) {
  struct stat status{};
  EXPECT_EQ(stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

TEST(AtomicFile, WhatIsNoOrdinaryFileIsRefusedAndStays) {
  const ScratchFolder scratch;
  const fs::path pipe = scratch.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0644), 0);
  const fs::path socket_path = scratch.path() / "socket";
  const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(descriptor);
  const fs::path folder = scratch.path() / "folder";
  fs::create_directory(folder);
  fs::create_symlink("pipe", scratch.path() / "link to a pipe");
  const std::size_t before = files_in(scratch.path());

  expect_refused(pipe, "a pipe");
  expect_refused(socket_path, "a socket");
  expect_refused(folder, "a folder");
  expect_refused(scratch.path() / "link to a pipe", "a pipe");
  expect_refused(scratch.path() / "none" / "file", "no folder '" + (scratch.path() / "none").string() + "'");
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_TRUE(fs::is_socket(socket_path));
  EXPECT_TRUE(fs::is_directory(folder));
  EXPECT_EQ(files_in(scratch.path()), before) << "something was left behind";
}

TEST(AtomicFile, WhatBecomesSomethingElseMeanwhileIsNotReplacedEither) {
  const ScratchFolder scratch;
  const fs::path path = scratch.path() / "file";
  AtomicFile file(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0644), 0);
  EXPECT_THROW(file.commit(), Error);
  EXPECT_TRUE(fs::is_fifo(path));
}

TEST(AtomicFile, LinksStayAndWhatTheyLeadToIsWritten) {
  const ScratchFolder scratch;
  fs::create_directory(scratch.path() / "data");
  test::write_file(scratch.path() / "data" / "old", "old");
  fs::create_symlink("data/old", scratch.path() / "relative");
  fs::create_symlink(scratch.path() / "relative", scratch.path() / "absolute");
  write(scratch.path() / "absolute", "new");
  EXPECT_EQ(read_file(scratch.path() / "data" / "old"), "new");
  EXPECT_TRUE(fs::is_symlink(scratch.path() / "relative"));
  EXPECT_TRUE(fs::is_symlink(scratch.path() / "absolute"));

  fs::create_symlink("data/not yet", scratch.path() / "dangling");
  write(scratch.path() / "dangling", "first");
  EXPECT_EQ(read_file(scratch.path() / "data" / "not yet"), "first");
  EXPECT_TRUE(fs::is_symlink(scratch.path() / "dangling"));

  fs::create_symlink("gone/file", scratch.path() / "astray");
  expect_refused(scratch.path() / "astray", "no folder '" + (scratch.path() / "gone").string() + "'");
  EXPECT_TRUE(fs::is_symlink(scratch.path() / "astray"));
}

TEST(AtomicFile, LinksInACircleAreRefused) {
  const ScratchFolder scratch;
  fs::create_symlink("b", scratch.path() / "a");
  fs::create_symlink("a", scratch.path() / "b");
  fs::create_symlink("self", scratch.path() / "self");
  expect_refused(scratch.path() / "a", "");
  expect_refused(scratch.path() / "self", "");
  EXPECT_EQ(files_in(scratch.path()), 3u);
}

TEST(AtomicFile, ModeOfTheFileThatIsReplacedStays) {
  const ScratchFolder scratch;
  const fs::path path = scratch.path() / "file";
  for (const unsigned mode : {0600u, 0640u, 0755u, 0666u, 0444u}) {
    test::write_file(path, "old");
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    {
      AtomicFile file(path);
      // Nor may anybody read the new bytes meanwhile who could not read the old ones.
      EXPECT_EQ(mode_of(file.temporary_path()) & ~mode & 0177, 0u);
      file.commit();
    }
    EXPECT_EQ(mode_of(path), mode);
    fs::remove(path);
  }
  const mode_t mask = umask(022);
  write(path, "new");
  umask(mask);
  EXPECT_EQ(mode_of(path), 0644u);
}

TEST(AtomicFile, WhatAKilledProcessLeftIsInNobodysWay) {
  const ScratchFolder scratch;
  const fs::path path = scratch.path() / "file";
  // The names that this process would take next.
  const std::string first = [&] { return AtomicFile(path).temporary_path(); }();
  const std::string stem = first.substr(0, first.rfind('-') + 1);
  const int number = std::stoi(first.substr(stem.size()));
  for (int i = 1; i < 4; ++i) test::write_file(stem + std::to_string(number + i) + ".tmp", "left");
  write(path, "new");
  EXPECT_EQ(read_file(path), "new");
}

}  // namespace
}  // namespace rwkv
