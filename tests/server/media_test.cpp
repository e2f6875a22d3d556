// Pictures and sound in OpenAI's form.
#include <gtest/gtest.h>

#include "support/encoder_files.h"
#include "test_server.h"

namespace rwkv::test {
namespace {

std::string base64(const std::string& bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      bits = bits << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : kAlphabet[bits >> (18 - 6 * j) & 63];
  }
  return text;
}

class ServedMedia : public ::testing::Test {
 protected:
  ServedMedia() {
    for (const std::string& file : {vision_encoder_file(), audio_encoder_file()}) {
      const auto path = folder_.path() / ("encoder" + std::to_string(file.size()));
      write_file(path, file);
      senses_.attach(media_->load({path.string(), ""}, nullptr, CancelToken()));
    }
    server::ServedModel served = greedy(*model_, "tiny");
    served.senses = &senses_;
    std::vector<server::ServedModel> all;
    all.push_back(std::move(served));
    server::ServerOptions options;
    options.port = 0;
    server_ = std::make_unique<server::HttpServer>(std::move(all), options);
  }

  HttpAnswer chat(const json& content, bool stream = false) {
    return post(server_->port(), "/v1/chat/completions",
                {{"messages", {{{"role", "user"}, {"content", content}}}}, {"max_tokens", 8}, {"stream", stream}});
  }
  static json picture(const std::string& bytes) {
    return {{"type", "image_url"}, {"image_url", {{"url", "data:image/x-portable-pixmap;base64," + base64(bytes)}}}};
  }
  static json text(const std::string& words) { return {{"type", "text"}, {"text", words}}; }
  static int tokens(const HttpAnswer& answer) { return answer.parsed()["usage"]["prompt_tokens"].get<int>(); }

  ScratchFolder folder_;
  const std::shared_ptr<host::SharedMedia> media_ = std::make_shared<host::SharedMedia>();
  const std::unique_ptr<LanguageModel> model_ = load_shipped();
  host::Senses senses_{media_, model_->info().width};
  std::unique_ptr<server::HttpServer> server_;
};

TEST_F(ServedMedia, APictureIsSeenAndCounted) {
  const HttpAnswer answer = chat({picture(ppm_picture(20, 30, 1)), text("What is it?")});
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(tokens(chat({picture(ppm_picture(20, 30, 1)), picture(ppm_picture(9, 9, 2)), text("What is it?")})),
            tokens(answer) + 16);
  const HttpAnswer streamed = chat({picture(ppm_picture(20, 30, 1)), text("What is it?")}, true);
  ASSERT_EQ(streamed.status, 200);
  EXPECT_EQ(events_of(streamed.body).back(), "[DONE]");
  EXPECT_EQ(streamed.body.find("\"error\""), std::string::npos) << streamed.body;
}

TEST_F(ServedMedia, ARecordingIsHeard) {
  const json sound{{"type", "input_audio"}, {"input_audio", {{"data", base64(wav_tone(300))}, {"format", "wav"}}}};
  const HttpAnswer answer = chat({sound, text("What is it?")});
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_GT(tokens(answer), tokens(chat("What is it?")) + 20);
}

TEST_F(ServedMedia, NoFileAndNoAddressIsReadForAClient) {
  const auto path = folder_.path() / "a.ppm";
  write_file(path, ppm_picture(8, 8, 1));
  for (const std::string& url : {path.string(), "file://" + path.string(), std::string("http://127.0.0.1/a.png"),
                                 std::string("data:image/png,abc"), std::string("data:image/png;base64,!!!"),
                                 std::string("data:image/png;base64,")}) {
    const HttpAnswer answer = chat({{{"type", "image_url"}, {"image_url", {{"url", url}}}}, text("What?")});
    EXPECT_EQ(answer.status, 400) << url;
    EXPECT_EQ(answer.error()["param"], "messages[0].content[].image_url.url");
  }
  media_->set_picture_tag("image");
  const HttpAnswer tagged = chat("<image>" + path.string() + "</image>What is it?");
  EXPECT_EQ(tagged.status, 200);
  EXPECT_GT(tokens(tagged), 20) << "the tag is text";
}

TEST_F(ServedMedia, WhatIsNoPictureIsTheClientsFault) {
  const HttpAnswer answer = chat({picture("no picture at all"), text("What?")});
  EXPECT_EQ(answer.status, 400) << answer.body;
  EXPECT_EQ(answer.error()["reason"], "bad_file");
}

}  // namespace
}  // namespace rwkv::test
