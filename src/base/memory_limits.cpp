#include "base/memory_limits.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string_view>

#ifdef __linux__
#include <sys/resource.h>
#endif

namespace rwkv {
namespace {

// The kernel says "no bound" with a number near 2^63.
constexpr std::uint64_t kNoBound = std::uint64_t{1} << 60;

std::uint64_t less(std::uint64_t bound, std::uint64_t used) { return bound > used ? bound - used : 1; }

// A file with one number; "max", and no file, is none.
std::optional<std::uint64_t> number_in(const std::string& path) {
  std::uint64_t number = 0;
  if (std::ifstream(path) >> number) return number;
  return std::nullopt;
}

// The sum of the two figures of a memory.stat.
std::uint64_t file_pages(const std::string& path, std::string_view inactive, std::string_view active) {
  std::ifstream file(path);
  std::string name;
  std::uint64_t value = 0;
  std::uint64_t sum = 0;
  while (file >> name >> value) {
    if (name == inactive || name == active) sum += value;
  }
  return sum;
}

// What one group leaves. Without a bound: nothing.
std::optional<std::uint64_t> room_of(const std::string& folder, bool second_version) {
  const auto bound = number_in(folder + (second_version ? "/memory.max" : "/memory.limit_in_bytes"));
  if (!bound || *bound >= kNoBound) return std::nullopt;
  const auto used = number_in(folder + (second_version ? "/memory.current" : "/memory.usage_in_bytes")).value_or(0);
  const std::string statistics = folder + "/memory.stat";
  const std::uint64_t droppable = second_version ? file_pages(statistics, "inactive_file", "active_file")
                                                 : file_pages(statistics, "total_inactive_file", "total_active_file");
  return less(*bound, used - std::min(used, droppable));
}

// Where groups of one version are mounted: the mount shows the hierarchy from `shown` on.
struct Mount {
  std::string shown;
  std::string folder;
  bool second_version = false;
};

// "36 35 98:0 /shown /folder options - cgroup2 source more-options"
std::optional<Mount> mount_of(const std::string& line) {
  const std::size_t dash = line.find(" - ");
  if (dash == std::string::npos) return std::nullopt;
  Mount mount;
  std::string word;
  std::istringstream left(line.substr(0, dash));
  left >> word >> word >> word >> mount.shown >> mount.folder;
  std::istringstream right(line.substr(dash + 3));
  std::string type;
  std::string options;
  right >> type >> word >> options;
  mount.second_version = type == "cgroup2";
  const bool has_memory = ("," + options + ",").find(",memory,") != std::string::npos;
  if (!mount.second_version && (type != "cgroup" || !has_memory)) return std::nullopt;
  return mount;
}

// The group of this process: "0::/path" for version 2, "4:cpu,memory:/path" for version 1.
std::optional<std::string> group_of(const std::string& root, bool second_version) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool is_it = second_version ? line.starts_with("0::") : controllers.find(",memory,") != std::string::npos;
    if (is_it) return line.substr(second + 1);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> room_in_groups(const std::string& root) {
  std::optional<std::uint64_t> least;
  std::ifstream mounts(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const auto mount = mount_of(line);
    if (!mount) continue;
    std::string group = group_of(root, mount->second_version).value_or("");
    // Within a container the path may be one outside of it; then the mount is the group itself.
    const std::string shown = mount->shown == "/" ? "" : mount->shown;
    const bool is_below = group.starts_with(shown + "/") && group.find("/..") == std::string::npos;
    group = is_below ? group.substr(shown.size()) : "";
    while (group.ends_with('/')) group.pop_back();
    // The group and all above it that are to be seen.
    while (true) {
      if (const auto room = room_of(root + mount->folder + group, mount->second_version)) {
        least = std::min(least.value_or(*room), *room);
      }
      if (group.empty()) break;
      group.resize(group.rfind('/'));
    }
  }
  return least;
}

#ifdef __linux__
namespace {

// "VmSize:	  12345 kB"
std::uint64_t own_bytes(std::string_view what) {
  std::ifstream status("/proc/self/status");
  std::string name;
  std::uint64_t kilobytes = 0;
  while (status >> name) {
    if (name == what && status >> kilobytes) return kilobytes * 1024;
    status.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

template <class Resource>
std::optional<std::uint64_t> left_of(Resource resource, std::string_view used) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return less(limit.rlim_cur, own_bytes(used));
}

// Between mappings; small ones are of no use to a model.
[[maybe_unused]] std::uint64_t gaps() {
  constexpr std::uint64_t kUseful = std::uint64_t{4} << 20;
  std::ifstream maps("/proc/self/maps");
  std::uint64_t sum = 1;
  std::uint64_t before = 65536;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    char dash = 0;
    if (!(words >> std::hex >> begin >> dash >> end)) continue;
    if (begin > before && begin - before >= kUseful) sum += begin - before;
    before = end;
  }
  return sum;
}

}  // namespace

std::optional<std::uint64_t> free_addresses() {
  auto left = left_of(RLIMIT_AS, "VmSize:");
  if constexpr (sizeof(void*) == 4) left = std::min(left.value_or(kNoBound), gaps());
  return left;
}

std::optional<std::uint64_t> free_data() { return left_of(RLIMIT_DATA, "VmData:"); }

#else

std::optional<std::uint64_t> free_addresses() { return std::nullopt; }
std::optional<std::uint64_t> free_data() { return std::nullopt; }

#endif

}  // namespace rwkv
