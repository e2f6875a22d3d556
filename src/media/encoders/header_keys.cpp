#include "media/encoders/header_keys.h"

#include <cmath>
#include <cstring>

#include "base/error.h"

namespace rwkv::media {

void HeaderKeys::fail(std::string_view key, const std::string& reason) const {
  throw Error(ErrorCode::kBadFile, "'" + file_.name() + "': the key '" + std::string(key) + "' " + reason,
              file_.name());
}

std::int64_t HeaderKeys::whole(std::string_view key, std::int64_t least, std::int64_t most) const {
  const GgufValue* value = file_.find(key);
  if (value == nullptr) fail(key, "is missing; the file is no whole encoder, convert or download it again");
  std::int64_t number = -1;
  if (const auto* plain = std::get_if<std::uint64_t>(&value->value)) {
    if (*plain <= static_cast<std::uint64_t>(most)) number = static_cast<std::int64_t>(*plain);
  } else if (const auto* with_sign = std::get_if<std::int64_t>(&value->value)) {
    number = *with_sign;
  } else {
    fail(key, "is no whole number");
  }
  if (number < least || number > most) {
    fail(key, "is not a number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

std::int64_t HeaderKeys::whole_or(std::string_view key, std::int64_t otherwise, std::int64_t least,
                                  std::int64_t most) const {
  return has(key) ? whole(key, least, most) : otherwise;
}

float HeaderKeys::real_or(std::string_view key, float otherwise) const {
  const GgufValue* value = file_.find(key);
  if (value == nullptr) return otherwise;
  const auto* number = std::get_if<double>(&value->value);
  const auto real = number == nullptr ? 0.0f : static_cast<float>(*number);
  if (!(std::isfinite(real) && real > 0)) fail(key, "is not a number above 0");
  return real;
}

bool HeaderKeys::flag(std::string_view key) const {
  const GgufValue* value = file_.find(key);
  if (value == nullptr) return false;
  const auto* flag = std::get_if<bool>(&value->value);
  if (flag == nullptr) fail(key, "is neither true nor false");
  return *flag;
}

std::string_view HeaderKeys::text(std::string_view key) const {
  const GgufValue* value = file_.find(key);
  if (value == nullptr) return {};
  const auto* text = std::get_if<std::string_view>(&value->value);
  if (text == nullptr) fail(key, "is no text");
  return *text;
}

std::array<float, 3> HeaderKeys::colours_or(std::string_view key, float otherwise) const {
  std::array<float, 3> colours{otherwise, otherwise, otherwise};
  const GgufValue* value = file_.find(key);
  if (value == nullptr) return colours;
  const auto* list = std::get_if<GgufArray>(&value->value);
  if (list == nullptr || list->type != GgufValueType::kFloat32 || list->count != colours.size()) {
    fail(key, "is no list of three numbers");
  }
  std::memcpy(colours.data(), list->bytes.data(), sizeof colours);
  for (const float colour : colours) {
    if (!std::isfinite(colour)) fail(key, "has a value that is not finite");
  }
  return colours;
}

}  // namespace rwkv::media
