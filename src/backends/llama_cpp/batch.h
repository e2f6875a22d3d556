// What one call of llama.cpp evaluates.
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/token.h"

namespace rwkv::llama_cpp {

/// llama_batch_init() does not look whether it got the memory.
class Batch {
 public:
  explicit Batch(std::size_t rows)
      : tokens_(rows), positions_(rows), counts_(rows, 1), ids_(rows), ids_of_rows_(rows), wanted_(rows) {
    for (std::size_t row = 0; row < rows; ++row) ids_of_rows_[row] = &ids_[row];
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  void set(std::size_t row, TokenId token, std::int64_t position, llama_seq_id id, bool wants_logits) {
    tokens_[row] = token;
    positions_[row] = static_cast<llama_pos>(position);
    ids_[row] = id;
    wanted_[row] = wants_logits ? 1 : 0;
  }

  /// The first `rows` as llama.cpp takes them; with `embeddings`, a row of them for each, in place of the tokens.
  llama_batch first(std::size_t rows, const float* embeddings = nullptr) {
    llama_batch batch{};
    batch.n_tokens = static_cast<std::int32_t>(rows);
    if (embeddings != nullptr) {
      batch.embd = const_cast<float*>(embeddings);  // which it only reads
    } else {
      batch.token = tokens_.data();
    }
    batch.pos = positions_.data();
    batch.n_seq_id = counts_.data();
    batch.seq_id = ids_of_rows_.data();
    batch.logits = wanted_.data();
    return batch;
  }

 private:
  std::vector<llama_token> tokens_;
  std::vector<llama_pos> positions_;
  std::vector<std::int32_t> counts_;
  std::vector<llama_seq_id> ids_;
  std::vector<llama_seq_id*> ids_of_rows_;
  std::vector<std::int8_t> wanted_;
};

}  // namespace rwkv::llama_cpp
