#include "fetch/catalogue.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "fetch/address.h"

namespace rwkv::fetch {
namespace {

constexpr std::string_view kHuggingFace = "https://huggingface.co/";

// A digest stands here only where it is known from elsewhere than the server it guards against.
constexpr CatalogueEntry kEntries[] = {
    {"rwkv7-g1-0.1b-f16", "https://huggingface.co/zhiyuan8/RWKV-v7-0.1B-G1-GGUF/resolve/main/rwkv7-0.1B-g1-F16.gguf",
     "fea5c54f3fd2370ac90ae58f2ecd6cbe57c31df023598aed4c95b0966170f9c8", "the smallest, 0.4 GB, to try things out"},
    {"rwkv7-g1-0.4b-q4_k_m", "https://huggingface.co/Mungert/rwkv7-0.4B-g1-GGUF/resolve/main/rwkv7-0.4b-g1-q4_k_m.gguf",
     "", "small devices, 0.3 GB"},
    {"rwkv7-g1g-1.5b-q4_k_m",
     "https://huggingface.co/shoumenchougou/RWKV7-G1g-1.5B-GGUF/resolve/main/rwkv7-g1g-1.5b-Q4_K_M.gguf", "",
     "phones, 1 GB"},
    {"rwkv7-g1-2.9b-q8_0", "https://huggingface.co/zhiyuan8/RWKV-v7-2.9B-G1-GGUF/resolve/main/rwkv7-2.9B-g1-Q8_0.gguf",
     "", "desktops, 3 GB"},
    {"rwkv7-g1j-7.2b-q4_k_m",
     "https://huggingface.co/shoumenchougou/RWKV7-G1j-7.2B-GGUF/resolve/main/rwkv7-g1j-7.2b-Q4_K_M.gguf", "",
     "large desktops, 4 GB"},
};

}  // namespace

std::span<const CatalogueEntry> catalogue() { return kEntries; }

const CatalogueEntry* find_in_catalogue(std::string_view name) {
  const auto found = std::find_if(std::begin(kEntries), std::end(kEntries),
                                  [name](const CatalogueEntry& entry) { return entry.name == name; });
  return found == std::end(kEntries) ? nullptr : found;
}

std::string at_mirror(std::string_view url) {
  const char* mirror = std::getenv("HF_ENDPOINT");
  if (!mirror || !*mirror || !url.starts_with(kHuggingFace)) return std::string(url);
  std::string address = whole_address(mirror);
  if (address.empty()) throw Error(ErrorCode::kInvalidArgument, std::string("HF_ENDPOINT is no address: ") + mirror);
  if (address.back() != '/') address += '/';
  return address.append(url.substr(kHuggingFace.size()));
}

}  // namespace rwkv::fetch
