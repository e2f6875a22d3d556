/// The client for new code (`rwkv_client.dart`), and [RWKVMobile]: it starts and
/// ends the isolate that serves requests, and tells what the library knows
/// without one.
library;

import 'dart:async';
import 'dart:isolate';

import 'src/chip.dart';
import 'src/runtime_isolate.dart';
import 'types.dart';

export 'rwkv_client.dart';

/// The isolate that serves an app's requests.
class RWKVMobile {
  _RunningIsolate? _running;

  /// Starts the isolate; its first message to [StartOptions.sendPort] is the
  /// SendPort that takes requests. Throws a [StateError] when one is running.
  ///
  /// When the native library cannot be opened, the answers to requests say so.
  Future<void> runIsolate(StartOptions options) async {
    if (_running != null) {
      throw StateError(
        'The isolate of this RWKVMobile is running already; dispose() ends it.',
      );
    }
    final running = _RunningIsolate(() => _running = null);
    _running = running;
    try {
      await Isolate.spawn(
        runtimeIsolate,
        RuntimeIsolateStart(options, running.port.sendPort),
        onExit: running.port.sendPort,
        // An error that got through is a defect, but no reason to leave an app
        // without answers.
        errorsAreFatal: false,
        debugName: 'rwkv',
      );
    } on Object {
      running.ended();
      rethrow;
    }
  }

  /// Ends the isolate and closes its port of the runtime; [runIsolate] may be
  /// called again afterwards. If no other port is open, the runtime cancels its
  /// generations and releases its models, in the background. Does nothing when
  /// no isolate is running.
  Future<void> dispose() async => _running?.end();

  /// The chip's name as it is sold (`8 Gen 3`); empty when unknown.
  static String getSocName() => _known('rwkvmobile_get_soc_name');

  /// The chip's make: `Snapdragon`, `MediaTek` or `Unknown`.
  static String getPlatformName() =>
      staticString('rwkvmobile_get_platform_name') ?? 'Unknown';

  /// The chip's part number (`SM8650`); empty when unknown.
  static String getSocPartname() => _known('rwkvmobile_get_soc_partname');

  /// The architecture of a Snapdragon's tensor processor (`v75`); empty when
  /// unknown.
  static String getSnapdragonHtpArch() => _known('rwkvmobile_get_htp_arch');

  /// The commit of the native engine. Always empty: the engine is built from
  /// the sources of this package and has no commit of its own.
  static String getRWKVMobileCommitHash() => '';

  /// Argument strings of the backends that the library has, each with a comma
  /// after it (`ncnn,llama.cpp,`); empty when it cannot be asked.
  static String getAvailableBackendNames() => backendNames();

  /// Converts a PyTorch checkpoint to a safetensors file and returns 0. Blocks
  /// for seconds: do not call it in an isolate with a user interface. Throws an [Exception]
  /// when it fails.
  static int convertPthToSafetensors(String pthPath, String stPath) =>
      convertCheckpoint(pthPath, stPath);

  static String _known(String function) {
    final name = staticString(function) ?? '';
    return name == 'Unknown' ? '' : name;
  }
}

/// An isolate from its start to its end, however that comes.
class _RunningIsolate {
  _RunningIsolate(this._onEnded) {
    port
      ..handler = _receive
      // An app that is done should not be kept alive by what watches over us.
      ..keepIsolateAlive = false;
  }

  /// Gets the isolate's SendPort, and null when the isolate has ended.
  final RawReceivePort port = RawReceivePort(null, 'rwkv isolate');

  final void Function() _onEnded;
  final Completer<SendPort?> _service = Completer();
  final Completer<void> _ended = Completer();

  void _receive(Object? message) {
    if (message is SendPort) {
      _service.complete(message);
    } else {
      ended();
    }
  }

  void ended() {
    if (_ended.isCompleted) return;
    port.close();
    _onEnded();
    if (!_service.isCompleted) _service.complete(null);
    _ended.complete();
  }

  Future<void> end() async {
    if (_ended.isCompleted) return;
    port.keepIsolateAlive = true;
    (await _service.future)?.send(const EndOfService());
    await _ended.future;
  }
}
