#include "bridge/downloads.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "base/error_of.h"
#include "base/insist.h"
#include "fetch/request.h"

namespace rwkv::bridge {
namespace {

constexpr std::chrono::milliseconds kProgressInterval{100};

std::int64_t next_id() {
  static std::atomic<std::int64_t> last{0};
  return ++last;
}

}  // namespace

struct Downloads::Download {
  const std::int64_t id = next_id();
  Origin origin;
  protocol::DownloadModel request;
  CancelToken cancel;
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> total{0};  // 0: unknown
  std::atomic<bool> letter_waits{false};
  std::thread thread;

  protocol::DownloadSteps step(protocol::DownloadStatus status) const {
    protocol::DownloadSteps steps;
    steps.status = status;
    steps.download_id = id;
    steps.bytes = static_cast<std::int64_t>(bytes.load());
    if (const std::uint64_t known = total.load(); known > 0) steps.total_bytes = static_cast<std::int64_t>(known);
    return steps;
  }
  protocol::DownloadSteps failed(const Error& error) const {
    if (error.code() == ErrorCode::kCancelled) return step(protocol::DownloadStatus::kCancelled);
    protocol::DownloadSteps steps = step(protocol::DownloadStatus::kFailed);
    steps.info = error.what();
    steps.code = to_string(error.code());
    return steps;
  }
};

Downloads::~Downloads() {
  cancel_all();
  for (const auto& [id, download] : running_) download->thread.join();
}

void Downloads::start(const Origin& origin, const protocol::DownloadModel& request) {
  const auto download = std::make_shared<Download>();
  download->origin = origin;
  download->request = request;
  running_.emplace(download->id, download);
  const auto error = error_of([&] {
    tell_(origin, download->step(protocol::DownloadStatus::kDownloading));
    download->thread = std::thread([this, download] { work(download); });
  });
  if (!error) return;
  running_.erase(download->id);
  tell_(origin, download->failed(*error));
}

// On the download's thread.
void Downloads::work(const std::shared_ptr<Download>& download) {
  auto next_letter = Mailbox::Clock::now();
  const auto on_progress = [&](std::uint64_t bytes, std::uint64_t total) {
    download->bytes = bytes;
    download->total = total;
    if (download->letter_waits.exchange(true)) return;
    const auto time = std::max(next_letter, Mailbox::Clock::now());
    next_letter = time + kProgressInterval;
    const auto unsent = error_of([&] {
      mailbox_.post_at(time, [this, download] {
        download->letter_waits = false;
        if (running_.contains(download->id))
          tell_(download->origin, download->step(protocol::DownloadStatus::kDownloading));
      });
    });
    if (unsent) download->letter_waits = false;  // the next one may find memory
  };
  protocol::DownloadSteps last;
  const auto error = error_of([&] {
    const protocol::DownloadModel& asked = download->request;
    fetch::DownloadRequest request = fetch::request_for(asked.source, asked.path, asked.sha256);
    if (!asked.token.empty()) request.token = asked.token;
    const fetch::DownloadResult result = fetch::download(request, on_progress, download->cancel);
    download->bytes = download->total = result.bytes;
    last = download->step(protocol::DownloadStatus::kDownloaded);
    last.resumed_from = static_cast<std::int64_t>(result.resumed_from);
    last.path = request.path;
    last.sha256 = result.sha256;
    last.verified = result.verified;
  });
  insist([&] {
    if (error) last = download->failed(*error);
    mailbox_.post([this, download, last] { ended(download, last); });
  });
}

void Downloads::ended(const std::shared_ptr<Download>& download, const protocol::DownloadSteps& last) {
  download->thread.join();  // this was its last task
  running_.erase(download->id);
  tell_(download->origin, last);
}

void Downloads::cancel(std::int64_t id) {
  if (const auto found = running_.find(id); found != running_.end()) found->second->cancel.cancel();
}

void Downloads::cancel_of(PortId port) {
  for (const auto& [id, download] : running_) {
    if (download->origin.port == port) download->cancel.cancel();
  }
}

void Downloads::cancel_all() {
  for (const auto& [id, download] : running_) download->cancel.cancel();
}

}  // namespace rwkv::bridge
