#include "media/webp_decode.h"

#include "base/error.h"

#if defined(RWKV_WEBP)

#include <webp/demux.h>

#include <cstdint>
#include <memory>

#include "media/over_white.h"

namespace rwkv {

Picture decode_webp(std::span<const std::byte> bytes, const PictureHeader& header, const std::string& name) {
  const auto refuse = [&](const std::string& reason) {
    throw Error(ErrorCode::kBadFile, "'" + name + "' cannot be decoded: " + reason, name);
  };
  const WebPData data{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);
  options.color_mode = MODE_RGBA;
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(WebPAnimDecoderNew(&data, &options),
                                                                             WebPAnimDecoderDelete);
  WebPAnimInfo info{};
  std::uint8_t* canvas = nullptr;  // the decoder's
  int time = 0;
  if (!decoder || !WebPAnimDecoderGetInfo(decoder.get(), &info)) refuse("the WebP is cut off or damaged, get it again");
  if (info.canvas_width != static_cast<std::uint32_t>(header.width) ||
      info.canvas_height != static_cast<std::uint32_t>(header.height)) {
    refuse("it has another size than its header says, the file is damaged");
  }
  if (!WebPAnimDecoderGetNext(decoder.get(), &canvas, &time)) refuse("the WebP is cut off or damaged, get it again");
  Picture picture{header.width, header.height, {}};
  const std::size_t count = static_cast<std::size_t>(header.width) * static_cast<std::size_t>(header.height);
  picture.rgb.resize(count * 3);
  lay_over_white(canvas, count, picture.rgb.data());
  return picture;
}

}  // namespace rwkv

#else

namespace rwkv {

Picture decode_webp(std::span<const std::byte>, const PictureHeader&, const std::string& name) {
  throw Error(ErrorCode::kUnsupported,
              "'" + name + "' is a WebP, and this build has no libwebp (cmake/LibWebP.cmake): save it as JPEG or PNG",
              name);
}

}  // namespace rwkv

#endif
