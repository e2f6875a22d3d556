#include "host/shared_media.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace rwkv::host {

void SharedMedia::set_picture_tag(std::string tag) {
  const std::lock_guard lock(mutex_);
  picture_tag_ = std::move(tag);
}

std::string SharedMedia::picture_tag() const {
  const std::lock_guard lock(mutex_);
  return picture_tag_;
}

std::shared_ptr<SharedEncoder> SharedMedia::load(const EncoderFiles& files, const std::shared_ptr<MemoryBudget>&,
                                                 const CancelToken&) {
  throw Error(ErrorCode::kUnsupported, "'" + files.encoder + "': encoders are not in this build", files.encoder);
}

}  // namespace rwkv::host
