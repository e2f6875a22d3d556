// Flutter's RootIsolateToken where there is Flutter, and a stand-in where there is not.
export 'root_isolate_token_plain.dart' if (dart.library.ui) 'dart:ui' show RootIsolateToken;
