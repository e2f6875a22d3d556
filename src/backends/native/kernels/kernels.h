// What the engine computes with. There is a set of these functions for each kind of processor, and all sets give the
// same bits: each value is made by the same additions and multiplications (joined where fma() stands) in the same
// order, and sums of bytes are exact. So nothing depends on how many tokens are computed at once, or on the processor.
//
// The sources of the sets are compiled with instructions that not every processor has. They include nothing but this,
// what stands beside it and headers of C, so that no function of theirs is shared with the rest of the program.
#pragma once

#include <math.h>  // fmaf and sqrtf: those of <cmath> are functions that the program would share

#include <cstddef>
#include <cstdint>

// Of a loop over what lies in registers: there may be no loop left.
#if defined(__clang__)
#define RWKV_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define RWKV_UNROLL _Pragma("GCC unroll 16")
#else
#define RWKV_UNROLL
#endif
// Of functions whose arguments are to stay in registers, and of one that is large enough by itself.
#if defined(__GNUC__)
#define RWKV_ALWAYS_INLINE [[gnu::always_inline]] inline
#define RWKV_NEVER_INLINE [[gnu::noinline]]
#else
#define RWKV_ALWAYS_INLINE inline
#define RWKV_NEVER_INLINE
#endif

namespace rwkv::native {

inline constexpr std::size_t kPanelRows = 16;    // of a matrix, side by side in memory: one a lane
inline constexpr std::size_t kWideRows = 128;    // of a matrix by columns, of which a column lies together
inline constexpr std::size_t kBlock = 32;        // values that share a scale
inline constexpr std::size_t kGroup = 4;         // values of a row that lie together in a panel
inline constexpr std::size_t kTile = 4;          // tokens whose vectors lie together
inline constexpr std::size_t kDecodePanels = 4;  // that a single token reads side by side
inline constexpr std::size_t kMostHeadSize = 1024;

/// The types of matrices that the engine knows.
enum class Packing : std::uint8_t { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_K, kQ5_K, kQ6_K };
inline constexpr std::size_t kPackings = 8;

constexpr bool is_float(Packing packing) {
  return packing == Packing::kF32 || packing == Packing::kF16 || packing == Packing::kBF16;
}

/// A matrix as panels of kPanelRows rows, the last one filled up with zeros, or as wide panels of kWideRows rows by
/// columns (of Q8_0, and rows that they divide). panels.h says how they are laid out.
struct PanelMatrix {
  Packing packing = Packing::kF32;
  std::size_t rows = 0;
  std::size_t columns = 0;  // of a matrix of blocks a multiple of kBlock
  std::size_t panel_bytes = 0;
  const std::byte* panels = nullptr;  // null: there is no such matrix
  bool by_columns = false;

  std::size_t panel_rows() const { return by_columns ? kWideRows : kPanelRows; }
  std::size_t panel_count() const { return (rows + panel_rows() - 1) / panel_rows(); }
};

/// Vectors that matrices are multiplied by, one a token, in the forms that the matrices want. Tokens lie in tiles of
/// kTile: first what all of them have of a group (or of a block, or of a column), then of the next one. So the rows
/// there is memory for are a multiple of kTile.
struct Vectors {
  std::size_t length = 0;
  std::size_t padded = 0;  // length, filled up with zeros to a multiple of kGroup
  // For matrices of floats, padded a token; null: not wanted.
  float* floats = nullptr;
  // For matrices of blocks: whole numbers, `length` a token, and for each block; null: not wanted.
  std::int8_t* values = nullptr;
  float* scales = nullptr;
  float* sums = nullptr;           // of a block's values, times the scale
  std::int32_t* totals = nullptr;  // of a block's values, times -1
  std::int32_t* halves = nullptr;  // the same of the two halves of a block, the first and the second
  // For a matrix by columns, of the first token alone: its values that are not zero, block after block, filled up with
  // zeros to fours; the places of their columns; and how many fours a block has. Null: not wanted.
  std::int8_t* nonzero = nullptr;
  std::uint32_t* places = nullptr;
  std::uint8_t* fours = nullptr;

  std::size_t blocks() const { return length / kBlock; }
};

/// What becomes of a product.
enum class Then { kSet, kAdd, kSquareOfPositive };

struct NormWeights {
  const float* weight = nullptr;
  const float* bias = nullptr;
};

/// What one head of one layer knows; all vectors begin at the head.
struct HeadWeights {
  const float *decay = nullptr, *rate = nullptr, *residual = nullptr;  // offsets w0, a0, v0
  const float *k_k = nullptr, *k_a = nullptr, *r_k = nullptr;
  NormWeights norm;
};

/// What a head computes of some tokens of one sequence; rows are `stride` apart, and all begin at the head.
struct HeadVectors {
  std::size_t stride = 0;
  const float *r = nullptr, *w = nullptr, *k = nullptr, *v = nullptr, *a = nullptr, *g = nullptr;
  const float* residual = nullptr;  // null: the first layer, which writes first_value
  float* first_value = nullptr;
  float* y = nullptr;
};

struct Kernels {
  const char* name;

  /// y[t][i] = row i of the matrix times vector t, for `count` panels from `first` on.
  void (*multiply)(const PanelMatrix& m, std::size_t first, std::size_t count, const Vectors& x, std::size_t tokens,
                   Then then, float* y, std::size_t y_stride);
  /// Puts a row of values into the forms that x has.
  void (*prepare)(const float* row, const Vectors& x, std::size_t token);
  /// To mean 0 and variance 1, then scaled and moved.
  void (*normalise)(const float* x, std::size_t count, float epsilon, NormWeights weights, float* out);
  /// out = x moved towards the input of the token before, by a share a value.
  void (*shift)(const float* x, const float* previous, const float* share, std::size_t count, float* out);
  void (*tanh)(float* x, std::size_t count);
  void (*sigmoid)(float* x, std::size_t count);
  /// The recurrence of one head. `state` has size x size values, keys as rows and values as columns.
  void (*head)(const HeadWeights& weights, const HeadVectors& x, std::size_t size, std::size_t tokens, float* state);
};

/// In plain C++.
extern const Kernels kPortable;
/// Of a processor that this build has them for and that has the instructions.
extern const Kernels kAvx2;
extern const Kernels kAvxVnni;
extern const Kernels kAvx512;
extern const Kernels kAvx512Vnni;
extern const Kernels kNeon;
extern const Kernels kNeonDot;

}  // namespace rwkv::native
