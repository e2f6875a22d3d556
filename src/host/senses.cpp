#include "host/senses.h"

#include <cstddef>
#include <string>
#include <utility>

#include "base/checksum.h"
#include "base/mapped_file.h"

namespace rwkv::host {
namespace {

std::size_t place(EncoderInfo::Takes takes) noexcept { return static_cast<std::size_t>(takes); }

void check_size(const MediaSource& source, std::size_t bytes) {
  if (bytes <= kLargestMediaFile) return;
  throw Error(ErrorCode::kBadFile,
              "'" + source.path + "' has " + std::to_string(bytes >> 20) +
                  " MB; the largest picture or recording has " + std::to_string(kLargestMediaFile >> 20) +
                  " MB: give a smaller one",
              source.path);
}

// The content as it is now: what is written to the file later belongs to the next look at it.
std::vector<std::byte> read(MediaSource& source) {
  if (!source.bytes.empty()) {
    check_size(source, source.bytes.size());
    return std::move(source.bytes);
  }
  const MappedFile file(source.path);
  check_size(source, file.bytes().size());
  std::vector<std::byte> bytes(file.bytes().begin(), file.bytes().end());
  file.check_whole();
  return bytes;
}

}  // namespace

void Senses::attach(std::shared_ptr<SharedEncoder> encoder) {
  const EncoderInfo& info = encoder->info();
  if (info.row_width != row_width_) {
    throw Error(ErrorCode::kInvalidArgument, "the adapter makes rows of " + std::to_string(info.row_width) +
                                                 " values and the model takes rows of " + std::to_string(row_width_) +
                                                 "; use the encoder and the adapter that were made for this model");
  }
  const std::lock_guard lock(mutex_);
  encoders_[place(info.takes)].swap(encoder);
}

bool Senses::detach(Takes takes) {
  std::shared_ptr<SharedEncoder> gone;  // goes outside of the lock
  const std::lock_guard lock(mutex_);
  gone.swap(encoders_[place(takes)]);
  return gone != nullptr;
}

std::shared_ptr<SharedEncoder> Senses::encoder(Takes takes) const {
  const std::lock_guard lock(mutex_);
  return encoders_[place(takes)];
}

std::shared_ptr<const Embeddings> Senses::perceive(Takes takes, MediaSource source) const {
  const auto with = encoder(takes);
  if (!with) {
    throw Error(ErrorCode::kUnsupported,
                takes == Takes::kPicture ? "the model has no encoder for pictures; load a vision encoder for it first"
                                         : "the model has no encoder for sound; load an audio encoder for it first");
  }
  const std::string name = source.path;
  auto bytes = read(source);
  const std::uint64_t own = with->info().fingerprint;
  const std::uint64_t content = checksum(std::as_bytes(std::span(&own, 1)), checksum(bytes));
  const std::uint64_t size = bytes.size();
  return media_->encoded.find_or_make(content, size, [&] {
    const std::size_t rows = with->count_rows(bytes, name);
    return std::make_shared<const Embeddings>(
        rows, static_cast<std::size_t>(with->info().row_width), content,
        [with, name, bytes = std::move(bytes)](const CancelToken& cancel, const Embeddings::Progress& progress) {
          return with->encode(bytes, name, cancel, progress);
        });
  });
}

std::vector<std::shared_ptr<const Embeddings>> Senses::perceive_all(std::vector<MediaSource> pictures) const {
  std::vector<std::shared_ptr<const Embeddings>> all;
  for (MediaSource& picture : pictures) all.push_back(perceive(Takes::kPicture, std::move(picture)));
  return all;
}

void Senses::take_pictures(std::span<ChatMessage> messages) const {
  const std::string tag = media_->picture_tag();
  if (tag.empty()) return;
  for (ChatMessage& message : messages) {
    if (message.role == "assistant" || !message.media.empty()) continue;
    TaggedText found = find_pictures(message.content, tag);
    message.content = std::move(found.text);
    message.media = perceive_all(std::move(found.pictures));
  }
}

void Senses::take_pictures(ChatFormat& format) const {
  if (!format.prompt_media.empty()) return;
  TaggedText found = find_pictures(format.prompt, media_->picture_tag());
  format.prompt = std::move(found.text);
  format.prompt_media = perceive_all(std::move(found.pictures));
}

}  // namespace rwkv::host
