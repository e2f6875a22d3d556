#include "capi/force_lang.h"

#include <cstdint>

#include "base/readable.h"

namespace rwkv::capi {
namespace {

// No process has anything at addresses below; numbers that mean a language are far smaller.
constexpr std::uint32_t kLowestAddress = 4096;

// Addresses that a program can have on today's 64-bit systems.
constexpr std::uint64_t kAddressEnd = std::uint64_t{1} << 48;

// The upper byte may be a tag of the allocator's (Android on ARM), which the processor does not look at.
std::uintptr_t without_tag(std::uintptr_t address) {
#if defined(__aarch64__)
  return address & 0x00FF'FFFF'FFFF'FFFF;
#else
  return address;
#endif
}

[[maybe_unused]] bool is_array(std::uintptr_t value, std::size_t slots) {
  const std::uintptr_t begin = without_tag(value);
  if (begin % alignof(std::int32_t) != 0 || std::uint64_t{begin} >= kAddressEnd) return false;
  return is_readable(begin) && is_readable(begin + (slots - 1) * sizeof(std::int32_t));
}

}  // namespace

ForcedLanguage language_of(int force_lang) noexcept {
  static_assert(FORCE_LANG_CHN == static_cast<int>(ForcedLanguage::kChinese));
  static_assert(FORCE_LANG_EN == static_cast<int>(ForcedLanguage::kEnglish));
  return forced_language(force_lang).value_or(ForcedLanguage::kNone);
}

std::vector<ForcedLanguage> languages_of(rwkvmobile_force_lang value, std::size_t slots) {
#if !defined(__APPLE__) || !defined(__aarch64__)
  // A client that passes an `int` fills the lower half of the place only.
  const auto low = static_cast<std::uint32_t>(value);
  const auto address = static_cast<std::uintptr_t>(value);
  if (low >= kLowestAddress && is_array(address, slots)) {
    const auto* each = reinterpret_cast<const std::int32_t*>(address);
    std::vector<ForcedLanguage> languages;
    for (std::size_t i = 0; i < slots; ++i) languages.push_back(language_of(each[i]));
    return languages;
  }
#endif
  return std::vector<ForcedLanguage>(slots, language_of(static_cast<int>(value)));
}

}  // namespace rwkv::capi
