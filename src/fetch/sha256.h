// SHA-256 of a stream of bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace rwkv::fetch {

class Sha256 {
 public:
  Sha256();
  ~Sha256();

  void reset();
  void update(std::span<const std::byte> bytes);
  /// The digest in 64 lower-case hexadecimal digits. Ends the stream: reset() before the next.
  std::string finish();

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace rwkv::fetch
