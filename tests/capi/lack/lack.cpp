// Lets one allocation after the other fail while a model is loaded, answers and is released, each in a child process.
//   lack ENTRY MODEL EVERY LIST [ONE]
// ENTRY is c, batch (the same with several answers at once), native (that with our own engine) or bridge, EVERY the
// distance between the allocations that fail; with ONE that one fails alone. LIST is the document that names the
// engine's functions which end the process there ("- `name`"). A crash anywhere else is a failure, and so is an answer
// that is wrong, a client that waits in vain, and a process that does not answer rightly afterwards.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "crash.h"
#include "failing_malloc.h"
#include "scenarios.h"

namespace {

struct Shared {
  Crash crash;
  long allocations;
};

enum Exit { kAnswered = 0, kError = 1, kWrongAnswer = 10, kWrongAfterwards = 11, kLeft = 12 };

using Scenario = Outcome (*)(const char* model);

// In the child.
int try_once(Scenario scenario, const char* model, long failing, Shared& shared) {
  note_crashes(shared.crash);
  alarm(60);
  fail_allocation(failing);
  const Outcome outcome = scenario(model);
  shared.allocations = allocations();
  fail_allocation(-1);
  if (outcome == Outcome::kWrongAnswer) return kWrongAnswer;
  if (scenario(model) != Outcome::kAnswered) return kWrongAfterwards;
  if (live_objects() != 0) return kLeft;
  return outcome == Outcome::kError ? kError : kAnswered;
}

int in_child(Scenario scenario, const char* model, long failing, Shared& shared) {
  std::memset(&shared, 0, sizeof shared);
  const pid_t child = fork();
  if (child == 0) _exit(try_once(scenario, model, failing, shared));
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

std::set<std::string> listed(const char* document) {
  std::set<std::string> names;
  std::ifstream file(document);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("- `")) names.insert(line.substr(3, line.find('`', 3) - 3));
  }
  return names;
}

// The innermost function of the library but for the one that ends the process.
std::string where(const Crash& crash, const Functions& functions) {
  for (int i = 0; i < crash.depth; ++i) {
    const std::string name = functions.at(crash.frames[i]);
    if (!name.empty() && name != "ggml_abort") return name;
  }
  return "outside of the library";
}

const char* meaning(int result) {
  switch (result) {
    case kWrongAnswer: return "answered wrongly, without an error";
    case kWrongAfterwards: return "did not answer rightly afterwards";
    case kLeft: return "left objects behind";
    case 1000 + SIGALRM: return "waited in vain";
    default: return "crashed";
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  const std::map<std::string, Scenario> entries{
      {"c", through_c_abi}, {"batch", through_c_abi_in_batch}, {"native", with_our_engine}, {"bridge", through_bridge}};
  if (!entries.contains(argv[1])) return 2;
  const Scenario scenario = entries.at(argv[1]);
  const char* model = argv[2];
  const long every = std::atol(argv[3]);
  const std::set<std::string> known = listed(argv[4]);
  const Functions functions;
  auto& shared =
      *static_cast<Shared*>(mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

  if (in_child(scenario, model, 1L << 60, shared) != kAnswered) {
    std::printf("it does not even work with memory\n");
    return 1;
  }
  const long all = shared.allocations;
  const long first = argc > 5 ? std::atol(argv[5]) : every / 2;
  const long last = argc > 5 ? first : all - 1;
  std::map<int, int> ended;
  std::map<std::string, int> in_engine;
  int faults = 0;
  for (long failing = first; failing <= last; failing += every) {
    const int result = in_child(scenario, model, failing, shared);
    if (result == kAnswered || result == kError) {
      ++ended[result];
      continue;
    }
    const std::string place = where(shared.crash, functions);
    if (result > 1000 && known.contains(place)) {
      ++in_engine[place];
      continue;
    }
    ++faults;
    std::printf("allocation %ld: %s (%d)\n", failing, meaning(result), result);
    for (int i = 0; i < shared.crash.depth; ++i) {
      const std::string name = functions.at(shared.crash.frames[i]);
      std::printf("    %s\n", name.empty() ? "?" : name.c_str());
    }
    std::fflush(stdout);
  }
  std::printf("%ld allocations, every %ld failed: %d as ever, %d errors, %d faults\n", all, every, ended[kAnswered],
              ended[kError], faults);
  for (const auto& [place, times] : in_engine) {
    std::printf("  the engine ended the process in %s: %d\n", place.c_str(), times);
  }
  return faults == 0 ? 0 : 1;
}
