// Downloads over the protocol, from a server that is really there and not always kind.
#include <algorithm>

#include "bridge/test_client.h"
#include "support/served_file.h"

namespace rwkv::bridge::test {
namespace {

using rwkv::test::HttpServer;
using rwkv::test::kContent;
using rwkv::test::kDigest;
using rwkv::test::read_file;
using rwkv::test::serve;
using Connection = HttpServer::Connection;
using Status = p::DownloadStatus;

void serve_all(const std::string& request, Connection& to) { serve(request, to); }
void serve_300_and_stall(const std::string& request, Connection& to) {
  serve(request, to, 300);
  to.stall();
}

class Download : public testing::Test {
 protected:
  std::string target() const { return (client_.folder() / "model.gguf").string(); }
  bool exists(const std::string& path) const { return std::filesystem::exists(path); }
  std::int64_t start(const HttpServer& server, const std::string& sha256 = "") {
    return client_.send(p::DownloadModel{server.url("/model.gguf"), target(), sha256});
  }
  // The step that ends the download of a request.
  p::DownloadSteps end(Client& client, std::int64_t request) {
    const auto message = client.wait([&](const Message& m) {
      const auto* step = m.as<p::DownloadSteps>();
      return m.request_id == request && step && step->status != Status::kDownloading;
    });
    return message ? *message->as<p::DownloadSteps>() : p::DownloadSteps{};
  }
  p::DownloadSteps end(std::int64_t request) { return end(client_, request); }
  // The first step that tells of at least so many bytes.
  p::DownloadSteps wait_bytes(std::int64_t request, std::int64_t bytes) {
    const auto message = client_.wait([&](const Message& m) {
      const auto* step = m.as<p::DownloadSteps>();
      return m.request_id == request && step && step->bytes >= bytes;
    });
    return message ? *message->as<p::DownloadSteps>() : p::DownloadSteps{};
  }
  void expect_failed(const p::DownloadSteps& last, const std::string& code, const std::string& words) {
    EXPECT_EQ(last.status, Status::kFailed);
    EXPECT_EQ(last.code, code);
    EXPECT_NE(last.info.value_or("").find(words), std::string::npos) << last.info.value_or("");
    EXPECT_FALSE(exists(target()));
  }

  Client client_{[] {
    p::PortOptions options;
    options.acknowledge = true;
    return options;
  }()};
};

TEST_F(Download, WritesTheFileAndSaysWhatItIs) {
  const HttpServer server(serve_all);
  const auto request = start(server, "SHA256:" + kDigest);
  const auto last = end(request);
  ASSERT_EQ(last.status, Status::kDownloaded) << last.info.value_or("");
  EXPECT_EQ(last.bytes, 1000);
  EXPECT_EQ(last.total_bytes, 1000);
  EXPECT_EQ(last.resumed_from, 0);
  EXPECT_EQ(last.path, target());
  EXPECT_EQ(last.sha256, kDigest);
  EXPECT_EQ(last.verified, true);
  EXPECT_EQ(read_file(target()), kContent);
  client_.settle();
  const auto steps = client_.all<p::DownloadSteps>(request);
  EXPECT_EQ(steps.front().status, Status::kDownloading);
  EXPECT_EQ(steps.front().bytes, 0);
  for (const auto& step : steps) EXPECT_EQ(step.download_id, last.download_id);
  EXPECT_EQ(std::count_if(steps.begin(), steps.end(), [](const auto& s) { return s.status != Status::kDownloading; }),
            1);
  EXPECT_EQ(client_.types(request).back(), "RequestDone");
}

TEST_F(Download, WritesToAFolderUnderTheAddresssOwnName) {
  const HttpServer server(serve_all);
  const std::string folder = (client_.folder() / "models").string() + "/";
  const auto last = end(client_.send(p::DownloadModel{server.url("/a%20b.gguf?download=true"), folder}));
  EXPECT_EQ(last.path, folder + "a b.gguf");
  EXPECT_EQ(read_file(folder + "a b.gguf"), kContent);
}

TEST_F(Download, GoesOnByItselfWhereTheConnectionWasCut) {
  std::atomic<int> times{0};
  const HttpServer server([&](const std::string& r, Connection& to) { serve(r, to, ++times == 1 ? 300 : 1000); });
  const auto last = end(start(server));
  EXPECT_EQ(last.status, Status::kDownloaded) << last.info.value_or("");
  EXPECT_EQ(last.sha256, kDigest);
  ASSERT_EQ(server.requests().size(), 2u);
  EXPECT_NE(server.requests()[1].find("Range: bytes=300-"), std::string::npos);
}

TEST_F(Download, ThatIsStoppedEndsOnceAndTheNextOneGoesOnThere) {
  std::int64_t request = 0;
  {
    const HttpServer server(serve_300_and_stall);
    request = start(server);
    const auto step = wait_bytes(request, 300);
    client_.send(p::StopDownload{step.download_id});
    const auto last = end(request);
    EXPECT_EQ(last.status, Status::kCancelled);
    EXPECT_EQ(last.bytes, 300);
    EXPECT_EQ(last.total_bytes, 1000);
    const auto again = client_.send(p::StopDownload{step.download_id});  // too late: nothing
    client_.wait([&](const Message& m) { return m.request_id == again && m.as<p::RequestDone>(); });
    EXPECT_EQ(client_.types(again), std::vector<std::string>{"RequestDone"});
  }
  EXPECT_FALSE(exists(target()));
  EXPECT_EQ(read_file(target() + ".part"), kContent.substr(0, 300));
  const HttpServer server(serve_all);
  const auto last = end(start(server, kDigest));
  EXPECT_EQ(last.status, Status::kDownloaded) << last.info.value_or("");
  EXPECT_EQ(last.resumed_from, 300);
  EXPECT_EQ(read_file(target()), kContent);
  EXPECT_EQ(client_.types(request).back(), "RequestDone");
}

TEST_F(Download, WithAnotherHashFailsAndKeepsNothing) {
  const HttpServer server(serve_all);
  expect_failed(end(start(server, std::string(64, '0'))), "bad_file", "SHA-256");
  EXPECT_FALSE(exists(target() + ".part"));
}

TEST_F(Download, WithoutSpaceOrAFolderToWriteToFails) {
  const HttpServer server([](const std::string&, Connection& to) {
    to.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1000000000000000\r\n\r\nGGUF");
  });
  expect_failed(end(start(server)), "io", "free");
  rwkv::test::write_file(client_.folder() / "file", "no folder");
  const std::string below = (client_.folder() / "file" / "model.gguf").string();
  const auto last = end(client_.send(p::DownloadModel{server.url("/model.gguf"), below}));
  EXPECT_EQ(last.status, Status::kFailed);
  EXPECT_EQ(last.code, "io");
  EXPECT_NE(last.info.value_or("").find(below), std::string::npos) << last.info.value_or("");
}

TEST_F(Download, ToAPathThatAnotherOneWritesIsBusyAndToOthersGoesOn) {
  const HttpServer stalling(serve_300_and_stall);
  const HttpServer server(serve_all);
  const auto first = start(stalling);
  const auto step = wait_bytes(first, 300);
  expect_failed(end(start(server)), "busy", target() + ".part");
  const std::string other = (client_.folder() / "other.gguf").string();
  EXPECT_EQ(end(client_.send(p::DownloadModel{server.url("/model.gguf"), other})).status, Status::kDownloaded);
  client_.send(p::StopDownload{step.download_id});
  EXPECT_EQ(end(first).status, Status::kCancelled);
  EXPECT_EQ(read_file(target() + ".part"), kContent.substr(0, 300));
}

TEST_F(Download, EndsWithItsPortAndKeepsWhatCame) {
  const HttpServer stalling(serve_300_and_stall);
  wait_bytes(start(stalling), 300);
  Client next({}, client_.name());
  client_.close();
  const HttpServer server(serve_all);
  p::DownloadSteps last;
  ASSERT_TRUE(eventually([&] {  // the closed port's download may still be about to end
    last = end(next, next.send(p::DownloadModel{server.url("/model.gguf"), target()}));
    return last.code != "busy";
  }));
  EXPECT_EQ(last.status, Status::kDownloaded) << last.info.value_or("");
  EXPECT_EQ(last.resumed_from, 300);
  EXPECT_EQ(read_file(target()), kContent);
}

TEST_F(Download, ThatStallsDoesNotHoldUpTheEndOfItsRuntimeNorOtherRequests) {
  const HttpServer stalling(serve_300_and_stall);
  wait_bytes(start(stalling), 300);
  EXPECT_EQ(client_.reply(client_.load_reply("while it stalls"), {"Hi"}), "while it stalls");
  client_.close();
  EXPECT_EQ(read_file(target() + ".part"), kContent.substr(0, 300));
}

TEST_F(Download, TellsHowFarItIsAtMostTenTimesASecond) {
  const std::string large(std::size_t{32} << 20, 'a');
  const HttpServer server([&](const std::string&, Connection& to) {
    to.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(large.size()) + "\r\n\r\n");
    to.send(large);
  });
  const auto begin = Clock::now();
  const auto request = start(server);
  const auto last = end(request);
  const auto tenths = (Clock::now() - begin) / milliseconds(100);
  EXPECT_EQ(last.status, Status::kDownloaded) << last.info.value_or("");
  const auto steps = client_.all<p::DownloadSteps>(request);
  EXPECT_LE(static_cast<std::int64_t>(steps.size()), tenths + 4);
  for (std::size_t i = 1; i < steps.size(); ++i) EXPECT_GE(steps[i].bytes, steps[i - 1].bytes);
}

TEST_F(Download, OfWhatIsNoFileSaysSo) {
  const HttpServer server([](const std::string&, Connection& to) {
    to.send("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  expect_failed(end(start(server)), "not_found", "404");
  expect_failed(end(client_.send(p::DownloadModel{"no such name", target()})), "not_found", "no such name");
  expect_failed(end(client_.send(p::DownloadModel{"ftp://example.com/m.gguf", target()})), "invalid_argument", "https");
  expect_failed(end(client_.send(p::DownloadModel{server.url("/m"), target(), "abc"})), "invalid_argument", "64");
  EXPECT_EQ(client_.ask<p::Error>(p::DownloadModel{server.url("/m"), ""}).code, "invalid_argument");
}

TEST_F(Download, TheCatalogueHasNamesAndAddresses) {
  const auto entries = client_.ask<p::ModelCatalogue>(p::GetModelCatalogue{}).entries;
  ASSERT_FALSE(entries.empty());
  for (const auto& entry : entries) {
    EXPECT_FALSE(entry.name.empty());
    EXPECT_TRUE(entry.url.starts_with("https://")) << entry.url;
    EXPECT_TRUE(entry.sha256.empty() || entry.sha256.size() == 64) << entry.sha256;
  }
}

}  // namespace
}  // namespace rwkv::bridge::test
