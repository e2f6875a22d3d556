// What a model sees and hears with.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "host/media_source.h"
#include "host/shared_media.h"
#include "runtime/chat_template.h"

namespace rwkv::host {

/// The encoders of one model, one for pictures and one for sound. Safe from any thread.
class Senses {
 public:
  using Takes = EncoderInfo::Takes;

  /// `row_width`: ModelInfo::width.
  Senses(std::shared_ptr<SharedMedia> media, int row_width) : media_(std::move(media)), row_width_(row_width) {}

  SharedMedia& media() const noexcept { return *media_; }

  /// Takes the place of one of its kind. Throws Error(kInvalidArgument) with both widths where its rows are not the
  /// model's.
  void attach(std::shared_ptr<SharedEncoder> encoder);
  /// False where there was none.
  bool detach(Takes takes);
  /// The one in use, or null.
  std::shared_ptr<SharedEncoder> encoder(Takes takes) const;

  /// What stands for a picture or recording in a prompt; its rows are counted by the file's header and encoded when
  /// they are wanted. Throws Error(kUnsupported) where there is no encoder for it, what MappedFile throws,
  /// Error(kBadFile) for a file larger than kLargestMediaFile and what Encoder::count_rows throws.
  std::shared_ptr<const Embeddings> perceive(Takes takes, MediaSource source) const;

  /// The pictures of `messages` that stand there in tags. An answer's words name no files. Throws like perceive().
  void take_pictures(std::span<ChatMessage> messages) const;
  /// The same for the format's prompt.
  void take_pictures(ChatFormat& format) const;

 private:
  std::vector<std::shared_ptr<const Embeddings>> perceive_all(std::vector<MediaSource> pictures) const;

  const std::shared_ptr<SharedMedia> media_;
  const int row_width_;
  mutable std::mutex mutex_;
  std::array<std::shared_ptr<SharedEncoder>, 2> encoders_;  // by Takes
};

}  // namespace rwkv::host
