// Runs the tests that are written in C.
#include "c_tests.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <mutex>

#include "c_test.h"
#include "support/scratch.h"

namespace {

struct Scratch {
  rwkv::test::ScratchFolder folder;
  std::mutex mutex;
  std::deque<std::string> paths;  // an element stays where it is
};
std::unique_ptr<Scratch> scratch;

class CApiInC : public ::testing::Test {
 protected:
  void SetUp() override { scratch = std::make_unique<Scratch>(); }
  void TearDown() override {
    scratch.reset();
    rwkvmobile_set_loglevel(RWKV_LOG_LEVEL_INFO);
  }
};

#define RUN(name) \
  TEST_F(CApiInC, name) { ::name(); }
C_TESTS(RUN)

}  // namespace

void c_test_fail(const char* file, int line, const char* what) { ADD_FAILURE_AT(file, line) << what; }

void c_test_differ(const char* file, int line, const char* what, long long got, long long wanted) {
  if (got != wanted) ADD_FAILURE_AT(file, line) << what << " is " << got << ", not " << wanted;
}

void c_test_texts_differ(const char* file, int line, const char* what, const char* got, const char* wanted) {
  if (got == nullptr || std::string(got) != wanted) {
    ADD_FAILURE_AT(file, line) << what << " is '" << (got ? got : "(null)") << "', not '" << wanted << "'";
  }
}

const char* scratch_path(const char* name) {
  const std::lock_guard lock(scratch->mutex);
  const std::string path = (scratch->folder.path() / name).string();
  for (const std::string& known : scratch->paths) {
    if (known == path) return known.c_str();
  }
  return scratch->paths.emplace_back(path).c_str();
}

const char* scratch_file(const char* name, const char* contents) {
  const char* path = scratch_path(name);
  rwkv::test::write_file(path, contents);
  return path;
}
