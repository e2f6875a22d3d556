/// A small client for new code: futures, streams and exceptions instead of
/// messages.
///
/// ```dart
/// final rwkv = await Rwkv.open();
/// final model = await rwkv.load('model.gguf');
/// await for (final event in model.chat(['Hi'])) {
///   switch (event) {
///     case RwkvProgress(:final progress):
///       print('$progress');
///     case RwkvText(:final text):
///       print(text);
///     case RwkvEnd(:final reason):
///       print(reason);
///   }
/// }
/// await rwkv.close();
/// ```
library;

export 'from_rwkv.dart' show GenerationEndReason;
export 'src/modern/client.dart' show Rwkv;
export 'src/modern/events.dart';
export 'src/modern/exception.dart';
export 'src/modern/model.dart' show RwkvModel;
export 'types.dart' show Backend;
