#include "convert/tensor_writer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <variant>

#include "base/crc32.h"
#include "convert/decoding.h"
#include "convert/encoding.h"

namespace rwkv::convert {
namespace {

constexpr std::uint64_t kPieceValues = 1u << 18;  // of one piece of work; at least a row
constexpr std::size_t kCheckedBytes = 1u << 20;   // between two looks at whether to stop
constexpr int kMostThreads = 16;

struct Piece {
  const PlannedTensor* tensor;
  std::uint64_t first_row;
  std::uint64_t rows;
};

/// A storage to check or a piece to convert.
using Item = std::variant<const WeightStorage*, Piece>;

/// Each storage comes right before the first tensor in it, so that both read it from the disk once.
std::vector<Item> items_of(const std::vector<WeightStorage>& storages, std::span<const PlannedTensor> tensors) {
  std::vector<Item> items;
  std::vector<bool> is_there(storages.size());
  const auto lies_before = [](const std::byte* place, const WeightStorage& storage) {
    return place < storage.data.data();
  };
  for (const PlannedTensor& tensor : tensors) {
    for (const SourceView& part : tensor.parts) {
      const auto after = std::upper_bound(storages.begin(), storages.end(), part.data.data(), lies_before);
      if (after == storages.begin()) continue;
      const auto index = static_cast<std::size_t>(after - storages.begin()) - 1;
      if (!is_there[index]) items.emplace_back(&storages[index]);
      is_there[index] = true;
    }
    const std::uint64_t rows_a_piece = std::max<std::uint64_t>(1, kPieceValues / tensor.row_length());
    const std::uint64_t rows = tensor.rows();
    for (std::uint64_t row = 0; row < rows; row += rows_a_piece) {
      items.emplace_back(Piece{&tensor, row, std::min(rows_a_piece, rows - row)});
    }
  }
  return items;
}

class Work {
 public:
  Work(const Checkpoint& source, std::span<const PlannedTensor> tensors, AtomicFile& out)
      : source_(source), items_(items_of(source.weights.storages(), tensors)), out_(out) {}

  /// What each thread does until nothing is left.
  void run() noexcept {
    try {
      std::vector<float> values;
      std::vector<std::byte> packed;
      for (std::size_t i = next_++; i < items_.size() && !stopped_; i = next_++) {
        if (const auto* storage = std::get_if<const WeightStorage*>(&items_[i])) {
          check(**storage);
        } else {
          convert(std::get<Piece>(items_[i]), values, packed);
        }
        ++done_;
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      stopped_ = true;
    }
    const std::lock_guard lock(mutex_);
    ++ended_;
    changed_.notify_all();
  }

  void stop() noexcept { stopped_ = true; }

  /// Whether all threads have ended, after a short wait for it.
  bool wait(int threads) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(20), [&] { return ended_ == threads; });
  }

  float part_done() const {
    return static_cast<float>(done_) / static_cast<float>(std::max<std::size_t>(1, items_.size()));
  }

  /// After the threads have ended.
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void check(const WeightStorage& storage) {
    const MappedFile& file = source_.file_of(storage.data);
    std::uint32_t crc = 0;
    for (auto rest = storage.data; !rest.empty();) {
      if (stopped_) return;
      const auto part = rest.first(std::min(rest.size(), kCheckedBytes));
      crc = crc32(part, crc);
      file.forget(part);
      rest = rest.subspan(part.size());
    }
    if (crc == storage.crc) return;
    throw Error(ErrorCode::kBadFile,
                "'" + file.path() + "': '" + std::string(storage.name.substr(0, 256)) +
                    "' in it does not have its checksum: the file is damaged; copy or download "
                    "it again",
                file.path());
  }

  void convert(const Piece& piece, std::vector<float>& values, std::vector<std::byte>& packed) {
    const PlannedTensor& tensor = *piece.tensor;
    values.resize(static_cast<std::size_t>(piece.rows * tensor.row_length()));
    packed.resize(static_cast<std::size_t>(piece.rows * tensor.row_bytes()));
    tensor.read_rows(piece.first_row, values);
    if (!fits(tensor.type, values)) {
      // Damage is the better reason; another thread may not have come to see it.
      for (const WeightStorage& storage : source_.weights.storages()) check(storage);
      const std::string& path = source_.file_of(tensor.parts.front().data).path();
      throw Error(ErrorCode::kBadFile,
                  "'" + path + "': a value of tensor '" + tensor.name +
                      "' is not finite, or too large for halves and quantised types; in the "
                      "latter case convert to bf16 or f32",
                  path);
    }
    encode(tensor.type, values, tensor.row_length(), packed);
    out_.write_at(tensor.offset + piece.first_row * tensor.row_bytes(), packed);
    for (const auto& span : tensor.source_bytes(piece.first_row, piece.rows)) source_.file_of(span).forget(span);
  }

  const Checkpoint& source_;
  const std::vector<Item> items_;
  AtomicFile& out_;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> done_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  int ended_ = 0;               // threads; guarded by mutex_
  std::exception_ptr failure_;  // the first; guarded by mutex_
};

}  // namespace

void write_tensors(const Checkpoint& source, std::span<const PlannedTensor> tensors, AtomicFile& out,
                   const WriteOptions& options) {
  const auto processors = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const int wanted = std::clamp(options.threads > 0 ? options.threads : processors, 1, kMostThreads);
  Work work(source, tensors, out);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < wanted; ++i) threads.emplace_back([&work] { work.run(); });
    try {
      while (!work.wait(wanted)) {
        options.cancel.check();
        if (options.progress) options.progress(work.part_done());
      }
    } catch (...) {
      work.stop();
      throw;
    }
  }
  work.rethrow();
  for (const MappedFile& file : source.files) file.check_whole();
  options.cancel.check();
  if (options.progress) options.progress(1);
}

}  // namespace rwkv::convert
