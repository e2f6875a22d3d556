#include "convert/tensor_writer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "convert/decoding.h"
#include "convert/encoding.h"

namespace rwkv::convert {
namespace {

constexpr std::uint64_t kPieceValues = 1u << 18;  // of one piece of work; at least a row
constexpr int kMostThreads = 16;

struct Piece {
  const PlannedTensor* tensor;
  std::uint64_t first_row;
  std::uint64_t rows;
};

std::vector<Piece> pieces_of(std::span<const PlannedTensor> tensors) {
  std::vector<Piece> pieces;
  for (const PlannedTensor& tensor : tensors) {
    const std::uint64_t rows_a_piece = std::max<std::uint64_t>(1, kPieceValues / tensor.row_length());
    const std::uint64_t rows = tensor.rows();
    for (std::uint64_t row = 0; row < rows; row += rows_a_piece) {
      pieces.push_back({&tensor, row, std::min(rows_a_piece, rows - row)});
    }
  }
  return pieces;
}

class Work {
 public:
  Work(const MappedFile& source, std::vector<Piece> pieces, AtomicFile& out)
      : source_(source), pieces_(std::move(pieces)), out_(out) {}

  /// What each thread does until nothing is left.
  void run() noexcept {
    try {
      std::vector<float> values;
      std::vector<std::byte> packed;
      for (std::size_t i = next_++; i < pieces_.size() && !stopped_; i = next_++) {
        convert(pieces_[i], values, packed);
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
    return static_cast<float>(done_) / static_cast<float>(std::max<std::size_t>(1, pieces_.size()));
  }

  /// After the threads have ended.
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void convert(const Piece& piece, std::vector<float>& values, std::vector<std::byte>& packed) {
    const PlannedTensor& tensor = *piece.tensor;
    values.resize(static_cast<std::size_t>(piece.rows * tensor.row_length()));
    packed.resize(static_cast<std::size_t>(piece.rows * tensor.row_bytes()));
    tensor.read_rows(piece.first_row, values);
    if (!fits(tensor.type, values)) {
      throw Error(ErrorCode::kBadFile, "'" + source_.path() + "': a value of tensor '" + tensor.name +
                                           "' is not finite, or too large for halves and quantised types; in the "
                                           "latter case convert to bf16 or f32");
    }
    encode(tensor.type, values, tensor.row_length(), packed);
    out_.write_at(tensor.offset + piece.first_row * tensor.row_bytes(), packed);
    for (const auto& span : tensor.source_bytes(piece.first_row, piece.rows)) source_.forget(span);
  }

  const MappedFile& source_;
  const std::vector<Piece> pieces_;
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

void write_tensors(const MappedFile& source, std::span<const PlannedTensor> tensors, AtomicFile& out,
                   const WriteOptions& options) {
  const auto processors = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const int wanted = std::clamp(options.threads > 0 ? options.threads : processors, 1, kMostThreads);
  Work work(source, pieces_of(tensors), out);
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
  options.cancel.check();
  if (options.progress) options.progress(1);
}

}  // namespace rwkv::convert
