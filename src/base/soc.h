// The system on a chip of a phone, which decides what accelerators there are.
#pragma once

#include <string_view>

namespace rwkv {

/// All names are string literals, empty where unknown.
struct Soc {
  std::string_view platform;  // "Snapdragon" or "MediaTek"
  std::string_view part;      // "SM8650"
  std::string_view name;      // as it is sold: "8 Gen 3"
  std::string_view htp;       // architecture of a Snapdragon's tensor processor: "v75"
};

/// From what the system says of itself: the first word of /sys/devices/soc0/family, the number in soc_id beside it, and
/// Android's property ro.hardware.
Soc identify_soc(std::string_view family, int soc_id, std::string_view hardware) noexcept;

/// Asks the system each time.
Soc inspect_soc();

}  // namespace rwkv
