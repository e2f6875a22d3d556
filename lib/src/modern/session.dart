// Requests as streams of their answers.
import 'dart:async';

import '../../from_rwkv.dart';
import '../../to_rwkv.dart';
import '../connection.dart';
import '../native_library.dart';
import 'exception.dart';

/// A port of the runtime in this isolate. Its functions return at once and what
/// arrives is small, so that no other isolate is needed.
final class Session {
  /// Attaches to the runtime [runtimeName]. Throws a [RwkvException].
  factory Session.open(String? libraryPath, String runtimeName) {
    final session = Session._();
    try {
      session._connection = RuntimeConnection(
        NativeLibrary.open(libraryPath),
        runtimeName: runtimeName,
        options: const {'acknowledge': true},
        onMessage: session._receive,
        onDone: session._done,
      );
    } on NativeLibraryException catch (e) {
      throw RwkvException(e.code, e.message, cause: e);
    }
    return session;
  }

  Session._();

  late final RuntimeConnection _connection;
  final Map<ToRWKV, StreamController<FromRWKV>> _asked = {};
  final StreamController<FromRWKV> _pushes = StreamController.broadcast(
    sync: true,
  );
  bool _closed = false;

  /// What running generations tell, whoever started them: GenerationDelta,
  /// GenerationProgress and GenerationEnd.
  Stream<FromRWKV> get pushes => _pushes.stream;

  /// Sends [request]. The stream has all its answers and then ends; an Error is
  /// a [RwkvException].
  Stream<FromRWKV> ask(ToRWKV request) {
    final answers = StreamController<FromRWKV>();
    if (_closed) {
      answers.addError(_closedException);
      unawaited(answers.close());
      return answers.stream;
    }
    _asked[request] = answers;
    try {
      _connection.send(request);
    } on Object catch (e) {
      _asked.remove(request);
      answers.addError(switch (e) {
        NativeLibraryException() => RwkvException(e.code, e.message, cause: e),
        _ => RwkvException('invalid_argument', '$e', cause: e),
      });
      unawaited(answers.close());
    }
    return answers.stream;
  }

  /// Sends [request] and completes when it is done.
  Future<void> tell(ToRWKV request) => ask(request).drain<void>();

  /// Sends [request] and returns its answer of the class [T].
  Future<T> askFor<T extends FromRWKV>(ToRWKV request) async {
    await for (final answer in ask(request)) {
      if (answer is T) return answer;
    }
    throw RwkvException('internal', 'The runtime did not answer with a $T.');
  }

  /// Closes the port. What was not answered ends with an exception.
  void close() {
    if (_closed) return;
    _closed = true;
    _connection.close();
    for (final answers in [..._asked.values]) {
      answers.addError(_closedException);
      unawaited(answers.close());
    }
    _asked.clear();
    _pushes.addError(_closedException);
    unawaited(_pushes.close());
  }

  void _receive(ToRWKV? request, Object message) {
    final answers = _asked[request];
    switch (message) {
      case Error(:final code, message: final text):
        answers?.addError(RwkvException(code ?? 'internal', text));
      case FromRWKV():
        answers?.add(message);
        if (message is GenerationDelta ||
            message is GenerationProgress ||
            message is GenerationEnd) {
          _pushes.add(message);
        }
    }
  }

  void _done(ToRWKV request) => unawaited(_asked.remove(request)?.close());

  static const _closedException = RwkvException(
    'closed',
    'The client was closed.',
  );
}
