import '../../from_rwkv.dart';
import '../../to_rwkv.dart';
import '../../types.dart';
import 'arguments.dart';
import 'download.dart' as files;
import 'exception.dart';
import 'model.dart';
import 'session.dart';

/// The runtime on this device.
///
/// It is shared by the whole process and outlives isolates: after a hot restart
/// [models] still has the loaded models, and their generations go on
/// (`RwkvModel.attach`).
final class Rwkv {
  Rwkv._(this._session) {
    _session.owner = this;
    _forgotten.attach(this, _session, detach: this);
  }

  // Closes a client when neither it nor any of its models can be reached any more.
  static final Finalizer<Session> _forgotten = Finalizer(
    (session) => session.close(),
  );

  final Session _session;

  /// Attaches to the runtime [runtimeName], which is made when it is asked for
  /// the first time. [libraryPath] is a native library to use instead of the
  /// platform's. Throws a [RwkvException].
  static Future<Rwkv> open({
    String? libraryPath,
    String runtimeName = 'default',
  }) async => Rwkv._(Session.open(libraryPath, runtimeName));

  /// Loads the model file [path]. [onProgress] gets the loaded share, 0 to 1, and 1
  /// at the end.
  ///
  /// After a hot restart the model may be loaded already: look at [models] first.
  ///
  /// With [Backend.auto] the backend runs it that suits the file, [gpuLayers],
  /// [device] and [settings] best. An empty [tokenizerPath] means the file's own
  /// token list. [gpuLayers] is the number of layers that llama.cpp gives to the
  /// GPU, where it has one. [device] is the id of a device of [backend], and
  /// [settings] has keys of its settings, as [doctor] lists them. When [cancelWhen] completes before the load has
  /// ended, the load ends with the code `cancelled`. Throws a [RwkvException] that
  /// says what is wrong with the file, and what [onProgress] throws.
  Future<RwkvModel> load(
    String path, {
    Backend backend = Backend.auto,
    String tokenizerPath = '',
    int? gpuLayers,
    String? device,
    Map<String, String>? settings,
    void Function(double progress)? onProgress,
    Future<void>? cancelWhen,
  }) async {
    checkInteger('gpuLayers', gpuLayers, least: 0);
    final request = LoadRWKVModel(
      modelPath: path,
      backend: backend,
      tokenizerPath: tokenizerPath,
      llamaCppNGpuLayers: gpuLayers,
      device: device,
      settings: settings,
    );
    int? loadingID;
    int? loadID;
    var told = 0.0;
    var ended = false;
    (Object, StackTrace)? givenUp;
    void giveUp(Object reason, StackTrace trace) {
      if (ended) return; // the id may be that of a model at work
      givenUp ??= (reason, trace);
      if (loadingID case final id?) {
        _session.tell(Stop(modelID: id), loadID: loadID).ignore();
      }
    }

    void tell(double progress) {
      if (givenUp != null) return;
      try {
        onProgress?.call(told = progress);
      } on Object catch (e, trace) {
        giveUp(e, trace);
      }
    }

    cancelWhen
        ?.whenComplete(
          () => giveUp(
            RwkvException('cancelled', 'The load of $path was cancelled.'),
            StackTrace.current,
          ),
        )
        .ignore();
    await for (final answer in _session.ask(request)) {
      if (answer is! LoadModelSteps) continue;
      switch (answer.status) {
        case LoadingStatus.loaded:
          if (told < 1) tell(1);
          ended = true;
          final model = makeModel(
            _session,
            answer.modelID!,
            answer.loadID!,
            path,
            this,
          );
          if (givenUp == null) return model;
          await model.release();
        case LoadingStatus.failedInLoading:
          ended = true;
          if (givenUp != null) break;
          throw RwkvException(answer.code ?? 'internal', answer.info ?? path);
        default:
          final known = loadingID != null;
          loadingID = answer.loadingModelID;
          loadID = answer.loadID;
          if (givenUp case (final reason, final trace)? when !known) {
            giveUp(reason, trace);
          }
          if (answer.progress case final progress?) tell(progress);
      }
    }
    final (reason, trace) =
        givenUp ??
        (
          const RwkvException('internal', 'The load did not end.'),
          StackTrace.current,
        );
    return Future.error(reason, trace);
  }

  /// All loaded models, whichever client loaded them.
  Future<List<RwkvModel>> models() async {
    final loaded = await _session.askFor<LoadedModels>(GetModels());
    return [
      for (final model in loaded.models)
        makeModel(_session, model.modelID, model.loadID!, model.modelPath, this),
    ];
  }

  /// Downloads the file [source], an https address or a name of [catalogue], to
  /// the file or folder [path] of the app. [onProgress] is told, at most ten
  /// times a second, how many bytes there are and how many it will be.
  ///
  /// When a download ends early, its bytes are kept and the next download to the
  /// same [path] continues there. It ends with the code `cancelled` when
  /// [cancelWhen] completes, and with an exception when this client is closed.
  /// [sha256] is the file's hash; without it the catalogue's or the server's
  /// figure is checked, where there is one. [token] opens files that are not
  /// public. Throws a [RwkvException] that says what is wrong with the network, the
  /// server or the disk, with the code `unsupported` on systems without libcurl,
  /// and what [onProgress] throws.
  Future<files.RwkvDownload> download(
    String source,
    String path, {
    String sha256 = '',
    String token = '',
    void Function(int bytes, int? total)? onProgress,
    Future<void>? cancelWhen,
  }) => files.download(
    _session,
    DownloadModel(source: source, path: path, sha256: sha256, token: token),
    onProgress,
    cancelWhen,
  );

  /// A report on the library, the machine, and the backends with their devices
  /// and settings.
  Future<DoctorReport> doctor() => _session.askFor<DoctorReport>(Doctor());

  /// Public models that [download] knows by name.
  Future<List<CatalogueEntry>> catalogue() async =>
      (await _session.askFor<ModelCatalogue>(GetModelCatalogue())).entries;

  /// Bounds the memory of all models together to [bytes]; 0 lifts the bound.
  /// Where they exceed it, remembered states are dropped first, then idle models
  /// are put to sleep: they keep their ids and wake with the next request. A
  /// [load] that does not fit fails with the figures.
  Future<MemoryReleased> setMemoryBudget(int bytes) =>
      _session.askFor<MemoryReleased>(SetMemoryBudget(bytes));

  /// Sets how messages show pictures to models with a vision encoder: with the
  /// tag `image`, `<image>/path.jpg</image>`. Without one, as at first, and with
  /// an empty one nothing in a message names a file.
  Future<void> setPictureTag(String tag) =>
      _session.tellToEnd(SetImageUniqueIdentifier(tag));

  /// Gives memory back when the system asks the app to. Only speed is lost.
  Future<MemoryReleased> releaseMemory(MemoryPressure level) =>
      _session.askFor<MemoryReleased>(ReleaseMemory(level));

  /// The memory that the models take now.
  Future<MemoryInfo> memory() => _session.askFor<MemoryInfo>(GetMemoryInfo());

  /// Detaches from the runtime. If no other client is attached, the runtime ends
  /// in the background and releases its models. Streams that are still open end
  /// with an exception.
  Future<void> close() async {
    _forgotten.detach(this);
    _session.close();
  }
}
