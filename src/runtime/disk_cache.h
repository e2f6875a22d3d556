// States that outlive the process: the slow tier below the state cache.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <thread>

#include "base/token.h"
#include "engine/model.h"
#include "runtime/chunks.h"

namespace rwkv {

/// State files of one model in a folder of its own, bounded in bytes, the least recently used first to go. Other
/// processes may use the same folder: the bound is for what all of them keep there, and each finds what others wrote
/// when it writes itself. Writing is done by a thread of its own; what goes wrong there is logged and costs only time
/// later. Safe from any thread.
class DiskCache {
 public:
  struct Stats {
    std::size_t entries = 0;
    std::uint64_t bytes = 0;  // what is being written included
    std::uint64_t limit_bytes = 0;
  };

  /// Makes `folder` (UTF-8) and one in it for the model, and finds what earlier processes left there. Throws Error(kIo)
  /// when there can be no such folder, Error(kInvalidArgument) for a NUL in it.
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
  /// Forgets everything, of other processes too; the files are removed soon.
  void clear();

  /// Returns when everything offered so far is written and everything dropped is removed.
  void wait_until_written();
  /// What is in the folder now.
  Stats stats() const;

 private:
  struct Offer {
    Tokens tokens;
    State state;
  };

  void run() noexcept;
  void keep(const Offer& offer);
  void look();
  void remove_all();
  void use(const std::string& name);
  bool knows(const std::string& name, std::span<const TokenId> tokens) const;
  bool has_work() const;

  const std::uint64_t fingerprint_;
  const std::string backend_;
  const std::shared_ptr<const StateForm> form_;
  const std::filesystem::path folder_;
  const std::uint64_t limit_bytes_;

  // No file is looked at while this is held: models wait for it.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Tokens> entries_;  // by the file's name, as of the last look
  std::deque<Offer> offers_;
  std::uint64_t offered_bytes_ = 0;
  std::set<std::string> used_;  // whose time of last use is to be written down
  bool clear_asked_ = false;
  std::uint64_t unlisted_bytes_ = 0;  // of the thread: written since the last look
  bool writing_ = false;
  bool stopped_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace rwkv
