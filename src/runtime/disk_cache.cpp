#include "runtime/disk_cache.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "base/error_of.h"
#include "base/log.h"
#include "base/utf8_path.h"
#include "formats/state_file.h"

namespace rwkv {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kExtension = ".state";
constexpr std::chrono::hours kStale{1};
// States that wait to be written are kept in memory.
constexpr std::uint64_t kMostOfferedBytes = std::uint64_t{64} << 20;

std::string hexadecimal(std::uint64_t value) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[value >> shift & 15];
  return text;
}

// And not only unreadable at the moment, for want of memory or descriptors.
bool is_useless(const std::exception& error) {
  const auto* typed = dynamic_cast<const Error*>(&error);
  if (typed == nullptr) return false;
  return typed->code() == ErrorCode::kBadFile || typed->code() == ErrorCode::kInvalidArgument ||
         typed->code() == ErrorCode::kNotFound;
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
    throw Error(ErrorCode::kIo, "the folder '" + utf8_from_path(folder_) + "' cannot be made: " + error.message());
  scan();
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

// What earlier processes left, by the time of its last use.
void DiskCache::scan() {
  std::vector<std::pair<fs::file_time_type, Entry>> found;
  std::error_code error;
  for (const fs::directory_entry& file : fs::directory_iterator(folder_, error)) {
    if (file.path().extension() != kExtension) {
      // What a process left that was killed while it wrote.
      if (fs::file_time_type::clock::now() - file.last_write_time(error) > kStale) fs::remove(file.path(), error);
      continue;
    }
    try {
      StateFileHead head = read_state_file_head(utf8_from_path(file.path()));
      if (head.fingerprint != fingerprint_) continue;
      found.emplace_back(file.last_write_time(), Entry{std::move(head.tokens), file.path(), file.file_size()});
    } catch (const std::exception& bad) {
      log::warn(std::string("a remembered state is of no use: ") + bad.what());
      if (is_useless(bad)) fs::remove(file.path(), error);
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (auto& [time, entry] : found) {
    bytes_ += entry.bytes;
    entries_.push_back(std::move(entry));
  }
  while (bytes_ > limit_bytes_ && !entries_.empty()) drop(std::prev(entries_.end()));
}

fs::path DiskCache::path_of(std::span<const TokenId> tokens) const {
  return folder_ / (hexadecimal(checksum(std::as_bytes(tokens))) + std::string(kExtension));
}

std::list<DiskCache::Entry>::iterator DiskCache::find(std::span<const TokenId> tokens) {
  return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.tokens.size() == tokens.size() && begins_with(entry.tokens, tokens);
  });
}

// The file is removed by the thread, which waits for no lock then.
void DiskCache::drop(std::list<Entry>::iterator entry) {
  dropped_.push_back(std::move(entry->path));
  bytes_ -= entry->bytes;
  entries_.erase(entry);
  changed_.notify_all();
}

void DiskCache::offer(std::span<const TokenId> tokens, const State& state) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = find(tokens); known != entries_.end()) {
      entries_.splice(entries_.begin(), entries_, known);
      return;
    }
    const std::uint64_t bytes = state.bytes().size();
    if (state.is_zero() || bytes > limit_bytes_) return;
    if (!offers_.empty() && offered_bytes_ + bytes > kMostOfferedBytes) return;
    offered_bytes_ += bytes;
    offers_.push_back({Tokens(tokens.begin(), tokens.end()), state});
  }
  changed_.notify_all();
}

State DiskCache::longest_prefix(std::span<const TokenId> tokens, std::size_t known, StableCut cut) {
  while (true) {
    std::string path;
    {
      const std::lock_guard lock(mutex_);
      auto best = entries_.end();
      for (auto it = entries_.begin(); it != entries_.end(); ++it) {
        const std::size_t size = it->tokens.size();
        if (size <= std::max(known, best == entries_.end() ? 0 : best->tokens.size())) continue;
        if (can_begin_at(size, tokens.size(), cut) && begins_with(tokens, it->tokens)) best = it;
      }
      if (best == entries_.end()) return {};
      std::error_code error;
      fs::last_write_time(best->path, fs::file_time_type::clock::now(), error);
      entries_.splice(entries_.begin(), entries_, best);
      path = utf8_from_path(best->path);
    }
    try {
      const StateFile file = read_state_file(path);
      if (file.fingerprint == fingerprint_ && begins_with(tokens, file.tokens)) {
        return form_->state_of(file.tensors, static_cast<std::int64_t>(file.tokens.size()));
      }
    } catch (const std::exception& bad) {
      log::warn(std::string("a remembered state is of no use: ") + bad.what());
      if (!is_useless(bad)) return {};
    }
    const std::lock_guard lock(mutex_);
    const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& other) { return utf8_from_path(other.path) == path; });
    if (entry != entries_.end()) drop(entry);
  }
}

void DiskCache::clear() {
  const std::lock_guard lock(mutex_);
  ++clears_;
  while (!entries_.empty()) drop(entries_.begin());
  offers_.clear();
  offered_bytes_ = 0;
}

void DiskCache::wait_until_written() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return offers_.empty() && dropped_.empty() && !writing_; });
}

DiskCache::Stats DiskCache::stats() const {
  const std::lock_guard lock(mutex_);
  return {entries_.size(), bytes_, limit_bytes_};
}

void DiskCache::run() noexcept {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopped_ || !offers_.empty() || !dropped_.empty(); });
    if (offers_.empty() && dropped_.empty()) return;
    const std::vector<fs::path> dropped = std::exchange(dropped_, {});
    Offer offer;
    if (!offers_.empty()) {
      offer = std::move(offers_.front());
      offers_.pop_front();
      offered_bytes_ -= offer.state.bytes().size();
    }
    writing_ = true;
    const std::uint64_t clears = clears_;
    lock.unlock();
    const auto error = error_of([&] {
      std::error_code ignored;
      for (const fs::path& path : dropped) fs::remove(path, ignored);
      if (!offer.tokens.empty()) write(offer);
    });
    if (error) log::warn(std::string("a state could not be kept on disk: ") + error->what());
    lock.lock();
    if (const auto entry = find(offer.tokens); clears != clears_ && entry != entries_.end()) drop(entry);
    writing_ = false;
    changed_.notify_all();
  }
}

void DiskCache::write(const Offer& offer) {
  const fs::path path = path_of(offer.tokens);
  StateFile file;
  file.fingerprint = fingerprint_;
  file.backend = backend_;
  file.tokens = offer.tokens;
  file.tensors = form_->tensors_of(offer.state);
  write_state_file(utf8_from_path(path), file);
  const std::uint64_t bytes = fs::file_size(path);
  const std::lock_guard lock(mutex_);
  // Another text with the same checksum has just been replaced.
  const auto replaced =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.path == path; });
  if (replaced != entries_.end()) {
    bytes_ -= replaced->bytes;
    entries_.erase(replaced);
  }
  entries_.push_front({offer.tokens, path, bytes});
  bytes_ += bytes;
  while (bytes_ > limit_bytes_ && !entries_.empty()) drop(std::prev(entries_.end()));
}

}  // namespace rwkv
