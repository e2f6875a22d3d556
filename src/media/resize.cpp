#include "media/resize.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace rwkv {
namespace {

double triangle(double x) { return std::max(0.0, 1.0 - std::fabs(x)); }

/// Keys' cubic convolution with a = -0.5.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/// For each place of a line of `to` places, the weights of the places of a line of `from` that it is made of.
struct Weights {
  struct Span {
    int begin = 0;
    int count = 0;
  };
  std::vector<Span> spans;
  std::vector<double> values;  // `stride` for each span
  std::size_t stride = 0;

  Weights(int from, int to, ResizeFilter filter) : spans(static_cast<std::size_t>(to)) {
    const double scale = static_cast<double>(from) / to;
    const double widened = std::max(scale, 1.0);
    const double support = (filter == ResizeFilter::kBicubic ? 2.0 : 1.0) * widened;
    stride = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
    values.resize(stride * spans.size());
    for (int place = 0; place < to; ++place) {
      const double centre = (place + 0.5) * scale;
      const int begin = std::max(static_cast<int>(centre - support + 0.5), 0);
      const int end = std::min(static_cast<int>(centre + support + 0.5), from);
      double* weights = &values[static_cast<std::size_t>(place) * stride];
      double sum = 0;
      for (int i = begin; i < end; ++i) {
        const double x = (i - centre + 0.5) * (1.0 / widened);
        sum += weights[i - begin] = filter == ResizeFilter::kBicubic ? cubic(x) : triangle(x);
      }
      for (int i = begin; i < end && sum != 0; ++i) weights[i - begin] /= sum;
      spans[static_cast<std::size_t>(place)] = {begin, end - begin};
    }
  }
};

constexpr int kBits = 22;

std::vector<std::int32_t> in_fixed_point(const Weights& weights) {
  std::vector<std::int32_t> fixed(weights.values.size());
  std::transform(weights.values.begin(), weights.values.end(), fixed.begin(), [](double value) {
    return static_cast<std::int32_t>(value * (1 << kBits) + (value < 0 ? -0.5 : 0.5));
  });
  return fixed;
}

/// One pass over bytes: `lines` lines of triples; `step` bytes from a place of a line to the next, `next_line` from a
/// line to the next.
struct Pass {
  int lines;
  std::ptrdiff_t step;
  std::ptrdiff_t next_line;
};

void run_pass(const std::uint8_t* in, Pass in_pass, std::uint8_t* out, Pass out_pass, const Weights& weights) {
  const std::vector<std::int32_t> fixed = in_fixed_point(weights);
  for (std::size_t place = 0; place < weights.spans.size(); ++place) {
    const auto [begin, count] = weights.spans[place];
    const std::int32_t* factors = &fixed[place * weights.stride];
    std::uint8_t* target = out + static_cast<std::ptrdiff_t>(place) * out_pass.step;
    const std::uint8_t* source = in + begin * in_pass.step;
    for (int line = 0; line < in_pass.lines; ++line, source += in_pass.next_line, target += out_pass.next_line) {
      std::int32_t sums[3] = {1 << (kBits - 1), 1 << (kBits - 1), 1 << (kBits - 1)};
      const std::uint8_t* pixel = source;
      for (int i = 0; i < count; ++i, pixel += in_pass.step) {
        for (int channel = 0; channel < 3; ++channel) sums[channel] += pixel[channel] * factors[i];
      }
      for (int channel = 0; channel < 3; ++channel) {
        target[channel] = static_cast<std::uint8_t>(std::clamp(sums[channel] >> kBits, 0, 255));
      }
    }
  }
}

Picture blank(int width, int height) {
  return {width, height,
          std::vector<std::uint8_t>(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3)};
}

}  // namespace

Picture resize(const Picture& picture, int width, int height, ResizeFilter filter) {
  Picture across;
  const Picture* source = &picture;
  if (width != picture.width) {
    across = blank(width, picture.height);
    run_pass(picture.rgb.data(), {picture.height, 3, picture.width * std::ptrdiff_t{3}}, across.rgb.data(),
             {picture.height, 3, width * std::ptrdiff_t{3}}, Weights(picture.width, width, filter));
    source = &across;
  }
  if (height == picture.height) return width == picture.width ? picture : across;
  Picture down = blank(width, height);
  const std::ptrdiff_t row = width * std::ptrdiff_t{3};
  run_pass(source->rgb.data(), {width, row, 3}, down.rgb.data(), {width, row, 3},
           Weights(picture.height, height, filter));
  return down;
}

std::vector<float> resize_planes(const std::vector<float>& values, int planes, PictureSize from, PictureSize to) {
  const Weights across(from.width, to.width, ResizeFilter::kBilinear);
  const Weights down(from.height, to.height, ResizeFilter::kBilinear);
  const auto width = static_cast<std::size_t>(to.width);
  const auto size = [](PictureSize of) {
    return static_cast<std::size_t>(of.width) * static_cast<std::size_t>(of.height);
  };
  std::vector<float> narrowed(static_cast<std::size_t>(from.height) * width);
  std::vector<float> result(static_cast<std::size_t>(planes) * size(to));
  for (std::size_t plane = 0; plane < static_cast<std::size_t>(planes); ++plane) {
    const float* row = &values[plane * size(from)];
    float* out = narrowed.data();
    for (int y = 0; y < from.height; ++y, row += from.width) {
      for (std::size_t x = 0; x < width; ++x) {
        const auto [begin, count] = across.spans[x];
        double sum = 0;
        for (int i = 0; i < count; ++i)
          sum += row[begin + i] * across.values[x * across.stride + static_cast<std::size_t>(i)];
        *out++ = static_cast<float>(sum);
      }
    }
    out = &result[plane * size(to)];
    for (std::size_t y = 0; y < static_cast<std::size_t>(to.height); ++y) {
      const auto [begin, count] = down.spans[y];
      for (std::size_t x = 0; x < width; ++x) {
        double sum = 0;
        for (int i = 0; i < count; ++i) {
          sum += narrowed[static_cast<std::size_t>(begin + i) * width + x] *
                 down.values[y * down.stride + static_cast<std::size_t>(i)];
        }
        *out++ = static_cast<float>(sum);
      }
    }
  }
  return result;
}

}  // namespace rwkv
