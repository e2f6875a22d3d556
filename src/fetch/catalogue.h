// Public RWKV-7 models that `rwkv pull` knows by name.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace rwkv::fetch {

struct CatalogueEntry {
  std::string_view name;
  std::string_view url;
  std::string_view sha256;  // empty: the server's own figure is checked
  std::string_view about;
};

std::span<const CatalogueEntry> catalogue();

/// Null when no entry has the name.
const CatalogueEntry* find_in_catalogue(std::string_view name);

/// The same file at the mirror that the environment variable HF_ENDPOINT names (for example "https://hf-mirror.com"),
/// if the address is one of Hugging Face's; else the address as it is.
std::string at_mirror(std::string_view url);

}  // namespace rwkv::fetch
