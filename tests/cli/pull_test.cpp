// Downloads from a server that misbehaves.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>

#include "cli/command.h"
#include "support/pth_writer.h"
#include "support/served_file.h"

namespace rwkv::test {
namespace {

using Connection = HttpServer::Connection;
using nlohmann::json;

class Pull : public testing::Test {
 protected:
  std::string target() const { return (folder_.path() / "model.gguf").string(); }
  std::string part() const { return target() + ".part"; }
  bool exists(const std::string& path) const { return std::filesystem::exists(path); }
  CommandResult pull(const HttpServer& server, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"pull", server.url("/model.gguf"), "-o", target(), "--json"});
    return rwkv(more);
  }
  void expect_whole(const CommandResult& result) const {
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(read_file(target()), kContent);
    EXPECT_EQ(json::parse(result.out).at("sha256"), kDigest);
    EXPECT_FALSE(exists(part()));
    EXPECT_FALSE(exists(part() + ".etag"));
  }
  void expect_nothing(const CommandResult& result, const std::string& why) const {
    EXPECT_EQ(result.exit_code, 3);
    EXPECT_NE(result.err.find(why), std::string::npos) << result.err;
    EXPECT_FALSE(exists(target()));
  }

  const ScratchFolder folder_;
};

TEST_F(Pull, WritesTheFileAndSaysWhatItIs) {
  const HttpServer server([](const std::string& request, Connection& to) { serve(request, to); });
  const CommandResult result = pull(server, {"--sha256", "SHA256:" + kDigest});
  expect_whole(result);
  const json answer = json::parse(result.out);
  EXPECT_EQ(answer.at("bytes"), 1000);
  EXPECT_EQ(answer.at("resumedFrom"), 0);
  EXPECT_EQ(answer.at("verified"), true);
  EXPECT_EQ(answer.at("path"), target());
}

TEST_F(Pull, WithoutLibcurlSaysWhatIsMissing) {
  const HttpServer server([](const std::string& request, Connection& to) { serve(request, to); });
  setenv("RWKV_LIBCURL", "/nowhere/libcurl.so", 1);
  const CommandResult result = pull(server);
  unsetenv("RWKV_LIBCURL");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("downloads need libcurl"), std::string::npos) << result.err;
  EXPECT_FALSE(exists(target()));
  EXPECT_FALSE(exists(part()));
}

TEST_F(Pull, FollowsRedirects) {
  const HttpServer server([](const std::string& request, Connection& to) {
    if (request.starts_with("GET /model.gguf")) {
      to.send(head("302 Found", {"Location: /elsewhere", "Content-Length: 0"}));
    } else {
      serve(request, to);
    }
  });
  expect_whole(pull(server));
}

TEST_F(Pull, EndlessRedirectsAreAnError) {
  const HttpServer server([](const std::string&, Connection& to) {
    to.send(head("302 Found", {"Location: /model.gguf", "Content-Length: 0"}));
  });
  expect_nothing(pull(server), "redirects");
}

TEST_F(Pull, GoesOnWhereALostConnectionEnded) {
  std::atomic<int> times{0};
  const HttpServer server(
      [&](const std::string& request, Connection& to) { serve(request, to, ++times < 3 ? 300 : 1000); });
  expect_whole(pull(server));
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(wanted(requests[1]), 300u);
  EXPECT_EQ(wanted(requests[2]), 600u);
  EXPECT_NE(requests[1].find("If-Range: \"v1\""), std::string::npos);
}

TEST_F(Pull, GoesOnWhereAnEarlierRunEnded) {
  write_file(part(), kContent.substr(0, 400));
  write_file(part() + ".etag", "v1\n");
  const HttpServer server([](const std::string& request, Connection& to) { serve(request, to); });
  const CommandResult result = pull(server);
  expect_whole(result);
  EXPECT_EQ(json::parse(result.out).at("resumedFrom"), 400);
}

TEST_F(Pull, FileThatChangedMeanwhileIsFetchedFromItsBeginning) {
  write_file(part(), "bbbb");
  write_file(part() + ".etag", "v0\n");
  const HttpServer server([](const std::string&, Connection& to) { serve("", to); });  // 200, whatever is asked for
  const CommandResult result = pull(server);
  expect_whole(result);
  EXPECT_EQ(json::parse(result.out).at("resumedFrom"), 0);
}

TEST_F(Pull, RestOfWhichNobodyKnowsTheVersionIsNotGoneOnWith) {
  write_file(part(), "bbbb");
  const HttpServer server([](const std::string& request, Connection& to) { serve(request, to); });
  expect_whole(pull(server));
  EXPECT_EQ(wanted(server.requests().at(0)), 0u);
}

TEST_F(Pull, WholeFileLeftBehindIsAccepted) {
  write_file(part(), kContent);
  write_file(part() + ".etag", "v1\n");
  const HttpServer server([](const std::string&, Connection& to) {
    to.send(head("416 Range Not Satisfiable", {"Content-Range: bytes */1000", "Content-Length: 0"}));
  });
  expect_whole(pull(server));
}

TEST_F(Pull, RestLongerThanTheFileIsThrownAway) {
  write_file(part(), kContent + "b");
  write_file(part() + ".etag", "v1\n");
  const HttpServer server([](const std::string& request, Connection& to) {
    if (wanted(request) > 0) {
      to.send(head("416 Range Not Satisfiable", {"Content-Range: bytes */1000", "Content-Length: 0"}));
    } else {
      serve(request, to);
    }
  });
  expect_whole(pull(server));
}

TEST_F(Pull, ServerThatStallsIsLeftAndAskedAgain) {
  std::atomic<int> times{0};
  const HttpServer server([&](const std::string& request, Connection& to) {
    serve(request, to, ++times == 1 ? 300 : 1000);
    if (times == 1) to.stall();
  });
  expect_whole(pull(server, {"--patience", "1"}));
  EXPECT_EQ(wanted(server.requests().at(1)), 300u);
}

TEST_F(Pull, BusyServerIsAskedAgain) {
  std::atomic<int> times{0};
  const HttpServer server([&](const std::string& request, Connection& to) {
    if (++times < 3) {
      to.send(head("503 Service Unavailable", {"Retry-After: 0", "Content-Length: 4"}) + "busy");
    } else {
      serve(request, to);
    }
  });
  expect_whole(pull(server));
}

TEST_F(Pull, MissingFileIsAnErrorAtOnce) {
  const HttpServer server(
      [](const std::string&, Connection& to) { to.send(head("404 Not Found", {"Content-Length: 9"}) + "not found"); });
  expect_nothing(pull(server), "404");
  EXPECT_EQ(server.requests().size(), 1u);
  EXPECT_FALSE(exists(part()));
}

TEST_F(Pull, ServerThatNeverSendsAllEndsWithWhatToDoAndKeepsTheRest) {
  const HttpServer server(
      [](const std::string& request, Connection& to) { serve(request, to, wanted(request) == 0 ? 300 : 0); });
  expect_nothing(pull(server), "run it again");
  EXPECT_EQ(read_file(part()), kContent.substr(0, 300));
}

TEST_F(Pull, LengthThatIsTooShortIsNoticedByTheDigest) {
  const HttpServer server(
      [](const std::string&, Connection& to) { to.send(head("200 OK", {"Content-Length: 500"}) + kContent); });
  expect_nothing(pull(server, {"--sha256", kDigest}), "SHA-256");
  EXPECT_FALSE(exists(part()));
}

TEST_F(Pull, LengthUnlikeTheOneTheHubGivesIsRefused) {
  const HttpServer server([](const std::string& request, Connection& to) {
    if (request.starts_with("GET /model.gguf")) {
      to.send(head("302 Found", {"Location: /blob", "X-Linked-Size: 1000", "Content-Length: 0"}));
    } else {
      to.send(head("200 OK", {"Content-Length: 500"}) + kContent);
    }
  });
  expect_nothing(pull(server), "announces 500 bytes, the file has 1000");
}

TEST_F(Pull, AbsurdLengthIsRefusedBeforeTheDiskIsFull) {
  const HttpServer server([](const std::string&, Connection& to) {
    to.send(head("200 OK", {"Content-Length: 1000000000000000000"}) + kContent);
  });
  expect_nothing(pull(server), "free");
}

TEST_F(Pull, OtherBytesThanTheDigestPromisesAreThrownAway) {
  const HttpServer server([](const std::string&, Connection& to) {
    to.send(head("200 OK", {"Content-Length: 1000"}) + std::string(1000, 'b'));
  });
  expect_nothing(pull(server, {"--sha256", kDigest}), "SHA-256");
  EXPECT_FALSE(exists(part()));
}

TEST_F(Pull, DigestThatTheHubGivesIsCompared) {
  for (const bool right : {true, false}) {
    const HttpServer server([right](const std::string& request, Connection& to) {
      if (request.starts_with("GET /model.gguf")) {
        to.send(head("302 Found", {"Location: /blob", "Content-Length: 0",
                                   "X-Linked-ETag: \"" + (right ? kDigest : std::string(64, '0')) + "\""}));
      } else {
        serve(request, to);
      }
    });
    const CommandResult result = pull(server);
    if (right) {
      expect_whole(result);
      EXPECT_EQ(json::parse(result.out).at("verified"), true);
      std::filesystem::remove(target());
    } else {
      expect_nothing(result, "SHA-256");
    }
  }
}

TEST_F(Pull, OtherPartThanWasAskedForIsAnError) {
  write_file(part(), kContent.substr(0, 400));
  write_file(part() + ".etag", "v1\n");
  const HttpServer server([](const std::string&, Connection& to) {
    to.send(head("206 Partial Content", {"Content-Length: 1000", "Content-Range: bytes 0-999/1000"}) + kContent);
  });
  expect_nothing(pull(server), "another part");
}

TEST_F(Pull, OldFileStaysUntilTheNewOneIsWhole) {
  write_file(target(), "old");
  const HttpServer server(
      [](const std::string&, Connection& to) { to.send(head("404 Not Found", {"Content-Length: 0"})); });
  EXPECT_EQ(pull(server).exit_code, 3);
  EXPECT_EQ(read_file(target()), "old");
}

TEST_F(Pull, GarbageInsteadOfHttpIsAnError) {
  const HttpServer server([](const std::string&, Connection& to) { to.send("\x01\x02 no http at all\r\n\r\n"); });
  expect_nothing(pull(server), "127.0.0.1");
}

TEST_F(Pull, ServerThatIsNotThereSaysWhatToDo) {
  std::string url;
  {
    const HttpServer server([](const std::string&, Connection&) {});
    url = server.url("/model.gguf");
  }
  const CommandResult result = rwkv({"pull", url, "-o", target()});
  expect_nothing(result, "HF_ENDPOINT");
}

TEST_F(Pull, CtrlCKeepsWhatCameSoFar) {
  const HttpServer server([](const std::string& request, Connection& to) {
    serve(request, to, 300);
    to.stall();
  });
  const std::string program = (std::filesystem::path(RWKV_BINARY_DIR) / "bin" / "rwkv").string();
  const int status = std::system(("timeout --preserve-status -s INT 1 '" + program + "' pull " +
                                  server.url("/model.gguf") + " -o '" + target() + "' 2>/dev/null")
                                     .c_str());
  EXPECT_EQ(WEXITSTATUS(status), 130);
  EXPECT_FALSE(exists(target()));
  EXPECT_EQ(read_file(part()), kContent.substr(0, 300));
}

TEST_F(Pull, AddressesThatAnybodyCouldAlterAreRefused) {
  for (const std::string url : {"http://example.com/m.gguf", "ftp://example.com/m.gguf", "file:///etc/passwd",
                                "http://localhost.example.com/m.gguf"}) {
    const CommandResult result = rwkv({"pull", url, "-o", target()});
    EXPECT_EQ(result.exit_code, 2) << url;
  }
}

TEST_F(Pull, NamesComeFromTheListAndTheMirrorFromTheEnvironment) {
  const json list = json::parse(rwkv({"pull", "--list", "--json"}).out);
  ASSERT_FALSE(list.empty());
  EXPECT_EQ(rwkv({"pull", "no-such-model"}).exit_code, 3);

  const HttpServer mirror(
      [](const std::string&, Connection& to) { to.send(head("404 Not Found", {"Content-Length: 0"})); });
  setenv("HF_ENDPOINT", mirror.url("").c_str(), 1);
  const CommandResult result = rwkv({"pull", list[0].at("name"), "-o", target()});
  unsetenv("HF_ENDPOINT");
  expect_nothing(result, "404");
  const std::string path = list[0].at("url").get<std::string>().substr(std::string("https://huggingface.co").size());
  EXPECT_TRUE(mirror.requests().at(0).starts_with("GET " + path + " HTTP")) << mirror.requests().at(0);
}

// What an answer says of the part from `begin` on of a file of 1000 times `letter`.
std::string part_of(char letter, std::size_t begin, const std::vector<std::string>& says, const char* status,
                    std::size_t total = 1000) {
  std::vector<std::string> headers = says;
  headers.push_back("Content-Length: " + std::to_string(total - begin));
  if (begin > 0) {
    headers.push_back("Content-Range: bytes " + std::to_string(begin) + "-" + std::to_string(total - 1) + "/" +
                      std::to_string(total));
  }
  return head(status, headers) + std::string(total - begin, letter);
}

// Each way in which the rest can be of another version than what is there. The server has only the new one.
TEST_F(Pull, PartsOfTwoVersionsAreNeverJoined) {
  const std::string modified = "Last-Modified: Mon, 02 Jan 2023 03:04:05 GMT";
  struct Case {
    const char* name;
    std::vector<std::string> before, after;
    std::size_t total_after;
  };
  for (const Case& that : std::vector<Case>{
           {"another ETag", {"ETag: \"v1\""}, {"ETag: \"v2\""}, 1000},
           {"no ETag", {"ETag: \"v1\""}, {}, 1000},
           {"a weak ETag", {"ETag: W/\"v1\""}, {"ETag: W/\"v1\""}, 1000},
           {"another total", {"ETag: \"v1\""}, {"ETag: \"v1\""}, 1200},
           {"another date", {modified}, {"Last-Modified: Mon, 02 Jan 2023 03:04:06 GMT"}, 1000},
       }) {
    std::filesystem::remove(target());
    std::atomic<int> requests{0};
    const HttpServer server([&](const std::string& request, Connection& to) {
      if (++requests == 1) {
        const std::string old = part_of('a', 0, that.before, "200 OK");
        to.send(old.substr(0, old.size() - 600));
      } else {
        const std::size_t begin = wanted(request);
        to.send(part_of('b', begin, that.after, begin > 0 ? "206 Partial Content" : "200 OK", that.total_after));
      }
    });
    const CommandResult result = pull(server);
    EXPECT_EQ(result.exit_code, 0) << that.name << result.err;
    EXPECT_EQ(read_file(target()), std::string(that.total_after, 'b')) << that.name;
    EXPECT_FALSE(exists(part())) << that.name;
  }
}

// RFC 9110 8.8.2.2: a date long before the answer's own is as good as a strong ETag.
TEST_F(Pull, ADateLongAgoTellsThatAFileIsTheSame) {
  const std::vector<std::string> says{"Last-Modified: Mon, 02 Jan 2023 03:04:05 GMT",
                                      "Date: Tue, 03 Jan 2023 03:04:05 GMT"};
  std::atomic<int> requests{0};
  const HttpServer server([&](const std::string& request, Connection& to) {
    const std::size_t begin = wanted(request);
    const std::string whole = part_of('a', begin, says, begin > 0 ? "206 Partial Content" : "200 OK");
    to.send(++requests == 1 ? whole.substr(0, whole.size() - 600) : whole);
  });
  expect_whole(pull(server));
  ASSERT_EQ(server.requests().size(), 2u);
  EXPECT_NE(server.requests()[1].find("If-Range: Mon, 02 Jan 2023 03:04:05 GMT"), std::string::npos);
}

// Some hubs call the rest of a file 200.
TEST_F(Pull, ASliceWithStatus200IsNotTheWholeFile) {
  std::atomic<int> requests{0};
  const HttpServer server([&](const std::string& request, Connection& to) {
    const std::string answer = part_of('a', wanted(request), {"ETag: \"v1\""}, "200 OK");
    to.send(++requests == 1 ? answer.substr(0, answer.size() - 700) : answer);
  });
  expect_whole(pull(server));
}

TEST_F(Pull, WhatIsNoModelIsNotKept) {
  for (const std::string& body : std::vector<std::string>{
           "\n <!DOCTYPE HTML><title>Sign in</title>", "<html lang=en>", "<?xml version=\"1.0\"?><Error/>",
           "<Error></Error>", R"({"error": "Repository not found"})", R"({"message":"rate limited"})", "",
           "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"}) {
    write_file(part(), "");
    std::filesystem::remove(part());
    const HttpServer server([&](const std::string&, Connection& to) {
      to.send(head("200 OK", {"Content-Length: " + std::to_string(body.size())}) + body);
    });
    const CommandResult result = pull(server);
    EXPECT_EQ(result.exit_code, 3) << body << result.out;
    EXPECT_FALSE(exists(target())) << body;
    EXPECT_FALSE(result.err.empty());
  }
}

TEST_F(Pull, NamesAreWrittenUnescapedAndStayInTheirFolder) {
  const HttpServer server([](const std::string& request, Connection& to) { serve(request, to); });
  const std::string folder = (folder_.path() / "new").string() + "/";
  EXPECT_EQ(rwkv({"pull", server.url("/a%20%C3%A9.gguf?download=true"), "-o", folder}).exit_code, 0);
  EXPECT_TRUE(exists(folder + "a é.gguf"));
  for (const char* name : {"/..%2Fup.gguf", "/%2e%2e", "/a%00b.gguf", "/a%0Ab.gguf"}) {
    rwkv({"pull", server.url(name), "-o", folder});
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      EXPECT_TRUE(entry.path().filename() == "new") << name << entry.path();
    }
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      EXPECT_EQ(entry.path().filename().string().find('\n'), std::string::npos) << name;
    }
  }
}

// A token is the key to an account: it goes to the host it is for, and nowhere that this one points to.
TEST_F(Pull, TheTokenStaysWithItsHost) {
  setenv("HF_TOKEN", "hf_secret", 1);
  const HttpServer elsewhere([](const std::string& request, Connection& to) { serve(request, to); });
  const HttpServer hub([&](const std::string&, Connection& to) {
    to.send(head("302 Found", {"Location: " + elsewhere.url("/model.gguf"), "Content-Length: 0"}));
  });
  const CommandResult result = pull(hub);
  unsetenv("HF_TOKEN");
  expect_whole(result);
  EXPECT_NE(hub.requests().at(0).find("Authorization: Bearer hf_secret"), std::string::npos);
  EXPECT_EQ(elsewhere.requests().at(0).find("hf_secret"), std::string::npos);
}

// RFC 1952, with RFC 1951's blocks that are not compressed.
std::string gzip(const std::string& text) {
  const auto length = static_cast<std::uint16_t>(text.size());
  return std::string("\x1F\x8B\x08\0\0\0\0\0\0\3\1", 11) + raw(length) + raw(static_cast<std::uint16_t>(~length)) +
         text + raw(zip_crc(text)) + raw(static_cast<std::uint32_t>(text.size()));
}

// Some servers pack what was not asked to be packed. Of two packings no parts can be joined.
TEST_F(Pull, WhatComesPackedIsUnpacked) {
  const std::string packed = gzip(kContent);
  const std::string says =
      head("200 OK", {"Content-Encoding: gzip", "ETag: \"v1\"", "Content-Length: " + std::to_string(packed.size())});
  const HttpServer server([&](const std::string&, Connection& to) { to.send(says + packed); });
  expect_whole(pull(server));
  std::filesystem::remove(target());
  std::atomic<int> requests{0};
  const HttpServer cutting([&](const std::string& request, Connection& to) {
    if (++requests == 1) return to.send(says + packed.substr(0, 500));
    EXPECT_EQ(wanted(request), 0u);
    to.send(says + packed);
  });
  expect_whole(pull(cutting));
}

// A connection that ends may have been cut where nothing says how long the file is.
TEST_F(Pull, WithoutItsLengthAFileIsKeptOnlyIfItIsSeenToBeWhole) {
  const std::string model = read_file(kModel);
  std::string body;
  const HttpServer server([&](const std::string&, Connection& to) { to.send(head("200 OK", {}) + body); });
  for (const std::size_t length : {std::size_t{3}, std::size_t{1000}, model.size() / 2, model.size() - 1}) {
    body = model.substr(0, length);
    expect_nothing(pull(server), "does not look whole");
    EXPECT_FALSE(exists(part())) << length;
  }
  body = kContent;
  expect_nothing(pull(server), "give --sha256");
  expect_whole(pull(server, {"--sha256", kDigest}));
  body = model;
  EXPECT_EQ(pull(server).exit_code, 0);
  EXPECT_EQ(read_file(target()), model);
  // The end of chunks is seen.
  const HttpServer chunked([&](const std::string&, Connection& to) {
    to.send(head("200 OK", {"Transfer-Encoding: chunked"}) + "3e8\r\n" + kContent + "\r\n0\r\n\r\n");
  });
  expect_whole(pull(chunked));
}

// Together with an old date a weak ETag is enough: RFC 9110 13.1.5 forbids it in If-Range, not to compare it.
TEST_F(Pull, AWeakETagWithADateLongAgoTellsThatAFileIsTheSame) {
  const std::vector<std::string> says{"ETag: W/\"v1\"", "Last-Modified: Mon, 02 Jan 2023 03:04:05 GMT",
                                      "Date: Tue, 03 Jan 2023 03:04:05 GMT"};
  std::atomic<int> requests{0};
  const HttpServer server([&](const std::string& request, Connection& to) {
    const std::size_t begin = wanted(request);
    const std::string whole = part_of('a', begin, says, begin > 0 ? "206 Partial Content" : "200 OK");
    to.send(++requests == 1 ? whole.substr(0, whole.size() - 600) : whole);
  });
  expect_whole(pull(server));
  ASSERT_EQ(server.requests().size(), 2u);
  EXPECT_EQ(wanted(server.requests()[1]), 400u);
  EXPECT_EQ(server.requests()[1].find("W/"), std::string::npos);
}

TEST_F(Pull, AddressesMayLackTheirSchemeAndBePagesOfTheHub) {
  const HttpServer server([](const std::string& request, Connection& to) { serve(request, to); });
  const std::string here = server.url("/model.gguf").substr(std::string("http://").size());
  expect_whole(rwkv({"pull", here, "-o", target(), "--json"}));
  expect_whole(rwkv({"pull", " " + server.url("/a model (1).gguf") + "\n", "-o", target(), "--json"}));
  EXPECT_TRUE(server.requests().back().starts_with("GET /a%20model%20(1).gguf HTTP")) << server.requests().back();
  setenv("HF_ENDPOINT", server.url("").c_str(), 1);
  for (const std::string address :
       {"hf.co/someone/some.model/blob/v1/a.gguf", "huggingface.co/someone/some.model/resolve/v1/a.gguf",
        "https://www.huggingface.co/someone/some.model/blob/v1/a.gguf"}) {
    expect_whole(rwkv({"pull", address, "-o", target(), "--json"}));
    const std::string asked = server.requests().back();
    EXPECT_TRUE(asked.starts_with("GET /someone/some.model/resolve/v1/a.gguf HTTP")) << asked;
  }
  std::filesystem::remove(target());
  for (const std::string address :
       {"hf.co/someone/some.model", "https://hf.co/someone/some.model/", "huggingface.co/someone",
        "hf.co/someone/some.model/tree/main", "hf.co/someone/some.model:Q8_0"}) {
    const CommandResult result = rwkv({"pull", address, "-o", target()});
    EXPECT_EQ(result.exit_code, 2) << address;
    EXPECT_NE(result.err.find("is a repository, not a file"), std::string::npos) << address << ": " << result.err;
  }
  unsetenv("HF_ENDPOINT");
  EXPECT_FALSE(exists(target()));
}

}  // namespace
}  // namespace rwkv::test
