#include "base/soc.h"

#include <fstream>
#include <string>
#if defined(__ANDROID__)
#include <sys/system_properties.h>
#endif

namespace rwkv {
namespace {

constexpr std::string_view kSnapdragon = "Snapdragon";
constexpr std::string_view kMediaTek = "MediaTek";

struct Snapdragon {
  int soc_id;
  std::string_view part;
  std::string_view name;
  std::string_view htp;
};

constexpr Snapdragon kSnapdragons[] = {
    {415, "SM8350", "888", "v68"},       {439, "SM8350", "888", "v68"},       {501, "SM8350_LTE", "888", "v68"},
    {449, "SC8280X", "8cx Gen3", "v68"}, {457, "SM8450", "8 Gen 1", "v69"},   {475, "SM7325", "778", "v68"},
    {480, "SM8450_2", "8 Gen 1", "v69"}, {482, "SM8450_3", "8 Gen 1", "v69"}, {497, "QCM6490", "QCM6490", "v68"},
    {498, "QCS6490", "QCS6490", "v68"},  {519, "SM8550", "8 Gen 2", "v73"},   {530, "SM8475", "8+ Gen 1", "v69"},
    {531, "SM8475P", "8+ Gen 1", "v69"}, {536, "SM8550P", "8 Gen 2", "v73"},  {540, "SM8475_2", "8+ Gen 1", "v69"},
    {557, "SM8650", "8 Gen 3", "v75"},   {603, "QCS8550", "8 Gen 2", "v73"},  {604, "QCM8550", "8 Gen 2", "v73"},
    {614, "SM8635", "8s Gen 3", "v73"},  {642, "SM8635", "8s Gen 3", "v73"},  {618, "SM8750", "8 Elite", "v79"},
    {639, "SM8750P", "8 Elite", "v79"},  {640, "SM7635", "7s Gen 3", "v73"},  {641, "SM7635P", "7s Gen 3", "v73"},
    {643, "SM7675", "7+ Gen 3", "v73"},  {655, "SM8735", "8s Gen 4", "v73"},  {694, "SM8735P", "8s Gen 4", "v73"},
    {657, "QCM6690", "QCM6690", "v73"},  {658, "QCS6690", "QCS6690", "v73"},  {660, "SM8850", "8 Elite Gen5", "v81"},
    {685, "SM8845", "8 Gen 5", "v81"},
};

struct MediaTek {
  std::string_view part;
  std::string_view name;
};

constexpr MediaTek kMediaTeks[] = {
    {"6989", "Dimensity 9300"},
    {"6991", "Dimensity 9400"},
    {"6993", "Dimensity 9500"},
};

std::string android_hardware() {
#if defined(__ANDROID__)
  char value[PROP_VALUE_MAX] = "";
  __system_property_get("ro.hardware", value);
  return value;
#else
  return {};
#endif
}

}  // namespace

Soc identify_soc(std::string_view family, int soc_id, std::string_view hardware) noexcept {
  if (family == kSnapdragon) {
    for (const Snapdragon& chip : kSnapdragons) {
      if (chip.soc_id == soc_id) return {kSnapdragon, chip.part, chip.name, chip.htp};
    }
    return {kSnapdragon, {}, {}, {}};
  }
  if (hardware.find("mt") == std::string_view::npos && hardware.find("MT") == std::string_view::npos) return {};
  for (const MediaTek& chip : kMediaTeks) {
    if (hardware.find(chip.part) != std::string_view::npos) return {kMediaTek, chip.part, chip.name, {}};
  }
  return {kMediaTek, {}, {}, {}};
}

Soc inspect_soc() {
  std::string family;
  int soc_id = -1;
  std::ifstream("/sys/devices/soc0/family") >> family;
  std::ifstream("/sys/devices/soc0/soc_id") >> soc_id;
  return identify_soc(family, soc_id, android_hardware());
}

}  // namespace rwkv
