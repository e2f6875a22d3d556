#include "media/sound_decoder.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"

namespace rwkv {
namespace {

using namespace std::string_view_literals;

struct Foreign {
  std::size_t at;
  std::string_view bytes;
  std::string_view what;
};

constexpr Foreign kForeign[] = {
    {4, "ftyp"sv, "an M4A or MP4 file (AAC)"},
    {0, "\xFF\xF1"sv, "an AAC file"},
    {0, "\xFF\xF9"sv, "an AAC file"},
    {0, "OggS"sv, "an Ogg file (Opus or Vorbis)"},
    {0, "#!AMR"sv, "an AMR file"},
    {0, "FORM"sv, "an AIFF file"},
    {0, "caff"sv, "a CAF file"},
    {0, "\x1A\x45\xDF\xA3"sv, "a WebM or Matroska file"},
    {0, "\x30\x26\xB2\x75"sv, "a WMA file"},
    {0, ".snd"sv, "an AU file"},
    {0, "RIFX"sv, "a WAV file in the byte order of other machines"},
    {0, "riff"sv, "a Wave64 file"},
    {0, "MThd"sv, "a MIDI file"},
};

bool is_wav(std::string_view text) {
  return text.size() >= 12 && text.substr(8, 4) == "WAVE" &&
         (text.starts_with("RIFF") || text.starts_with("RF64") || text.starts_with("BW64"));
}

/// The content after an ID3v2 tag (id3.org, ID3v2.4 section 3), which may stand before MP3 and FLAC.
std::string_view after_tag(std::string_view text) {
  if (text.size() < 10 || !text.starts_with("ID3")) return text;
  std::size_t size = 10;
  for (std::size_t i = 0, shift = 21; i < 4; ++i, shift -= 7)
    size += static_cast<std::size_t>(text[6 + i] & 0x7F) << shift;
  return text.substr(std::min(size, text.size()));
}

/// The eleven set bits of a frame and a layer that is not reserved.
bool is_mp3(std::string_view text) {
  return text.size() >= 2 && text[0] == '\xFF' && (text[1] & 0xE0) == 0xE0 && (text[1] & 0x06) != 0;
}

}  // namespace

std::unique_ptr<SoundDecoder> open_sound(std::span<const std::byte> bytes, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string_view content = after_tag(text);
  std::unique_ptr<SoundDecoder> decoder;
  bool known = true;
  if (is_wav(text)) {
    decoder = open_wav(bytes, name);
  } else if (content.starts_with("fLaC")) {
    decoder = open_flac(bytes.subspan(bytes.size() - content.size()));
  } else if (is_mp3(content) || text.starts_with("ID3")) {
    decoder = open_mp3(bytes);
  } else {
    known = false;
  }
  if (decoder) return decoder;
  if (known) {
    throw Error(ErrorCode::kBadFile, "'" + name + "' cannot be decoded: the sound is cut off or damaged, get it again",
                name);
  }
  for (const Foreign& foreign : kForeign) {
    if (text.size() < foreign.at || !text.substr(foreign.at).starts_with(foreign.bytes)) continue;
    throw Error(ErrorCode::kUnsupported,
                "'" + name + "' is " + std::string(foreign.what) +
                    ", which is not read here: save it as WAV, FLAC or MP3, or decode it with what the system has",
                name);
  }
  throw Error(ErrorCode::kBadFile,
              "'" + name + "' is no sound of a kind that is read here (WAV, FLAC, MP3)" +
                  (bytes.empty() ? ": it is empty" : ""),
              name);
}

}  // namespace rwkv
