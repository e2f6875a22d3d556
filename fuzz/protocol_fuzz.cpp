// Messages of the protocol: what is read can be written and is then read as the same.
#include "protocol/codec.h"
#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  using namespace rwkv::protocol;
  fuzz::refuse_or_parse([&] {
    const Json json = parse_message(fuzz::text_of(data, size));
    request_id_of(json);
    const auto same_twice = [&](auto decode) {
      fuzz::refuse_or_parse([&] {
        const std::string once = to_text(encode(decode(json)));
        fuzz::require(to_text(encode(decode(parse_message(once)))) == once, "a message survives writing and reading");
      });
    };
    same_twice(decode_request);
    same_twice(decode_response);
    same_twice(decode_port_options);
  });
  return 0;
}
