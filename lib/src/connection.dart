// A port of the process-wide runtime: requests go in, decoded answers come out.
import 'dart:convert';
import 'dart:ffi';
import 'dart:isolate';
import 'dart:typed_data';

import '../from_rwkv.dart';
import '../rwkv_mobile_ffi.dart';
import '../to_rwkv.dart';
import 'native_library.dart';
import 'polled_texts.dart';
import 'protocol_codec.dart';

/// The most bytes that the runtime takes as one message.
const int _mostBytes = 64 << 20;

/// An open port. It belongs to the isolate that opened it; when that dies, the
/// runtime drops the port at its next message and goes on.
final class RuntimeConnection {
  /// Attaches to the runtime [runtimeName] with [options] as docs/PROTOCOL.md
  /// lists them, of which `acknowledge` has to be true. Throws a
  /// [NativeLibraryException] when it cannot.
  RuntimeConnection(
    this._library, {
    required String runtimeName,
    required Map<String, Object?> options,
    required this.onMessage,
    required this.onDone,
  }) {
    if (runtimeName.contains('\x00')) {
      throw NativeLibraryException(
        'invalid_argument',
        'The name of a runtime cannot have a NUL in it.',
      );
    }
    _messages = RawReceivePort(_receive, 'rwkv messages');
    try {
      _port = _open(runtimeName, options);
    } on Object {
      _messages.close();
      rethrow;
    }
  }

  int _open(String runtimeName, Map<String, Object?> options) {
    final port = _library.withBytes(
      utf8.encode(runtimeName),
      (name) => _library.withBytes(
        utf8.encode(jsonEncode(options)),
        (text) => _library.bindings.rwkv_bridge_open_dart(
          name,
          text,
          _messages.sendPort.nativePort,
          NativeApi.postCObject.cast(),
        ),
      ),
    );
    if (port > 0) return port;
    throw NativeLibraryException(
      'internal',
      'The runtime of ${_library.name} cannot be reached: error $port.',
    );
  }

  /// Called with each [FromRWKV] and each untyped map of the protocol, in
  /// order, and the request that it answers: null for pushes of a generation
  /// that another port started.
  final void Function(ToRWKV? request, Object message) onMessage;

  /// Called when nothing more follows for a request.
  final void Function(ToRWKV request) onDone;

  final NativeLibrary _library;
  late final RawReceivePort _messages;
  late final int _port;

  // Ids on the wire are our own: those of requests are unique in one isolate
  // only, and requests of several may come through here.
  final Map<int, (ToRWKV, PolledTexts?)> _waiting = {};
  final TextPolls _polls = TextPolls();
  int _lastId = 0;
  bool _closed = false;

  /// How many requests may still be answered.
  int get waiting => _waiting.length;

  /// Whether the isolate stays alive for what may be received.
  set keepsIsolateAlive(bool value) => _messages.keepIsolateAlive = value;

  /// Queues [request], for a model that comes from the load [loadID] where one
  /// is given; a [Stop] of what the request [startedBy] started. Throws a
  /// [NativeLibraryException] when the runtime does not take it, something else
  /// when it cannot be a message: a number that is not finite, or too much text.
  void send(ToRWKV request, {int? loadID, ToRWKV? startedBy}) {
    final id = ++_lastId;
    final json = {
      ...encodeRequest(request),
      'requestId': id,
      if (loadID != null) 'loadID': loadID,
    };
    if (startedBy != null) {
      for (final MapEntry(:key, value: (other, _)) in _waiting.entries) {
        if (other == startedBy) json['startedBy'] = key;
      }
      // It has ended: an id that nothing has stops nothing.
      json['startedBy'] ??= 0;
    }
    final known = _polls.name(request, json);
    final bytes = utf8.encode(jsonEncode(json));
    if (bytes.length > _mostBytes) {
      throw ArgumentError(
        'A request has at most $_mostBytes bytes; this ${typeOf(request)} has '
        '${bytes.length}.',
      );
    }
    _waiting[id] = (request, known);
    final result = _library.withBytes(
      bytes,
      (text) => _library.bindings.rwkv_bridge_send(_port, text, bytes.length),
    );
    if (result != 0) {
      _waiting.remove(id);
      throw switch (result) {
        RWKV_BRIDGE_BUSY => NativeLibraryException(
          'busy',
          'Too many requests wait; send more when some have been answered.',
        ),
        RWKV_BRIDGE_NO_MEMORY => NativeLibraryException(
          'out_of_memory',
          'The runtime has no memory for a request.',
        ),
        _ => NativeLibraryException(
          'internal',
          'The runtime did not take a request: error $result.',
        ),
      };
    }
  }

  /// Closes the port; nothing is received any more. Requests that wait are
  /// dropped, except for stops and releases, which are served before the port
  /// closes: a client that sends one and leaves need not wait for it. If the port
  /// was the runtime's last one, the runtime ends in the background and releases
  /// its models.
  void close() {
    if (_closed) return;
    _closed = true;
    _waiting.removeWhere(
      (_, asked) => asked.$1 is! Stop && asked.$1 is! ReleaseRWKVModel,
    );
    if (_waiting.isEmpty) return _end();
    _messages.keepIsolateAlive = true;
  }

  void _end() {
    _library.bindings.rwkv_bridge_close(_port, 0);
    _messages.close();
  }

  void _receive(Object? message) {
    final bytes = message as Uint8List;
    if (bytes.isEmpty) return; // only asks whether the isolate is still there
    final json = _fromUtf8.convert(bytes) as Map<String, Object?>;
    final id = json['requestId'] as int?;
    if (json['type'] == 'RequestDone') {
      final done = _waiting.remove(id);
      if (_closed) {
        if (_waiting.isEmpty) _end();
      } else if (done case (final request, _)?) {
        onDone(request);
      }
      return;
    }
    if (_closed) return;
    final (request, known) = _waiting[id] ?? (null, null);
    final List<Object> decoded;
    try {
      _polls.complete(request, known, json);
      decoded = decodeResponse(json, request);
    } on Object catch (e) {
      onMessage(
        request,
        Error(
          'The runtime sent what is not understood: $e',
          request,
          null,
          'internal',
        ),
      );
      return;
    }
    for (final part in decoded) {
      onMessage(request, part);
    }
  }

  static final Converter<List<int>, Object?> _fromUtf8 = const Utf8Decoder()
      .fuse(const JsonDecoder());
}
