// Random values for the fields of messages, with what is hard on a codec among
// them.
import 'dart:math';
import 'dart:typed_data';

class Draw {
  Draw(int seed) : _random = Random(seed);

  final Random _random;

  bool boolean() => _random.nextBool();

  int int32() =>
      _oneIn(8)
          ? _pick(const [0, -1, 0x7fffffff, -0x80000000])
          : _bits(32).toSigned(32);

  int int64() =>
      _oneIn(8)
          ? _pick(const [0, -1, 0x7fffffffffffffff, -0x8000000000000000])
          : _bits(64);

  /// Any finite number.
  double real() {
    if (_oneIn(8)) {
      return _pick(const [0.0, -0.0, 1.0, 0.1, 5e-324, double.maxFinite]);
    }
    while (true) {
      final value = (ByteData(8)..setInt64(0, _bits(64))).getFloat64(0);
      if (value.isFinite) return value;
    }
  }

  /// A whole number that a double can hold, or any finite number.
  num number() => boolean() ? int32() : real();

  /// Up to eight characters of any kind that UTF-8 has.
  String text() => String.fromCharCodes([
    for (var i = _random.nextInt(9); i > 0; --i)
      switch (_random.nextInt(6)) {
        0 => _pick(_special),
        1 => _between(0x80, 0xd800),
        2 => _between(0xe000, 0x10000),
        3 => _between(0x10000, 0x110000),
        _ => _between(0x20, 0x7f),
      },
  ]);

  List<T> Function() list<T>(T Function() item) =>
      () => [for (var i = _random.nextInt(4); i > 0; --i) item()];

  Map<String, T> Function() map<T>(T Function() item) =>
      () => {for (var i = _random.nextInt(4); i > 0; --i) text(): item()};

  T Function() oneOf<T>(List<T> values) => () => _pick(values);

  T? Function() maybe<T>(T Function() value) =>
      () => boolean() ? value() : null;

  /// Controls, quotes, slashes, line ends of other kinds, and characters at the
  /// ends of ranges.
  static const _special = [
    0, 0x08, 0x0a, 0x0d, 0x1f, 0x22, 0x2f, 0x5c, 0x7f, //
    0x2028, 0xfeff, 0xfffd, 0xffff,
  ];

  bool _oneIn(int n) => _random.nextInt(n) == 0;

  T _pick<T>(List<T> values) => values[_random.nextInt(values.length)];

  int _between(int first, int end) => first + _random.nextInt(end - first);

  int _bits(int n) {
    final low = _random.nextInt(1 << 32);
    return n <= 32 ? low : _random.nextInt(1 << 32) << 32 | low;
  }
}
