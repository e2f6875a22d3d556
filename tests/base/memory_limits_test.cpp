// Containers and limits of the process leave less than the machine has.
#include "base/memory_limits.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <new>
#include <system_error>
#include <vector>

#ifdef __linux__
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "base/error_of.h"
#include "base/machine.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

// A machine's files below a scratch folder.
class Groups : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    const auto file = scratch_.path() / path;
    std::filesystem::create_directories(file.parent_path());
    test::write_file(file, text);
  }
  std::optional<std::uint64_t> room() { return room_in_groups(scratch_.path().string()); }

  test::ScratchFolder scratch_;
};

TEST_F(Groups, WithoutAnyThereIsNoBound) {
  EXPECT_FALSE(room());
  write("proc/self/cgroup", "0::/a\n");
  write("proc/self/mountinfo", "25 1 0:2 / /cg rw - cgroup2 cgroup2 rw\nnonsense\n");
  EXPECT_FALSE(room());
  write("cg/a/memory.max", "max\n");
  EXPECT_FALSE(room());
}

TEST_F(Groups, TheNarrowestOfAllAboveCountsAndFilePagesAreFree) {
  write("proc/self/cgroup", "0::/service/app\n");
  write("proc/self/mountinfo", "25 1 0:2 / /cg rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  write("cg/service/app/memory.max", "5000\n");
  write("cg/service/app/memory.current", "3000\n");
  write("cg/service/app/memory.stat", "anon 1500\nfile 1400\ninactive_file 900\nactive_file 300\nshmem 200\n");
  EXPECT_EQ(room(), 5000u - (3000u - 1200u));
  write("cg/service/memory.max", "6000\n");
  write("cg/service/memory.current", "5500\n");
  EXPECT_EQ(room(), 500u);
  write("cg/service/memory.current", "7000\n");
  EXPECT_EQ(room(), 1u) << "nothing is left";
}

TEST_F(Groups, TheFirstVersionToo) {
  write("proc/self/cgroup", "5:cpu:/x\n4:hugetlb,memory:/docker/77\n");
  write("proc/self/mountinfo",
        "24 1 0:1 / /cg/cpu rw - cgroup cgroup rw,cpu\n25 1 0:2 / /cg/memory rw - cgroup cgroup rw,memory\n");
  write("cg/memory/docker/77/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_FALSE(room());
  write("cg/memory/docker/memory.limit_in_bytes", "1000\n");
  write("cg/memory/docker/memory.usage_in_bytes", "900\n");
  write("cg/memory/docker/memory.stat", "inactive_file 1\ntotal_inactive_file 100\ntotal_active_file 50\n");
  EXPECT_EQ(room(), 250u);
}

TEST_F(Groups, InAContainerTheMountMayBeTheGroupItself) {
  write("proc/self/cgroup", "4:memory:/docker/77\n");
  write("proc/self/mountinfo", "25 1 0:2 /docker/77 /cg rw - cgroup cgroup rw,memory\n");
  write("cg/memory.limit_in_bytes", "1000\n");
  write("cg/memory.usage_in_bytes", "400\n");
  EXPECT_EQ(room(), 600u);
  write("proc/self/cgroup", "4:memory:/../other\n");
  EXPECT_EQ(room(), 600u);
}

#ifdef __linux__
TEST(Limits, OfTheProcessAreSeen) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    constexpr std::uint64_t kMore = std::uint64_t{100} << 20;
    const std::uint64_t before = inspect_machine().address_bytes;
    if (sizeof(void*) == 8 && before != 0) _exit(0);  // under a limit already
    const rlimit far{rlim_t{1} << 45, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &far);
    const std::uint64_t used = (std::uint64_t{1} << 45) - free_addresses().value_or(0);
    const rlimit near{used + kMore, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &near);
    const std::uint64_t left = inspect_machine().address_bytes;
    _exit(left > kMore / 2 && left < kMore * 2 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif

TEST(CaughtError, WantOfMemoryAndOfThreadsIsOutOfMemory) {
  const auto code_of = [](const auto& thrown) { return error_of([&] { throw thrown; })->code(); };
  EXPECT_EQ(code_of(std::bad_alloc()), ErrorCode::kOutOfMemory);
  EXPECT_EQ(code_of(std::bad_array_new_length()), ErrorCode::kOutOfMemory);
  EXPECT_EQ(code_of(std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again))),
            ErrorCode::kOutOfMemory);
  EXPECT_EQ(code_of(std::system_error(std::make_error_code(std::errc::permission_denied))), ErrorCode::kInternal);
}

}  // namespace
}  // namespace rwkv
