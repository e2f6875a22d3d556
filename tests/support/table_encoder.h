// An encoder whose pictures are texts: it gives the rows that the model's own table has for their tokens, so that a
// picture is read as its text is.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "engine/encoder.h"
#include "formats/floats.h"
#include "formats/gguf.h"
#include "support/scratch.h"
#include "text/tokenizer.h"

namespace rwkv::test {

class TableEncoder final : public Encoder {
 public:
  /// Called before each encoding, with its cancel.
  using Before = std::function<void(const CancelToken&)>;

  TableEncoder(EncoderInfo::Takes takes, const Tokenizer& tokenizer, std::shared_ptr<std::atomic<int>> encoded,
               Before before = nullptr)
      : tokenizer_(tokenizer), encoded_(std::move(encoded)), before_(std::move(before)) {
    const std::span<const std::uint64_t> sizes = table().dimensions;
    info_.takes = takes;
    info_.row_width = static_cast<int>(sizes[0]);
    info_.fingerprint = 42;
  }

  const EncoderInfo& info() const noexcept override { return info_; }
  std::size_t count_rows(std::span<const std::byte> file, const std::string& name) const override {
    const std::size_t rows = tokens_of(file).size();
    if (rows == 0) throw Error(ErrorCode::kBadFile, "'" + name + "' shows nothing", name);
    return rows;
  }
  std::vector<float> encode(std::span<const std::byte> file, const std::string&,
                            const EncodeOptions& options) override {
    if (before_) before_(options.cancel);
    options.cancel.check();
    ++*encoded_;
    const Tokens tokens = tokens_of(file);
    const auto width = static_cast<std::size_t>(info_.row_width);
    std::vector<float> rows(tokens.size() * width);
    options.on_cores(1, [&] {
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        decode_floats(DataType::kF16, table().data.data() + static_cast<std::size_t>(tokens[i]) * width * 2,
                      std::span(rows).subspan(i * width, width));
      }
    });
    options.progress(1);
    return rows;
  }

 private:
  const GgufTensor& table() const { return *gguf_.find_tensor("token_embd.weight"); }
  Tokens tokens_of(std::span<const std::byte> file) const {
    return tokenizer_.encode({reinterpret_cast<const char*>(file.data()), file.size()});
  }

  const Tokenizer& tokenizer_;
  const std::shared_ptr<std::atomic<int>> encoded_;
  const Before before_;
  const MappedFile file_{kModel};
  const GgufFile gguf_{GgufFile::parse(file_.bytes(), kModel)};
  EncoderInfo info_;
};

}  // namespace rwkv::test
