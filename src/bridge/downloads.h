// Files on their way from the network, each with a thread of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "base/cancel.h"
#include "bridge/client.h"
#include "bridge/mailbox.h"
#include "protocol/downloads.h"

namespace rwkv::bridge {

/// Belongs to the runtime's thread. Threads of downloads tell how far they are by mail, at most once in 100 ms and
/// never while an earlier letter waits, so that neither a fast network nor a slow client fills the mailbox.
class Downloads {
 public:
  /// Tells the client that asked a step, on the runtime's thread. The step that ends a download is the last of its
  /// request.
  using Tell = std::function<void(const Origin&, const protocol::DownloadSteps&)>;

  Downloads(Mailbox& mailbox, Tell tell) : mailbox_(mailbox), tell_(std::move(tell)) {}
  Downloads(const Downloads&) = delete;
  Downloads& operator=(const Downloads&) = delete;
  /// Cancels all and waits for their ends.
  ~Downloads();

  /// Tells the first step and begins; one that cannot begin fails. Throws where memory lacks, and has told nothing
  /// then.
  void start(const Origin& origin, const protocol::DownloadModel& request);
  /// Nothing where there is no such download.
  void cancel(std::int64_t id);
  void cancel_of(PortId port);
  void cancel_all();
  bool empty() const noexcept { return running_.empty(); }

 private:
  struct Download;

  void work(const std::shared_ptr<Download>& download);
  void ended(const std::shared_ptr<Download>& download, const protocol::DownloadSteps& last);

  Mailbox& mailbox_;
  const Tell tell_;
  std::map<std::int64_t, std::shared_ptr<Download>> running_;
};

}  // namespace rwkv::bridge
