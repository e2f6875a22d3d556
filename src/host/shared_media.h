// What all models of a host share of pictures and sound.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "host/encoded_media.h"
#include "host/shared_encoder.h"
#include "media/encoders/open_encoder.h"

namespace rwkv::host {

/// Safe from any thread.
class SharedMedia {
 public:
  /// The name of the tags that pictures stand in (`<TAG>path</TAG>`); empty, as at first: there are none.
  void set_picture_tag(std::string tag);
  std::string picture_tag() const;

  /// Loads an encoder, or finds the one that another model has from the same, unchanged files. `adapter_path` is empty
  /// where the encoder's file has the adapter. Throws what load_encoder() throws, and Error(kOutOfMemory) with the
  /// figures where it does not fit.
  std::shared_ptr<SharedEncoder> load(const EncoderFiles& files, const std::shared_ptr<MemoryBudget>& budget,
                                      const CancelToken& cancel);

  EncodedMedia encoded;

 private:
  struct Loaded {
    std::string files;  // their paths, sizes and dates
    std::weak_ptr<SharedEncoder> encoder;
  };

  std::mutex loading_;
  mutable std::mutex mutex_;  // of all below
  std::string picture_tag_;
  std::list<Loaded> loaded_;
};

}  // namespace rwkv::host
