#include "capi/callbacks.h"

#include <utility>

#include "base/error.h"
#include "base/host_call.h"

namespace rwkv::capi {
namespace {

constexpr int kNoToken = -1;

}  // namespace

void refuse_inside_callback() {
  if (!HostCall::inside()) return;
  throw Error(ErrorCode::kBusy, "a callback cannot release: the release would wait for it; release from elsewhere");
}

TokenTeller::TokenTeller(rwkvmobile_on_token single, rwkvmobile_on_batch_tokens batch,
                         std::vector<std::string> begun_texts)
    : single_(single), batch_(batch), taken_(begun_texts.size()), texts_(std::move(begun_texts)) {}

void TokenTeller::take(std::size_t slot, const Generation& generation) {
  Taken& taken = taken_[slot];
  Piece piece{slot, kNoToken, generation.text().substr(taken.bytes)};
  if (generation.tokens().size() > taken.tokens) piece.token = generation.tokens().back();
  if (piece.text.empty() && piece.token == kNoToken) return;
  taken = {generation.text().size(), generation.tokens().size()};
  const std::lock_guard lock(mutex_);
  pieces_.push_back(std::move(piece));
  changed_.notify_one();
}

void TokenTeller::finish() {
  const std::lock_guard lock(mutex_);
  finished_ = true;
  changed_.notify_one();
}

void TokenTeller::tell(const CancelToken& cancel) {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return finished_ || !pieces_.empty(); });
    if (pieces_.empty() || cancel.cancelled()) return;
    const Piece piece = std::move(pieces_.front());
    pieces_.pop_front();
    lock.unlock();
    call(piece);
    lock.lock();
  }
}

void TokenTeller::call(const Piece& piece) {
  const HostCall host;
  if (!host.allowed()) return;
  texts_[piece.slot] += piece.text;
  if (single_) {
    single_(texts_[piece.slot].c_str(), piece.token, piece.text.c_str());
    return;
  }
  std::vector<const char*> texts;
  for (const std::string& text : texts_) texts.push_back(text.c_str());
  std::vector<int> tokens(texts_.size(), kNoToken);
  std::vector<const char*> news(texts_.size(), "");
  tokens[piece.slot] = piece.token;
  news[piece.slot] = piece.text.c_str();
  batch_(static_cast<int>(texts_.size()), texts.data(), tokens.data(), news.data());
}

}  // namespace rwkv::capi
