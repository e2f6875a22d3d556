// States that outlive the process: the slow tier below the state cache.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/token.h"
#include "engine/model.h"
#include "runtime/reading.h"

namespace rwkv {

/// State files of one model in a folder of its own, bounded in bytes, the least recently used first to go. Writing is
/// done by a thread of its own; what goes wrong there is logged and costs only time later. Safe from any thread.
class DiskCache {
 public:
  struct Stats {
    std::size_t entries = 0;
    std::uint64_t bytes = 0;
    std::uint64_t limit_bytes = 0;
  };

  /// Makes `folder` (UTF-8) and one in it for the model, and finds what earlier processes left there. Throws Error(kIo)
  /// when there can be no such folder.
  DiskCache(const ModelInfo& info, std::shared_ptr<const StateForm> form, const std::string& folder,
            std::uint64_t limit_bytes);
  DiskCache(const DiskCache&) = delete;
  DiskCache& operator=(const DiskCache&) = delete;
  /// Writes what is still to be written.
  ~DiskCache();

  /// Has the state after `tokens` written soon, unless too much is waiting already.
  void offer(std::span<const TokenId> tokens, const State& state);
  /// The state of the longest stored prefix with more than `known` tokens; the zero state if there is none. Only
  /// prefixes are looked at with which can_begin_at() agrees. A damaged file is removed.
  State longest_prefix(std::span<const TokenId> tokens, std::size_t known, StableCut cut);
  /// Forgets everything; the files are removed soon.
  void clear();

  /// Returns when everything offered so far is written and everything dropped is removed.
  void wait_until_written();
  Stats stats() const;

 private:
  struct Entry {
    Tokens tokens;
    std::filesystem::path path;
    std::uint64_t bytes = 0;
  };
  struct Offer {
    Tokens tokens;
    State state;
  };

  void scan();
  void run() noexcept;
  void write(const Offer& offer);
  void drop(std::list<Entry>::iterator entry);
  std::list<Entry>::iterator find(std::span<const TokenId> tokens);
  std::filesystem::path path_of(std::span<const TokenId> tokens) const;

  const std::uint64_t fingerprint_;
  const std::string backend_;
  const std::shared_ptr<const StateForm> form_;
  std::filesystem::path folder_;
  std::uint64_t limit_bytes_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Entry> entries_;  // most recently used first
  std::uint64_t bytes_ = 0;
  std::deque<Offer> offers_;
  std::uint64_t offered_bytes_ = 0;
  std::vector<std::filesystem::path> dropped_;  // to be removed
  std::uint64_t clears_ = 0;  // calls of clear(), so that what is being written then does not come back
  bool writing_ = false;
  bool stopped_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace rwkv
