// The functions of token_clock.c.
import 'dart:ffi';

final _library = DynamicLibrary.open('build/dart/libtoken_clock.so');

/// The monotonic clock in nanoseconds.
final int Function() now = _library
    .lookupFunction<Int64 Function(), int Function()>(
      'token_clock_now',
      isLeaf: true,
    );

/// The time that all threads of the process have computed, in nanoseconds.
final int Function() processCpu = _library
    .lookupFunction<Int64 Function(), int Function()>(
      'token_clock_process_cpu',
    );

/// Forgets the sleeps.
final void Function() clear = _library
    .lookupFunction<Void Function(), void Function()>('token_clock_clear');

final int Function() _count = _library
    .lookupFunction<Int32 Function(), int Function()>('token_clock_count');
final int Function(int) _asked = _library
    .lookupFunction<Int64 Function(Int32), int Function(int)>(
      'token_clock_asked',
    );
final int Function(int) _ended = _library
    .lookupFunction<Int64 Function(Int32), int Function(int)>(
      'token_clock_ended',
    );

/// When each step of a scripted model ended. The model sleeps [wholeSleep]
/// nanoseconds at the beginning of a step and less at its end.
List<int> stepEnds(int wholeSleep) {
  final ends = <int>[];
  for (var i = 0, n = _count(); i < n; ++i) {
    if (_asked(i) == wholeSleep) {
      ends.add(_ended(i));
    } else if (_asked(i) < wholeSleep && ends.isNotEmpty) {
      ends.last = _ended(i);
    }
  }
  return ends;
}
