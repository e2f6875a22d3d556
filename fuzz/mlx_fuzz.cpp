// A quantised folder of MLX: a line with the configuration, then the safetensors.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "checkpoint.h"
#include "formats/mlx_weights.h"
#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  const std::uint8_t* end = std::find(data, data + size, '\n');
  if (end == data + size) return 0;
  const auto config = nlohmann::json::parse(data, end, nullptr, false);
  const auto rest = fuzz::bytes_of(end + 1, static_cast<std::size_t>(data + size - end - 1));
  fuzz::refuse_or_parse(
      [&] { fuzz::use(with_mlx_weights_joined(parse_safetensors(rest, "input.safetensors"), config)); });
  return 0;
}
