// The isolate between an app's port and the runtime.
import 'dart:isolate';

import '../from_rwkv.dart';
import '../to_rwkv.dart';
import '../types.dart';
import 'connection.dart';
import 'failure.dart';
import 'native_library.dart';
import 'protocol_codec.dart';

/// Tells the isolate to close its port of the runtime and to end.
class EndOfService {
  const EndOfService();
}

/// What the isolate is started with.
class RuntimeIsolateStart {
  const RuntimeIsolateStart(this.options, this.owner);

  /// The app's part.
  final StartOptions options;

  /// Gets the isolate's SendPort too, in order to end it.
  final SendPort? owner;
}

/// The isolate's main function. The app can send requests as soon as it has the
/// isolate's port: they wait until the library is open.
void runtimeIsolate(RuntimeIsolateStart start) {
  final requests = ReceivePort('rwkv requests');
  start.options.sendPort.send(requests.sendPort);
  start.owner?.send(requests.sendPort);
  final service = _Service(start.options);
  requests.listen((message) {
    switch (message) {
      case ToRWKV():
        service.serve(message);
      case EndOfService():
        service.end();
        requests.close();
      default:
        service.toApp(
          Error(
            'This is not a request: ${message.runtimeType}',
            null,
            null,
            'invalid_argument',
          ),
        );
    }
  });
}

class _Service {
  _Service(StartOptions options) : _app = options.sendPort {
    try {
      _connection = RuntimeConnection(
        NativeLibrary.open(options.libraryPath),
        runtimeName: options.runtimeName,
        options: encodePortOptions(options),
        onMessage: (_, message) => toApp(message),
        onDone: (_) {},
      );
    } on NativeLibraryException catch (e) {
      _problem = e;
    } on Object catch (e) {
      _problem = NativeLibraryException(
        'internal',
        'The native library cannot be used: $e',
      );
    }
  }

  final SendPort _app;
  RuntimeConnection? _connection;
  late final NativeLibraryException _problem;

  void serve(ToRWKV request) {
    final connection = _connection;
    if (connection == null) {
      return _refuse(request, _problem.message, _problem.code);
    }
    try {
      connection.send(request);
    } on NativeLibraryException catch (e) {
      _refuse(request, e.message, e.code);
    } on Object catch (e) {
      _refuse(request, '$e', 'invalid_argument');
    }
  }

  void _refuse(ToRWKV request, String message, String code) {
    toApp(failureOf(request, message, code));
    // Puzzles end with their text, also where they fail.
    if (request is SudokuOthelloGenerate) {
      toApp({'sudokuOthelloResponse': request.prompt});
    }
  }

  void toApp(Object message) => _app.send(message);

  void end() => _connection?.close();
}
