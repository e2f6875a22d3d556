// RWKV-6 and RWKV-7 as their published equations say, in double precision, one token at a time, with no thought of
// speed.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "support/tiny_rwkv.h"

namespace rwkv::test {

class RwkvReference {
 public:
  explicit RwkvReference(const TinyRwkv& model) : m_(model), c_(model.shape().width), d_(model.shape().head_size) {
    for (std::uint32_t i = 0; i < model.shape().layers; ++i) {
      layers_.push_back({Vector(c_, 0), Vector(c_, 0), Vector(c_ * d_, 0)});
    }
  }

  /// Absorbs a token and gives the logits after it.
  std::vector<double> step(int token) {
    Vector x(c_);
    for (std::size_t i = 0; i < c_; ++i) x[i] = m_["token_embd.weight"][static_cast<std::size_t>(token) * c_ + i];
    x = norm(x, "token_embd_norm");
    for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
      prefix_ = "blk." + std::to_string(layer) + ".";
      Layer& state = layers_[layer];
      const Vector in = norm(x, prefix_ + "attn_norm");
      add(x, m_.shape().version == 7 ? attention7(in, state, layer) : attention6(in, state));
      state.attention_previous = in;
      const Vector forward_in = norm(x, prefix_ + "attn_norm_2");
      add(x, feed_forward(forward_in, state.forward_previous));
      state.forward_previous = forward_in;
    }
    return product("output.weight", norm(x, "output_norm"));
  }

 private:
  using Vector = std::vector<double>;

  struct Layer {
    Vector attention_previous;
    Vector forward_previous;
    Vector wkv;  // heads of d x d: for version 7 [value row][key column], for version 6 [key row][value column]
  };

  static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
  static void add(Vector& to, const Vector& what) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += what[i];
  }
  static Vector map(Vector x, double (*f)(double)) {
    for (double& value : x) value = f(value);
    return x;
  }
  const std::vector<float>& mix(const std::string& name) const { return m_[prefix_ + "time_mix_" + name + ".weight"]; }

  // Rows of the matrix from `first_row` on, each as long as x, times x.
  Vector rows(const std::vector<float>& w, const Vector& x, std::size_t first_row, std::size_t count) const {
    Vector y(count, 0);
    for (std::size_t o = 0; o < count; ++o) {
      for (std::size_t i = 0; i < x.size(); ++i) y[o] += w[(first_row + o) * x.size() + i] * x[i];
    }
    return y;
  }
  Vector product(const std::string& name, const Vector& x) const {
    return rows(m_[name], x, 0, m_[name].size() / x.size());
  }
  Vector product_mix(const std::string& name, const Vector& x) const {
    return product(prefix_ + "time_mix_" + name + ".weight", x);
  }

  static void normalise(double* x, std::size_t count, double epsilon) {
    double mean = 0;
    double variance = 0;
    for (std::size_t i = 0; i < count; ++i) mean += x[i] / static_cast<double>(count);
    for (std::size_t i = 0; i < count; ++i) variance += (x[i] - mean) * (x[i] - mean) / static_cast<double>(count);
    for (std::size_t i = 0; i < count; ++i) x[i] = (x[i] - mean) / std::sqrt(variance + epsilon);
  }
  Vector norm(Vector x, const std::string& name) const {
    normalise(x.data(), c_, 1e-5);
    for (std::size_t i = 0; i < c_; ++i) x[i] = x[i] * m_[name + ".weight"][i] + m_[name + ".bias"][i];
    return x;
  }
  Vector group_norm(Vector x) const {
    for (std::size_t at = 0; at < c_; at += d_) normalise(&x[at], d_, 64e-5);
    for (std::size_t i = 0; i < c_; ++i) x[i] = x[i] * mix("ln")[i] + m_[prefix_ + "time_mix_ln.bias"][i];
    return x;
  }

  // x moved towards the previous input by `lerp` (and `extra`), from `offset` on.
  Vector shifted(const Vector& x, const Vector& previous, const std::vector<float>& lerp, std::size_t offset = 0,
                 const Vector& extra = {}) const {
    Vector y(c_);
    for (std::size_t i = 0; i < c_; ++i) {
      y[i] = x[i] + (previous[i] - x[i]) * (lerp[offset + i] + (extra.empty() ? 0.0 : extra[i]));
    }
    return y;
  }

  Vector attention7(const Vector& x, Layer& state, std::size_t layer) {
    const auto z = [&](std::size_t n) { return shifted(x, state.attention_previous, mix("lerp_fused"), n * c_); };
    const Vector xr = z(0), xw = z(1), xk = z(2), xv = z(3), xa = z(4), xg = z(5);
    const Vector r = product_mix("receptance", xr);
    Vector w = product_mix("w2", map(product_mix("w1", xw), [](double t) { return std::tanh(t); }));
    Vector k = product_mix("key", xk);
    Vector v = product_mix("value", xv);
    Vector a = product_mix("a2", product_mix("a1", xa));
    const Vector g = product_mix("g2", map(product_mix("g1", xg), sigmoid));
    const Vector blend = product_mix("v2", product_mix("v1", xv));
    Vector kk(c_);
    for (std::size_t i = 0; i < c_; ++i) {
      w[i] = std::exp(-0.606531 * sigmoid(mix("w0")[i] + w[i]));
      a[i] = sigmoid(mix("a0")[i] + a[i]);
      kk[i] = k[i] * mix("k_k")[i];
      k[i] *= 1 + (a[i] - 1) * mix("k_a")[i];
      if (layer > 0) v[i] += (first_value_[i] - v[i]) * sigmoid(mix("v0")[i] + blend[i]);
    }
    if (layer == 0) first_value_ = v;
    Vector y(c_, 0);
    Vector bonus(c_);
    for (std::size_t h = 0; h < c_; h += d_) {
      double length = 0;
      double rk = 0;
      for (std::size_t j = h; j < h + d_; ++j) {
        length += kk[j] * kk[j];
        rk += r[j] * k[j] * mix("r_k")[j];
      }
      for (std::size_t j = h; j < h + d_; ++j) kk[j] /= std::sqrt(length);
      for (std::size_t i = 0; i < d_; ++i) {
        double* row = &state.wkv[(h + i) * d_];
        double removed = 0;
        for (std::size_t j = 0; j < d_; ++j) removed -= row[j] * kk[h + j];
        for (std::size_t j = 0; j < d_; ++j) {
          row[j] = row[j] * w[h + j] + removed * kk[h + j] * a[h + j] + v[h + i] * k[h + j];
          y[h + i] += row[j] * r[h + j];
        }
        bonus[h + i] = rk * v[h + i];
      }
    }
    y = group_norm(y);
    for (std::size_t i = 0; i < c_; ++i) y[i] = (y[i] + bonus[i]) * g[i];
    return product_mix("output", y);
  }

  Vector attention6(const Vector& x, Layer& state) {
    const std::size_t rank = m_.shape().rank;
    const Vector& previous = state.attention_previous;
    const Vector mixed =
        map(product_mix("w1", shifted(x, previous, mix("lerp_x"))), [](double t) { return std::tanh(t); });
    const auto z = [&](std::size_t n) {
      const Vector part(mixed.begin() + static_cast<std::ptrdiff_t>(n * rank),
                        mixed.begin() + static_cast<std::ptrdiff_t>((n + 1) * rank));
      return shifted(x, previous, mix("lerp_fused"), n * c_, rows(mix("w2"), part, n * c_, c_));
    };
    const Vector xw = z(0), xk = z(1), xv = z(2), xr = z(3), xg = z(4);
    const Vector r = product_mix("receptance", xr);
    const Vector k = product_mix("key", xk);
    const Vector v = product_mix("value", xv);
    const Vector g = map(product_mix("gate", xg), [](double t) { return t * sigmoid(t); });
    Vector w = product_mix("decay_w2", map(product_mix("decay_w1", xw), [](double t) { return std::tanh(t); }));
    for (std::size_t i = 0; i < c_; ++i) w[i] = std::exp(-std::exp(mix("decay")[i] + w[i]));
    Vector y(c_, 0);
    for (std::size_t h = 0; h < c_; h += d_) {
      for (std::size_t i = 0; i < d_; ++i) {
        for (std::size_t j = 0; j < d_; ++j) {
          double& s = state.wkv[(h + i) * d_ + j];
          const double kv = k[h + i] * v[h + j];
          y[h + j] += r[h + i] * (mix("first")[h + i] * kv + s);
          s = s * w[h + i] + kv;
        }
      }
    }
    y = group_norm(y);
    for (std::size_t i = 0; i < c_; ++i) y[i] *= g[i];
    return product_mix("output", y);
  }

  Vector feed_forward(const Vector& x, const Vector& previous) const {
    const std::string name = prefix_ + "channel_mix_";
    const Vector k = map(product(name + "key.weight", shifted(x, previous, m_[name + "lerp_k.weight"])),
                         [](double t) { return t > 0 ? t * t : 0; });
    Vector y = product(name + "value.weight", k);
    if (m_.shape().version == 7) return y;
    const Vector r = product(name + "receptance.weight", shifted(x, previous, m_[name + "lerp_r.weight"]));
    for (std::size_t i = 0; i < c_; ++i) y[i] *= sigmoid(r[i]);
    return y;
  }

  const TinyRwkv& m_;
  std::size_t c_;
  std::size_t d_;
  std::vector<Layer> layers_;
  Vector first_value_;
  std::string prefix_;
};

}  // namespace rwkv::test
