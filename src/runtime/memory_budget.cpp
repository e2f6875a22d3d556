#include "runtime/memory_budget.h"

#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/fork.h"

namespace rwkv {
namespace {

// One lock for all books: they change when models are loaded and released.
std::mutex& books_mutex() {
  static std::mutex mutex;  // needs no memory, so that asking for a limit cannot fail
  static const bool guarded = [] {
    const auto unlock = [] { mutex.unlock(); };
    at_fork([] { mutex.lock(); }, unlock, unlock);
    return true;
  }();
  static_cast<void>(guarded);
  return mutex;
}

MemoryBooks& books_of_the_process() {
  static auto* books = new MemoryBooks;
  return *books;
}

std::string megabytes(std::uint64_t bytes) { return std::to_string((bytes + (1u << 20) - 1) >> 20) + " MB"; }

// Memory that models have not been promised yet; 0: unknown.
std::uint64_t really_available(const Machine& machine, std::uint64_t mapped) {
  // Linux counts the pages of files as available, in use or not. Weights that are needed for each token are not.
  const bool counts_mapped = machine.system == "linux" || machine.system == "android";
  if (machine.available_bytes == 0 || !counts_mapped) return machine.available_bytes;
  return machine.available_bytes > mapped ? machine.available_bytes - mapped : 1;
}

}  // namespace

std::uint64_t MemoryBooks::growth(const std::string& file, const MemoryNeed& need) const {
  return need.owned + (files_.contains(file) ? 0 : need.mapped);
}

void MemoryBooks::add(const std::string& file, const MemoryNeed& need) {
  Mapping& mapping = files_[file];
  if (mapping.users++ == 0) mapped_ += mapping.bytes = need.mapped;
  owned_ += need.owned;
}

void MemoryBooks::remove(const std::string& file, const MemoryNeed& need) {
  const auto mapping = files_.find(file);
  owned_ -= need.owned;
  if (--mapping->second.users > 0) return;
  mapped_ -= mapping->second.bytes;
  files_.erase(mapping);
}

void MemoryBudget::set_limit(std::uint64_t bytes) {
  const std::lock_guard lock(books_mutex());
  limit_ = bytes;
}

std::uint64_t MemoryBudget::limit() const {
  const std::lock_guard lock(books_mutex());
  return limit_;
}

std::uint64_t MemoryBudget::granted() const {
  const std::lock_guard lock(books_mutex());
  return books_.total();
}

MemoryGrant::MemoryGrant(std::string file, const MemoryNeed& need, std::shared_ptr<MemoryBudget> budget,
                         const Machine& machine) {
  const std::lock_guard lock(books_mutex());
  MemoryBooks& process = books_of_the_process();
  const std::uint64_t available = really_available(machine, process.mapped());
  const bool machine_has_it = available == 0 || process.growth(file, need) <= available;
  const std::uint64_t limit = budget ? budget->limit_ : 0;
  const std::uint64_t in_use = budget ? budget->books_.total() : process.total();
  const bool budget_has_it = limit == 0 || in_use + budget->books_.growth(file, need) <= limit;
  if (!machine_has_it || !budget_has_it) {
    throw Error(ErrorCode::kOutOfMemory,
                "'" + file + "' needs " + megabytes(need.total()) + " of memory (weights " + megabytes(need.mapped) +
                    ", states and buffers " + megabytes(need.owned) + "), more than there is: budget " +
                    (limit > 0 ? megabytes(limit) : "none") + ", in use by models " + megabytes(in_use) +
                    ", available on this machine " + (available > 0 ? megabytes(available) : "unknown") +
                    "; release a model" + (budget_has_it ? "" : ", raise the budget") + " or use a smaller one",
                file);
  }
  process.add(file, need);
  if (budget) budget->books_.add(file, need);
  file_ = std::move(file);
  need_ = need;
  budget_ = std::move(budget);
}

MemoryGrant::~MemoryGrant() {
  if (file_.empty()) return;
  const std::lock_guard lock(books_mutex());
  books_of_the_process().remove(file_, need_);
  if (budget_) budget_->books_.remove(file_, need_);
}

void MemoryGrant::swap(MemoryGrant& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(need_, other.need_);
  std::swap(budget_, other.budget_);
}

void check_device_memory(const std::string& file, const MemoryNeed& need, const Device& device) {
  if (device.free_bytes == 0 || need.on_device <= device.free_bytes) return;
  throw Error(ErrorCode::kOutOfMemory,
              "'" + file + "' needs " + megabytes(need.on_device) + " of the memory of the device '" + device.id +
                  "', which has " + megabytes(device.free_bytes) +
                  " free; release a model there, load it on another device (--device) or use "
                  "a smaller one",
              file);
}

}  // namespace rwkv
