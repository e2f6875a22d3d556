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
        options: const {'acknowledge': true, 'onlyNew': true},
        onMessage: session._receive,
        onDone: session._done,
      );
    } on NativeLibraryException catch (e) {
      throw RwkvException(e.code, e.message, cause: e);
    }
    session._stayWhileNeeded();
    return session;
  }

  Session._();

  late final RuntimeConnection _connection;
  final Map<ToRWKV, _Asked> _asked = {};
  late final StreamController<FromRWKV> _pushes = StreamController.broadcast(
    sync: true,
    onListen: _stayWhileNeeded,
    onCancel: _stayWhileNeeded,
  );
  bool _closed = false;
  WeakReference<Object>? _owner;
  // ignore: unused_field
  Object? _kept;

  /// The session is closed when this object cannot be reached any more. It is kept
  /// alive while a request is served or a stream has a listener: futures and
  /// streams need the session, and their users hold nothing else.
  set owner(Object value) => _owner = WeakReference(value);

  /// Whether [close] was called.
  bool get isClosed => _closed;

  /// The pushes of running generations, also of those that another client has
  /// started: GenerationDelta, GenerationProgress and GenerationEnd.
  Stream<FromRWKV> get pushes => _pushes.stream;

  /// Sends [request], as `RuntimeConnection.send` does. The stream has all its
  /// answers and then ends; an Error is a [RwkvException].
  Stream<FromRWKV> ask(ToRWKV request, {int? loadID, ToRWKV? startedBy}) {
    final asked = _Asked();
    if (_closed) {
      asked.end(_closedException);
      return asked.answers.stream;
    }
    _asked[request] = asked;
    try {
      _connection.send(request, loadID: loadID, startedBy: startedBy);
    } on Object catch (e) {
      _asked.remove(request);
      asked.end(switch (e) {
        NativeLibraryException() => RwkvException(e.code, e.message, cause: e),
        _ => RwkvException('invalid_argument', '$e', cause: e),
      });
    }
    _stayWhileNeeded();
    return asked.answers.stream;
  }

  /// Sends [request] and completes when it is done.
  Future<void> tell(ToRWKV request, {int? loadID}) =>
      ask(request, loadID: loadID).drain<void>();

  /// The same for what closing the client does as well: when it is closed
  /// meanwhile, the request was served, or there is nothing left to do.
  Future<void> tellToEnd(
    ToRWKV request, {
    int? loadID,
    ToRWKV? startedBy,
  }) async {
    final wasClosed = _closed;
    try {
      await ask(request, loadID: loadID, startedBy: startedBy).drain<void>();
    } on RwkvException catch (e) {
      if (wasClosed || !_closed || e.code != 'closed') rethrow;
    }
  }

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
    _kept = null;
    _connection.close();
    for (final asked in [..._asked.values]) {
      asked.end(_closedException);
    }
    _asked.clear();
    _pushes.addError(_closedException);
    unawaited(_pushes.close());
  }

  void _receive(ToRWKV? request, Object message) {
    final asked = _asked[request];
    switch (message) {
      case Error(:final code, message: final text):
        asked?.fail(RwkvException(code ?? 'internal', text));
      case FromRWKV():
        asked?.answers.add(message);
        if (message is GenerationDelta ||
            message is GenerationProgress ||
            message is GenerationEnd) {
          _pushes.add(message);
        }
    }
  }

  void _done(ToRWKV request) {
    _asked.remove(request)?.end();
    _stayWhileNeeded();
  }

  // A program that forgets to close its client should end all the same.
  void _stayWhileNeeded() {
    if (_closed) return;
    final needed = _asked.isNotEmpty || _pushes.hasListener;
    _connection.keepsIsolateAlive = needed;
    _kept = needed ? _owner?.target : null;
  }

  static const _closedException = RwkvException(
    'closed',
    'The client was closed.',
  );
}

class _Asked {
  final StreamController<FromRWKV> answers = StreamController();

  // What comes from the runtime has no stack of its own.
  final StackTrace _trace = StackTrace.current;

  void fail(RwkvException error) => answers.addError(error, _trace);

  void end([RwkvException? error]) {
    if (error != null) fail(error);
    unawaited(answers.close());
  }
}
