#include "backends/check_items.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "base/error.h"

namespace rwkv {
namespace {

void check_input(const EvalItem& item, const ModelInfo& info) {
  const auto refuse = [](const std::string& problem) { throw Error(ErrorCode::kInvalidArgument, problem); };
  if (item.tokens.empty() && item.embeddings.empty()) refuse("a sequence to evaluate has no tokens");
  if (!item.tokens.empty() && !item.embeddings.empty()) refuse("a sequence to evaluate has tokens and embeddings");
  if (!item.embeddings.empty() && !info.takes_embeddings) {
    throw Error(ErrorCode::kUnsupported, "the backend " + info.backend + " takes tokens only, no embeddings");
  }
  if (info.width > 0 && item.embeddings.size() % static_cast<std::size_t>(info.width) != 0) {
    refuse(std::to_string(item.embeddings.size()) + " values of embeddings are no rows of " +
           std::to_string(info.width));
  }
  if (!std::all_of(item.embeddings.begin(), item.embeddings.end(), [](float value) { return std::isfinite(value); })) {
    refuse("an embedding has a value that is not finite");
  }
  for (const TokenId token : item.tokens) {
    if (token >= 0 && token < info.vocabulary) continue;
    refuse("token " + std::to_string(token) + " is outside the vocabulary of " + std::to_string(info.vocabulary) +
           " tokens");
  }
}

}  // namespace

std::size_t length_of(const EvalItem& item, int width) noexcept {
  return item.embeddings.empty() ? item.tokens.size() : item.embeddings.size() / static_cast<std::size_t>(width);
}

std::size_t output_values(const EvalItem& item, const ModelInfo& info) noexcept {
  switch (item.wants) {
    case Output::kLastLogits: return static_cast<std::size_t>(info.vocabulary);
    case Output::kAllLogits: return length_of(item, info.width) * static_cast<std::size_t>(info.vocabulary);
    case Output::kLastHidden: return static_cast<std::size_t>(info.width);
    case Output::kNone: break;
  }
  return 0;
}

void check_items(std::span<const EvalItem> items, const ModelInfo& info,
                 const std::function<bool(const Sequence*)>& belongs_to_model) {
  std::set<const Sequence*> seen;
  std::size_t rows = 0;
  for (const EvalItem& item : items) {
    if (item.sequence == nullptr || !belongs_to_model(item.sequence)) {
      throw Error(ErrorCode::kInvalidArgument, "a sequence to evaluate does not belong to this model");
    }
    if (!seen.insert(item.sequence).second) {
      throw Error(ErrorCode::kInvalidArgument, "a sequence occurs twice in one evaluation");
    }
    check_input(item, info);
    if (item.wants == Output::kLastHidden && !info.gives_hidden) {
      throw Error(ErrorCode::kUnsupported, "the backend " + info.backend + " gives no hidden states");
    }
    if (item.wants == Output::kAllLogits) rows += length_of(item, info.width);
  }
  if (rows > 0 && info.logit_rows == 0) {
    throw Error(ErrorCode::kUnsupported, "the backend " + info.backend + " gives the logits of the last token only");
  }
  if (rows > static_cast<std::size_t>(info.logit_rows)) {
    throw Error(ErrorCode::kInvalidArgument, "all logits of " + std::to_string(rows) +
                                                 " tokens are wanted at once, the model gives those of " +
                                                 std::to_string(info.logit_rows) + " (ModelInfo::logit_rows)");
  }
}

}  // namespace rwkv
