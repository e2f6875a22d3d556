// A harness that needs no package: named tests with a time limit, and a summary
// that the script looks for.
import 'dart:async';
import 'dart:io';

int _passed = 0;
int _failed = 0;

/// Runs [body]; it fails by throwing or by taking longer than [limit].
Future<void> test(
  String name,
  FutureOr<void> Function() body, {
  Duration limit = const Duration(seconds: 120),
}) async {
  try {
    await Future.sync(body).timeout(limit);
    ++_passed;
  } on Object catch (e, trace) {
    ++_failed;
    print('FAILED: $name\n  $e\n$trace');
  }
}

/// Fails the test unless [holds].
void check(bool holds, String what) {
  if (!holds) throw StateError(what);
}

/// Fails the test unless [actual] is [expected], lists and maps by content.
void equal(Object? actual, Object? expected, [String what = '']) {
  if (_same(actual, expected)) return;
  throw StateError('$what\n  expected: $expected\n  actual:   $actual');
}

bool _same(Object? a, Object? b) => switch ((a, b)) {
  (final List<Object?> a, final List<Object?> b) =>
    a.length == b.length &&
        Iterable<int>.generate(a.length).every((i) => _same(a[i], b[i])),
  (final Map<Object?, Object?> a, final Map<Object?, Object?> b) =>
    a.length == b.length && a.keys.every((k) => _same(a[k], b[k])),
  _ => a == b,
};

/// What [body] throws, which has to be a [T].
Future<T> thrownBy<T extends Object>(FutureOr<void> Function() body) async {
  try {
    await Future.sync(body);
  } on T catch (e) {
    return e;
  }
  throw StateError('a $T was expected');
}

/// Prints the summary and ends the process, whatever still listens.
Never finish() {
  print('$_passed passed, $_failed failed');
  exit(_failed == 0 ? 0 : 1);
}
