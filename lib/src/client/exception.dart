/// The failure of a call or a stream.
class RwkvException implements Exception {
  /// A failure of the kind [code].
  const RwkvException(this.code, this.message, {this.cause});

  /// The kind, for programs: `invalid_argument`, `not_found`, `io`, `bad_file`,
  /// `unsupported`, `out_of_memory`, `busy`, `cancelled`, `evaluation`,
  /// `internal`; `closed` after the client was closed.
  final String code;

  /// The error and what to do about it, for people.
  final String message;

  /// The exception that caused this one, if there was one.
  final Object? cause;

  @override
  String toString() => 'RwkvException($code): $message';
}
