// Polls fetch what is new; what the app gets is whole.
import '../to_rwkv.dart';

/// The texts of a generation as a poll gave them: one, or one for each slot.
final class PolledTexts {
  const PolledTexts._(this._generation, this._lengths, this._texts);

  final int _generation;

  /// As the runtime counts.
  final List<int> _lengths;
  final List<String> _texts;
}

/// Asks for texts from where the last answer ended and completes the answers.
final class TextPolls {
  final Map<(int, bool), PolledTexts> _last = {};

  /// Tells the runtime in [json], the message of [request], which texts are
  /// here. They are returned, for [complete]: more polls may be asked before
  /// this one is answered.
  PolledTexts? name(ToRWKV request, Map<String, Object?> json) {
    final key = _keyOf(request);
    if (key == null) return null;
    final known = _last[key];
    json['after'] = switch (key) {
      (_, true) => known?._lengths ?? const <int>[],
      _ => known?._lengths.single ?? 0,
    };
    if (known != null) json['generationID'] = known._generation;
    return known;
  }

  /// Makes the texts whole in [json], the answer to [request]. [known] is what
  /// [name] returned for it.
  void complete(
    ToRWKV? request,
    PolledTexts? known,
    Map<String, Object?> json,
  ) {
    final key = request == null ? null : _keyOf(request);
    final rest = json['responseBufferContent'];
    if (key == null || rest == null) return;
    final generation = json['generationID'] as int?;
    if (generation == null) {
      _last.remove(key); // there is no text
      return;
    }
    final (_, batch) = key;
    List<T> each<T>(Object? value) =>
        batch ? (value! as List).cast<T>() : [value as T];
    final rests = each<String>(rest);
    final begins = each<int>(json['after']);
    final texts = [
      for (final (slot, text) in rests.indexed)
        switch (begins[slot]) {
          0 => text,
          // The same object for the same text: it is not copied to the app.
          _ when text.isEmpty => known!._texts[slot],
          _ => known!._texts[slot] + text,
        },
    ];
    _last[key] = PolledTexts._(
      generation,
      each<int>(json[batch ? 'lengths' : 'length']),
      texts,
    );
    json['responseBufferContent'] = batch ? texts : texts.single;
  }

  static (int, bool)? _keyOf(ToRWKV request) => switch (request) {
    GetResponseBufferContent(:final modelID) => (modelID, false),
    GetBatchResponseBufferContent(:final modelID) => (modelID, true),
    _ => null,
  };
}
