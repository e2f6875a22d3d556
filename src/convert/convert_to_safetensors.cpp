#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "convert/checkpoint.h"
#include "convert/convert.h"
#include "convert/rwkv_names.h"
#include "formats/floats.h"

namespace rwkv::convert {
namespace {

PlannedTensor plan_tensor(const WeightFile& weights, const WeightTensor& tensor) {
  if (tensor.elements == 0 || !is_float(tensor.type)) {
    throw Error(ErrorCode::kUnsupported,
                "'" + weights.name() + "': tensor '" + tensor.name + "' is " + tensor.describe() +
                    "; only F32, F16, BF16 and F64 with elements are converted",
                weights.name());
  }
  PlannedTensor planned;
  planned.name = safetensors_name(tensor.name);
  planned.type = GgmlType::kF16;
  planned.dimensions = tensor.shape;  // here the slowest first, as the header wants them
  SourceView view = view_of(tensor);
  if (safetensors_transposes(planned.name) && tensor.shape.size() >= 2) {
    std::swap(planned.dimensions[planned.dimensions.size() - 2], planned.dimensions.back());
    // Where one of the two is a single row, exchanging them changes the shape only.
    if (tensor.shape.back() != 1 && tensor.shape[tensor.shape.size() - 2] != 1) view = transposed(std::move(view));
  }
  planned.parts.push_back(std::move(view));
  return planned;
}

}  // namespace

Report convert_to_safetensors(const std::string& source, const std::string& output, const WriteOptions& options) {
  const Checkpoint checkpoint = open_checkpoint(source);
  nlohmann::ordered_json header;
  header["__metadata__"] = {{"format", "pt"}};
  std::vector<PlannedTensor> tensors;
  std::uint64_t offset = 0;
  Report report;
  for (const auto& [name, tensor] : checkpoint.weights.tensors()) {
    PlannedTensor planned = plan_tensor(checkpoint.weights, tensor);
    if (header.contains(planned.name)) {
      throw Error(ErrorCode::kBadFile, "'" + source + "': two tensors would be called '" + planned.name + "'", source);
    }
    planned.offset = offset;
    offset += planned.bytes();
    header[planned.name] = {
        {"dtype", "F16"}, {"shape", planned.dimensions}, {"data_offsets", {planned.offset, offset}}};
    report.parameters += tensor.elements;
    tensors.push_back(std::move(planned));
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t header_bytes = text.size();

  AtomicFile file(output);
  file.write_at(0, std::as_bytes(std::span(&header_bytes, 1)));
  file.write_at(sizeof header_bytes, std::as_bytes(std::span(text)));
  for (PlannedTensor& tensor : tensors) tensor.offset += sizeof header_bytes + header_bytes;
  write_tensors(checkpoint, tensors, file, options);
  file.commit();
  report.tensors = tensors.size();
  report.source_bytes = checkpoint.bytes();
  report.output_bytes = sizeof header_bytes + header_bytes + offset;
  return report;
}

}  // namespace rwkv::convert
