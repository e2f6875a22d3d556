// The tensors of an encoder's files as ggml computes with them, each checked against what the header says.
#pragma once

#include <ggml.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "base/page_allocator.h"
#include "formats/gguf.h"
#include "formats/whisper_ggml.h"

namespace rwkv::media {

/// y = weight x + bias. A convolution is one too, of the columns that its kernel sees.
struct Linear {
  ggml_tensor* weight = nullptr;
  ggml_tensor* bias = nullptr;  // null: none
};

struct Norm {
  ggml_tensor* weight = nullptr;
  ggml_tensor* bias = nullptr;
};

/// Tensors by name, from one or two files. Matrices are used where they lie in the mapped file if they are aligned
/// there; vectors become floats of our own.
class EncoderWeights {
 public:
  /// `name` stands for the files in messages.
  explicit EncoderWeights(std::string name) : name_(std::move(name)) {}
  EncoderWeights(const EncoderWeights&) = delete;
  EncoderWeights& operator=(const EncoderWeights&) = delete;
  ~EncoderWeights();

  /// The file's tensors take the place of those that have the same names, before the first is asked for. `mapping` is
  /// kept.
  void add(const GgufFile& file, std::shared_ptr<const MappedFile> mapping);
  void add(const WhisperGgmlFile& file, std::shared_ptr<const MappedFile> mapping);

  bool has(std::string_view name) const { return sources_.contains(name); }
  /// Its sizes, the contiguous one first. Throws Error(kBadFile) where there is none.
  const std::vector<std::uint64_t>& dimensions(std::string_view name) const;
  std::uint64_t elements(std::string_view name) const;

  /// `rows` rows of `row` values; more dimensions in a row are taken together (kernels of convolutions). Throws
  /// Error(kBadFile) where it is missing or has other sizes.
  ggml_tensor* matrix(std::string_view name, std::uint64_t row, std::uint64_t rows);
  /// The same, as floats.
  ggml_tensor* floats(std::string_view name, std::uint64_t row, std::uint64_t rows = 1);
  /// NAME.weight and, where it is there or has to be, NAME.bias.
  Linear linear(const std::string& name, std::uint64_t row, std::uint64_t rows, bool needs_bias = true);
  Norm norm(const std::string& name, std::uint64_t width);

  const std::string& name() const noexcept { return name_; }
  /// Of all tensors that were taken.
  std::uint64_t parameters() const noexcept { return parameters_; }
  /// Memory of our own, beside the mappings.
  std::uint64_t owned_bytes() const noexcept { return owned_bytes_; }
  /// Of weights that are used where they lie in the files.
  std::uint64_t mapped_bytes() const noexcept { return mapped_bytes_; }
  std::uint64_t file_bytes() const noexcept;
  /// The type that most of the values taken have.
  std::string weight_type() const;
  /// Of the files' headers and of a part of each tensor's values.
  std::uint64_t fingerprint() const;
  /// Throws Error(kBadFile) when a file has been cut since.
  void check_whole() const;

 private:
  using Bytes = std::vector<std::byte, PageAllocator<std::byte>>;
  struct Source {
    GgmlType type;
    std::vector<std::uint64_t> dimensions;
    std::span<const std::byte> data;
  };

  void keep(std::shared_ptr<const MappedFile> mapping, const std::byte* header_end);
  const Source& find(std::string_view name) const;
  const Source& take(std::string_view name, std::uint64_t row, std::uint64_t rows);
  ggml_tensor* tensor(ggml_type type, std::uint64_t row, std::uint64_t rows, const void* data);
  std::byte* own(std::size_t bytes);

  std::string name_;
  std::vector<std::shared_ptr<const MappedFile>> mappings_;
  std::map<std::string, Source, std::less<>> sources_;
  std::deque<Bytes> buffers_;
  std::vector<std::byte> memory_;  // of ggml's descriptions
  ggml_context* context_ = nullptr;
  std::uint64_t parameters_ = 0;
  std::uint64_t owned_bytes_ = 0;
  std::uint64_t mapped_bytes_ = 0;
  std::uint64_t header_checksum_ = 0;
  std::set<const Source*> taken_names_;  // each once: the context has room for no more
  std::map<GgmlType, std::uint64_t> taken_;
};

}  // namespace rwkv::media
