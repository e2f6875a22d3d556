// Back-pressure for text.
import 'dart:async';

import 'events.dart';

/// The events of a generation on their way to a listener. While the listener is
/// busy or paused, pieces of text wait as one: a listener that is slower than the
/// model gets fewer and longer pieces, and they take no more memory than their
/// text.
final class JoiningEvents {
  /// [onListen] and [onCancel] are those of a [StreamController].
  JoiningEvents({
    required void Function() onListen,
    required FutureOr<void> Function() onCancel,
  }) {
    _events
      ..onListen = onListen
      ..onResume = _pass
      ..onCancel = onCancel;
  }

  final StreamController<RwkvEvent> _events = StreamController();

  // By slot: what came since the listener was last free, and its last piece.
  final Map<int, (StringBuffer, RwkvText)> _waiting = {};

  /// For one listener.
  Stream<RwkvEvent> get stream => _events.stream;

  /// Whether [close] was called.
  bool get isClosed => _events.isClosed;

  /// Passes [event] on, text perhaps later.
  void add(RwkvEvent event) {
    if (event is! RwkvText || !_events.isPaused) {
      _pass();
      return _events.add(event);
    }
    final (text, _) = _waiting[event.slot] ?? (StringBuffer(), event);
    text.write(event.text);
    _waiting[event.slot] = (text, event);
  }

  /// Passes [error] on.
  void addError(Object error, StackTrace trace) {
    _pass();
    _events.addError(error, trace);
  }

  /// Nothing follows.
  void close() {
    _pass();
    unawaited(_events.close());
  }

  void _pass() {
    for (final (text, last) in _waiting.values) {
      _events.add(
        RwkvText(last.generation, last.sequence, '$text', slot: last.slot),
      );
    }
    _waiting.clear();
  }
}
