/// Why something did not work.
class RwkvException implements Exception {
  /// A failure of the kind [code].
  const RwkvException(this.code, this.message, {this.cause});

  /// The kind, for programs: `invalid_argument`, `not_found`, `io`, `bad_file`,
  /// `unsupported`, `out_of_memory`, `busy`, `cancelled`, `evaluation`,
  /// `internal`; `closed` after the client was closed.
  final String code;

  /// What was wrong and what to do, for people.
  final String message;

  /// What led to it, where that was an exception of its own.
  final Object? cause;

  @override
  String toString() => 'RwkvException($code): $message';
}
