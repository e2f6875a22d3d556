// The batch chat's `force_lang`, which some clients pass as a number and others as an address.
#pragma once

#include <cstddef>
#include <vector>

#include "runtime/first_tokens.h"
#include "rwkv_mobile.h"

namespace rwkv::capi {

/// FORCE_LANG_CHN and FORCE_LANG_EN; anything else is none.
ForcedLanguage language_of(int force_lang) noexcept;

/// One language a slot. A value that is no small number and can be read as an array of `slots` numbers is one.
std::vector<ForcedLanguage> languages_of(rwkvmobile_force_lang value, std::size_t slots);

}  // namespace rwkv::capi
