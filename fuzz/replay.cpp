// Runs a target over files and folders of inputs, for compilers without libFuzzer and for tests.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "target.h"

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  int inputs = 0;
  const auto run = [&](const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    // Of exactly the file's size, so that sanitizers see a read beyond it.
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
    std::fprintf(stderr, "%s\n", path.c_str());
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    ++inputs;
  };
  for (int i = 1; i < argc; ++i) {
    if (!fs::is_directory(argv[i])) {
      run(argv[i]);
      continue;
    }
    for (const auto& entry : fs::directory_iterator(argv[i])) run(entry.path());
  }
  std::printf("%d inputs, no finding\n", inputs);
  return inputs > 0 ? 0 : 1;
}
