#include "base/list_folder.h"

#include <algorithm>

#include "base/utf8_path.h"

#ifndef _WIN32
#include <dirent.h>

#include <cerrno>
#include <memory>
#endif

namespace rwkv {
namespace {

#ifdef _WIN32

void read_names(const std::filesystem::path& folder, std::error_code& code, std::vector<std::string>& names) {
  const std::filesystem::directory_iterator end;
  for (std::filesystem::directory_iterator at(folder, code); !code && at != end; at.increment(code)) {
    names.push_back(utf8_from_path(at->path().filename()));
  }
}

#else

struct CloseFolder {
  void operator()(DIR* folder) const noexcept { closedir(folder); }
};

void read_names(const std::filesystem::path& folder, std::error_code& code, std::vector<std::string>& names) {
  const std::unique_ptr<DIR, CloseFolder> open(opendir(folder.c_str()));
  if (!open) {
    code.assign(errno, std::generic_category());
    return;
  }
  while (true) {
    errno = 0;
    const dirent* const entry = readdir(open.get());
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  if (errno != 0) code.assign(errno, std::generic_category());
}

#endif

}  // namespace

std::vector<std::string> names_in(const std::filesystem::path& folder, std::error_code& code) {
  code.clear();
  std::vector<std::string> names;
  read_names(folder, code, names);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace rwkv
