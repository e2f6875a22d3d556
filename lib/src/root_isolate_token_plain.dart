/// What dart:ui has under this name, for Dart without Flutter, where it means nothing.
class RootIsolateToken {
  const RootIsolateToken._();

  static RootIsolateToken? get instance => const RootIsolateToken._();
}
