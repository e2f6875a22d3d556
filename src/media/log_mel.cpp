#include "media/log_mel.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>

#include "base/error.h"

namespace rwkv {
namespace {

constexpr std::size_t kPoints = kMelWindow;

struct Complex {
  double real = 0;
  double imaginary = 0;
};

Complex operator*(Complex a, Complex b) {
  return {a.real * b.real - a.imaginary * b.imaginary, a.real * b.imaginary + a.imaginary * b.real};
}

/// The discrete Fourier transform of kPoints values after Cooley and Tukey (1965), by twos and fives.
class Fourier {
 public:
  Fourier() {
    for (std::size_t k = 0; k < kPoints; ++k) {
      const double angle = -2 * std::numbers::pi * static_cast<double>(k) / kPoints;
      roots_[k] = {std::cos(angle), std::sin(angle)};
    }
  }

  void operator()(const Complex* in, Complex* out) const { run(in, 1, out, kPoints); }

 private:
  void run(const Complex* in, std::size_t stride, Complex* out, std::size_t points) const {
    if (points == 1) {
      *out = *in;
      return;
    }
    const std::size_t radix = points % 2 == 0 ? 2 : 5;
    const std::size_t part = points / radix;
    for (std::size_t r = 0; r < radix; ++r) run(in + r * stride, stride * radix, out + r * part, part);
    for (std::size_t k = 0; k < part; ++k) {
      std::array<Complex, 5> terms;
      for (std::size_t r = 0; r < radix; ++r) terms[r] = out[r * part + k] * roots_[r * k * stride];
      for (std::size_t q = 0; q < radix; ++q) {
        Complex sum = terms[0];
        for (std::size_t r = 1; r < radix; ++r) {
          const Complex term = terms[r] * roots_[r * q * part * stride % kPoints];
          sum = {sum.real + term.real, sum.imaginary + term.imaginary};
        }
        out[q * part + k] = sum;
      }
    }
  }

  std::array<Complex, kPoints> roots_;
};

using Power = std::array<double, kMelBins>;

/// The powers of two frames at once: one is the real part and one the imaginary.
void powers(const Fourier& fourier, const std::array<Complex, kPoints>& frames, Power& first, Power& second) {
  std::array<Complex, kPoints> spectrum;
  fourier(frames.data(), spectrum.data());
  for (std::size_t k = 0; k < kMelBins; ++k) {
    const Complex here = spectrum[k];
    const Complex mirrored = spectrum[(kPoints - k) % kPoints];
    const Complex even{here.real + mirrored.real, here.imaginary - mirrored.imaginary};
    const Complex odd{here.imaginary + mirrored.imaginary, mirrored.real - here.real};
    first[k] = (even.real * even.real + even.imaginary * even.imaginary) / 4;
    second[k] = (odd.real * odd.real + odd.imaginary * odd.imaginary) / 4;
  }
}

double mel_of(double hertz) {
  return hertz < 1000 ? hertz * 3 / 200 : 15 + std::log(hertz / 1000) * 27 / std::log(6.4);
}

double hertz_of(double mel) { return mel < 15 ? mel * 200 / 3 : 1000 * std::exp((mel - 15) * std::log(6.4) / 27); }

}  // namespace

MelFilters slaney_filters(int bands) {
  MelFilters filters{bands, std::vector<float>(static_cast<std::size_t>(bands) * kMelBins)};
  const auto corner = [&](int i) { return hertz_of(mel_of(kMelRate / 2.0) * i / (bands + 1)); };
  for (int band = 0; band < bands; ++band) {
    const double left = corner(band);
    const double top = corner(band + 1);
    const double right = corner(band + 2);
    for (int bin = 0; bin < kMelBins; ++bin) {
      const double hertz = static_cast<double>(bin) * kMelRate / kMelWindow;
      const double height = std::min((hertz - left) / (top - left), (right - hertz) / (right - top));
      filters.weights[static_cast<std::size_t>(band) * kMelBins + static_cast<std::size_t>(bin)] =
          static_cast<float>(std::max(0.0, height) * 2 / (right - left));
    }
  }
  return filters;
}

std::vector<float> log_mel(std::span<const float> samples, const MelFilters& filters, int frames) {
  const auto bands = static_cast<std::size_t>(filters.bands);
  const auto count = static_cast<std::size_t>(std::max(frames, 0));
  if (frames < 2 || samples.size() > count * kMelHop || filters.bands < 1 ||
      filters.weights.size() != bands * kMelBins) {
    throw Error(ErrorCode::kInvalidArgument, std::to_string(samples.size()) + " samples do not fit " +
                                                 std::to_string(frames) + " frames of " +
                                                 std::to_string(filters.bands) + " bands");
  }
  std::array<double, kPoints> window;
  for (std::size_t i = 0; i < kPoints; ++i) {
    window[i] = 0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(i) / kPoints);
  }
  const std::ptrdiff_t end = static_cast<std::ptrdiff_t>(count) * kMelHop;
  const auto sample = [&](std::size_t frame, std::size_t i) {
    std::ptrdiff_t at = static_cast<std::ptrdiff_t>(frame) * kMelHop + static_cast<std::ptrdiff_t>(i) - kMelWindow / 2;
    if (at < 0) at = -at;
    if (at >= end) at = 2 * (end - 1) - at;
    return at < static_cast<std::ptrdiff_t>(samples.size()) ? samples[static_cast<std::size_t>(at)] : 0.0f;
  };
  const Fourier fourier;
  std::vector<float> result(bands * count, -10.0f);  // of silence
  std::array<Complex, kPoints> pair;
  Power power[2];
  double highest = -10;
  for (std::size_t frame = 0; frame < count; frame += 2) {
    bool silent = true;
    for (std::size_t i = 0; i < kPoints; ++i) {
      const double first = sample(frame, i);
      const double second = frame + 1 < count ? sample(frame + 1, i) : 0.0f;
      pair[i] = {first * window[i], second * window[i]};
      silent = silent && first == 0 && second == 0;
    }
    if (silent) continue;
    powers(fourier, pair, power[0], power[1]);
    for (std::size_t which = 0; which < 2 && frame + which < count; ++which) {
      for (std::size_t band = 0; band < bands; ++band) {
        double sum = 0;
        for (std::size_t bin = 0; bin < kMelBins; ++bin)
          sum += power[which][bin] * filters.weights[band * kMelBins + bin];
        const double level = std::log10(std::max(sum, 1e-10));
        highest = std::max(highest, level);
        result[band * count + frame + which] = static_cast<float>(level);
      }
    }
  }
  const auto floor = static_cast<float>(highest - 8);
  for (float& value : result) value = (std::max(value, floor) + 4) / 4;
  return result;
}

}  // namespace rwkv
