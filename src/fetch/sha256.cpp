#include "fetch/sha256.h"

extern "C" {
#include <sha256.h>
}

namespace rwkv::fetch {

struct Sha256::Implementation {
  sha256_t state;
};

Sha256::Sha256() : implementation_(std::make_unique<Implementation>()) { reset(); }
Sha256::~Sha256() = default;

void Sha256::reset() { sha256_init(&implementation_->state); }

void Sha256::update(std::span<const std::byte> bytes) {
  sha256_update(&implementation_->state, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

std::string Sha256::finish() {
  unsigned char digest[SHA256_DIGEST_SIZE];
  sha256_final(&implementation_->state, digest);
  std::string text;
  for (const unsigned char byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace rwkv::fetch
