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
///
/// Several conversations at once, and a state that outlives the app:
///
/// ```dart
/// final rwkv = await Rwkv.open();
/// final model = await rwkv.load('model.gguf');
/// const turns = ['My name is Mira.', 'Nice to meet you, Mira.'];
/// await model.saveState(turns, 'mira.state');
/// await model.loadState('mira.state'); // in a later run
/// final events = model.chatBatch([
///   [...turns, 'What is my name?'],
///   ['What is 47+38?'],
/// ]);
/// await for (final event in events) {
///   if (event case RwkvEnd(:final slot, :final reason)) print('$slot: $reason');
/// }
/// await rwkv.close();
/// ```
library;

export 'from_rwkv.dart'
    show
        BackendDevice,
        BackendSetting,
        BackendStatus,
        CatalogueEntry,
        DeviceKind,
        DoctorReport,
        GenerationEndReason,
        MemoryInfo,
        MemoryReleased,
        ModelMemory;
export 'src/client/client.dart' show Rwkv;
export 'src/client/download.dart' show RwkvDownload;
export 'src/client/events.dart';
export 'src/client/exception.dart';
export 'src/client/model.dart' show RwkvModel;
export 'to_rwkv.dart' show MemoryPressure;
export 'types.dart' show Backend;
