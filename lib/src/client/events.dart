import '../../from_rwkv.dart' show GenerationEndReason;

/// What happens during a generation: any number of [RwkvProgress] and
/// [RwkvText], then one [RwkvEnd], which is the last; in a batch each slot has its
/// own.
sealed class RwkvEvent {
  const RwkvEvent(this.generation, {this.slot = 0});

  /// The generation, unique in the process.
  final int generation;

  /// The conversation of a batch that it is about; 0 without a batch, -1 for
  /// all of them together ([RwkvProgress]).
  final int slot;

  // What tells two of a class apart.
  List<Object?> get _fields;

  @override
  bool operator ==(Object other) {
    if (other is! RwkvEvent || other.runtimeType != runtimeType) return false;
    final (mine, others) = (_fields, other._fields);
    for (var i = 0; i < mine.length; ++i) {
      if (mine[i] != others[i]) return false;
    }
    return true;
  }

  @override
  int get hashCode => Object.hashAll(_fields);
}

/// The prompt is being read.
final class RwkvProgress extends RwkvEvent {
  /// [progress] of the prompt is read.
  const RwkvProgress(super.generation, this.progress, {super.slot});

  /// The share that is read, 0 to 1, never falling.
  final double progress;

  @override
  List<Object?> get _fields => [generation, slot, progress];

  @override
  String toString() =>
      'RwkvProgress($generation, slot: $slot, progress: $progress)';
}

/// The next piece of text.
final class RwkvText extends RwkvEvent {
  /// A piece up to [sequence].
  const RwkvText(super.generation, this.sequence, this.text, {super.slot});

  /// The number of the piece, which rises by one a piece. A listener can go on
  /// after it (`RwkvModel.attach`).
  final int sequence;

  /// The text to append: whole characters, never taken back.
  final String text;

  @override
  List<Object?> get _fields => [generation, slot, sequence, text];

  @override
  String toString() => 'RwkvText($generation, $sequence, slot: $slot, $text)';
}

/// The generation has ended. Failures are exceptions of the stream instead.
final class RwkvEnd extends RwkvEvent {
  /// It ended for [reason].
  const RwkvEnd(
    super.generation,
    this.reason, {
    super.slot,
    this.promptTokens,
    this.generatedTokens,
    this.decodeSpeed,
  });

  /// Why.
  final GenerationEndReason reason;

  /// Tokens of the prompt; null when it ended before this client attached.
  final int? promptTokens;

  /// New tokens; null when it ended before this client attached.
  final int? generatedTokens;

  /// New tokens a second; null when it ended before this client attached.
  final double? decodeSpeed;

  @override
  List<Object?> get _fields => [
    generation,
    slot,
    reason,
    promptTokens,
    generatedTokens,
    decodeSpeed,
  ];

  @override
  String toString() =>
      'RwkvEnd($generation, slot: $slot, ${reason.name}, '
      'promptTokens: $promptTokens, generatedTokens: $generatedTokens, '
      'decodeSpeed: $decodeSpeed)';
}
