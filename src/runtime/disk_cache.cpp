#include "runtime/disk_cache.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "base/error_of.h"
#include "base/list_folder.h"
#include "base/log.h"
#include "base/utf8_path.h"
#include "formats/state_file.h"

namespace rwkv {
namespace {

namespace fs = std::filesystem;

// A process that was killed while it wrote leaves what is older than this.
constexpr std::chrono::hours kStale{1};
// States that wait to be written are kept in memory.
constexpr std::uint64_t kMostOfferedBytes = std::uint64_t{64} << 20;

constexpr std::string_view kExtension = ".state";

std::string hexadecimal(std::uint64_t value) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[value >> shift & 15];
  return text;
}

std::string name_of(std::string_view backend, std::span<const TokenId> tokens) {
  return hexadecimal(checksum(std::as_bytes(tokens), checksum(std::as_bytes(std::span(backend))))) +
         std::string(kExtension);
}

struct Found {
  std::string name;
  std::uint64_t bytes = 0;
  fs::file_time_type used;
  bool complete = true;  // else somebody is writing it
};

enum class Kind { kStrange, kState, kBeingWritten };

// By the name: that of name_of(), or with what an AtomicFile puts behind it.
Kind kind_of(std::string_view name) {
  constexpr std::size_t kDigits = 16;
  constexpr std::string_view kTemporary = ".tmp";
  if (name.substr(0, kDigits).find_first_not_of("0123456789abcdef") != std::string_view::npos) return Kind::kStrange;
  if (name.size() < kDigits + kExtension.size() || name.substr(kDigits, kExtension.size()) != kExtension) {
    return Kind::kStrange;
  }
  const std::string_view rest = name.substr(kDigits + kExtension.size());
  if (rest.empty()) return Kind::kState;
  const bool is_temporary =
      rest.size() > kTemporary.size() && rest.ends_with(kTemporary) && rest.starts_with('.') &&
      rest.substr(1, rest.size() - 1 - kTemporary.size()).find_first_not_of("0123456789-") == std::string_view::npos;
  return is_temporary ? Kind::kBeingWritten : Kind::kStrange;
}

// What is ours in the folder, of whichever process; nothing where there is no folder (any more).
std::vector<Found> ours_in(const fs::path& folder) {
  std::vector<Found> found;
  std::error_code error;
  for (std::string& name : names_in(folder, error)) {
    Found file;
    file.name = std::move(name);
    const Kind kind = kind_of(file.name);
    if (kind == Kind::kStrange) continue;
    std::error_code gone;
    file.complete = kind == Kind::kState;
    const fs::path path = folder / path_from_utf8(file.name);
    file.bytes = fs::file_size(path, gone);
    if (!gone) file.used = fs::last_write_time(path, gone);
    if (!gone) found.push_back(std::move(file));
  }
  return found;
}

// And not only unreadable at the moment, for want of memory or descriptors.
bool is_useless(const std::exception& error) {
  const auto* typed = dynamic_cast<const Error*>(&error);
  return typed != nullptr && (typed->code() == ErrorCode::kBadFile || typed->code() == ErrorCode::kInvalidArgument);
}

// Another process may have removed it.
bool is_missing(const std::exception& error) {
  const auto* typed = dynamic_cast<const Error*>(&error);
  return typed != nullptr && typed->code() == ErrorCode::kNotFound;
}

bool begins_with(std::span<const TokenId> text, std::span<const TokenId> beginning) {
  return text.size() >= beginning.size() && std::equal(beginning.begin(), beginning.end(), text.begin());
}

}  // namespace

DiskCache::DiskCache(const ModelInfo& info, std::shared_ptr<const StateForm> form, const std::string& folder,
                     std::uint64_t limit_bytes)
    : fingerprint_(info.fingerprint),
      backend_(info.backend),
      form_(std::move(form)),
      folder_(path_from_utf8(folder) / hexadecimal(info.fingerprint)),
      limit_bytes_(limit_bytes) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error)
    throw Error(ErrorCode::kIo, "the folder '" + utf8_from_path(folder_) + "' cannot be made: " + error.message(),
                utf8_from_path(folder_));
  look();
  thread_ = std::thread([this] { run(); });
}

DiskCache::~DiskCache() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

// Removes what is too much, whoever wrote it, and learns what others wrote and removed.
void DiskCache::look() {
  std::vector<Found> found = ours_in(folder_);
  const auto remove = [&](const Found& file) {
    std::error_code error;
    fs::remove(folder_ / path_from_utf8(file.name), error);
    return !error;
  };
  const auto now = fs::file_time_type::clock::now();
  std::uint64_t bytes = 0;
  for (const Found& file : found) {
    if (file.complete || now - file.used < kStale || !remove(file)) bytes += file.bytes;
  }
  std::erase_if(found, [](const Found& file) { return !file.complete; });
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.used < b.used; });
  auto kept = found.begin();
  for (; kept != found.end() && bytes > limit_bytes_; ++kept) {
    if (remove(*kept)) bytes -= kept->bytes;
  }
  found.erase(found.begin(), kept);

  std::map<std::string, Tokens> entries;
  std::vector<std::string> strange;
  {
    const std::lock_guard lock(mutex_);
    for (const Found& file : found) {
      const auto known = entries_.find(file.name);
      if (known == entries_.end()) {
        strange.push_back(file.name);
      } else {
        entries.insert(entries_.extract(known));
      }
    }
    entries_.swap(entries);
  }
  for (const std::string& name : strange) {
    const fs::path path = folder_ / path_from_utf8(name);
    try {
      StateFileHead head = read_state_file_head(utf8_from_path(path));
      // Another backend's numbers differ in their last bits, and no answer may depend on what a cache has.
      if (head.fingerprint != fingerprint_ || head.backend != backend_) continue;
      const std::lock_guard lock(mutex_);
      if (!clear_asked_) entries_.emplace(name, std::move(head.tokens));
    } catch (const std::exception& bad) {
      if (is_missing(bad)) continue;
      log::warn(std::string("a remembered state is of no use: ") + bad.what());
      std::error_code error;
      if (is_useless(bad)) fs::remove(path, error);
    }
  }
}

bool DiskCache::knows(const std::string& name, std::span<const TokenId> tokens) const {
  const auto known = entries_.find(name);
  return known != entries_.end() && known->second.size() == tokens.size() && begins_with(tokens, known->second);
}

bool DiskCache::has_work() const { return !offers_.empty() || !used_.empty() || clear_asked_; }

void DiskCache::offer(std::span<const TokenId> tokens, const State& state) {
  {
    std::string name = name_of(backend_, tokens);
    const std::lock_guard lock(mutex_);
    if (knows(name, tokens)) {
      used_.insert(std::move(name));
    } else {
      const std::uint64_t bytes = state.bytes();
      if (state.is_zero() || bytes > limit_bytes_) return;
      if (!offers_.empty() && offered_bytes_ + bytes > kMostOfferedBytes) return;
      offers_.push_back({Tokens(tokens.begin(), tokens.end()), state});
      offered_bytes_ += bytes;
    }
  }
  changed_.notify_all();
}

State DiskCache::longest_prefix(std::span<const TokenId> tokens, std::size_t known, StableCut cut) {
  while (true) {
    std::string name;
    {
      const std::lock_guard lock(mutex_);
      std::size_t longest = known;
      for (const auto& [other, stored] : entries_) {
        if (stored.size() <= longest || !can_begin_at(stored.size(), tokens.size(), cut)) continue;
        if (!begins_with(tokens, stored)) continue;
        longest = stored.size();
        name = other;
      }
    }
    if (name.empty()) return {};
    const fs::path path = folder_ / path_from_utf8(name);
    std::error_code error;
    try {
      const StateFile file = read_state_file(utf8_from_path(path));
      if (file.fingerprint == fingerprint_ && file.backend == backend_ && begins_with(tokens, file.tokens)) {
        fs::last_write_time(path, fs::file_time_type::clock::now(), error);
        return form_->state_of(file.tensors, static_cast<std::int64_t>(file.tokens.size()));
      }
    } catch (const std::exception& bad) {
      if (!is_missing(bad)) {
        log::warn(std::string("a remembered state is of no use: ") + bad.what());
        if (!is_useless(bad)) return {};
      }
    }
    fs::remove(path, error);
    const std::lock_guard lock(mutex_);
    entries_.erase(name);
  }
}

void DiskCache::clear() {
  {
    const std::lock_guard lock(mutex_);
    clear_asked_ = true;
    entries_.clear();
    used_.clear();
    offers_.clear();
    offered_bytes_ = 0;
  }
  changed_.notify_all();
}

void DiskCache::wait_until_written() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !has_work() && !writing_; });
}

DiskCache::Stats DiskCache::stats() const {
  Stats stats;
  stats.limit_bytes = limit_bytes_;
  for (const Found& file : ours_in(folder_)) {
    stats.entries += file.complete ? 1 : 0;
    stats.bytes += file.bytes;
  }
  return stats;
}

void DiskCache::run() noexcept {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopped_ || has_work(); });
    if (!has_work()) return;
    const bool clear = std::exchange(clear_asked_, false);
    const std::set<std::string> used = std::exchange(used_, {});
    Offer offer;
    if (!offers_.empty()) {
      offer = std::move(offers_.front());
      offers_.pop_front();
      offered_bytes_ -= offer.state.bytes();
    }
    // A look costs microseconds a file: while there is more to be written, the bound may be passed by a little.
    const std::uint64_t may_wait = offers_.empty() ? 0 : limit_bytes_ / 16;
    writing_ = true;
    lock.unlock();
    const auto error = error_of([&] {
      if (clear) remove_all();
      for (const std::string& name : used) use(name);
      if (!offer.tokens.empty()) keep(offer);
    });
    if (error) log::warn(std::string("a state could not be kept on disk: ") + error->what());
    if (unlisted_bytes_ > may_wait) {
      unlisted_bytes_ = 0;
      if (const auto unlisted = error_of([&] { look(); })) log::warn(unlisted->what());
    }
    lock.lock();
    writing_ = false;
    changed_.notify_all();
  }
}

void DiskCache::remove_all() {
  for (const Found& file : ours_in(folder_)) {
    std::error_code error;
    if (file.complete) fs::remove(folder_ / path_from_utf8(file.name), error);
  }
}

// One that is gone is written when it is offered again.
void DiskCache::use(const std::string& name) {
  std::error_code gone;
  fs::last_write_time(folder_ / path_from_utf8(name), fs::file_time_type::clock::now(), gone);
  if (!gone) return;
  const std::lock_guard lock(mutex_);
  entries_.erase(name);
}

void DiskCache::keep(const Offer& offer) {
  StateFile file;
  file.fingerprint = fingerprint_;
  file.backend = backend_;
  file.tokens = offer.tokens;
  file.tensors = form_->tensors_of(offer.state);
  const std::string name = name_of(backend_, offer.tokens);
  fs::create_directories(folder_);  // somebody may have removed it
  unlisted_bytes_ += offer.state.bytes();
  write_state_file(utf8_from_path(folder_ / path_from_utf8(name)), file);
  {
    const std::lock_guard lock(mutex_);
    // Also where another text with the same checksum has just been replaced.
    if (!clear_asked_) entries_[name] = offer.tokens;
  }
  use(name);  // by the clock that counts for all, which is finer than a file system's
}

}  // namespace rwkv
