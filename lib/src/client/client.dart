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
/// [models] still has what was loaded, and a model goes on with what it was
/// writing (`RwkvModel.attach`).
final class Rwkv {
  Rwkv._(this._session) {
    _session.owner = this;
    _forgotten.attach(this, _session, detach: this);
  }

  // A client that nobody can reach any more, nor any of its models, is closed.
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

  /// Loads the model file [path]; [onProgress] is told 0 to 1, at the end 1.
  ///
  /// After a hot restart models may be there already: look at [models] first.
  ///
  /// An empty [tokenizerPath] is the file's own token list. [gpuLayers] is how
  /// many layers llama.cpp gives to the GPU, where it has one. The load is given
  /// up, with the code `cancelled`, when [cancelWhen] completes before the load
  /// has ended; later it means nothing. Throws a [RwkvException] that says what is wrong with the file, and
  /// what [onProgress] throws.
  Future<RwkvModel> load(
    String path, {
    Backend backend = Backend.llamacpp,
    String tokenizerPath = '',
    int? gpuLayers,
    void Function(double progress)? onProgress,
    Future<void>? cancelWhen,
  }) async {
    checkInteger('gpuLayers', gpuLayers, least: 0);
    final request = LoadRWKVModel(
      modelPath: path,
      backend: backend,
      tokenizerPath: tokenizerPath,
      llamaCppNGpuLayers: gpuLayers,
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

  /// All models that are loaded, by whomever.
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
  /// What came is kept when a download ends early, and the next one to the same
  /// [path] goes on there. It ends with the code `cancelled` when [cancelWhen]
  /// completes, and with an exception when this client is closed. [sha256] is
  /// what the file must be; without it the catalogue's or the server's figure is
  /// checked, where there is one. [token] opens files that are not public. Throws a [RwkvException] that says what is
  /// wrong with the network, the server or the disk, with the code `unsupported`
  /// on systems without libcurl, and what [onProgress] throws.
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

  /// Public models that [download] knows by name.
  Future<List<CatalogueEntry>> catalogue() async =>
      (await _session.askFor<ModelCatalogue>(GetModelCatalogue())).entries;

  /// Bounds the memory of all models together to [bytes]; 0 lifts the bound.
  /// Where they have more, remembered states go first, then idle models fall
  /// asleep: they keep their ids and wake with the next request. A [load] that
  /// does not fit any more fails with the figures.
  Future<MemoryReleased> setMemoryBudget(int bytes) =>
      _session.askFor<MemoryReleased>(SetMemoryBudget(bytes));

  /// Gives memory back, for apps that the system asks to. Only speed is lost.
  Future<MemoryReleased> releaseMemory(MemoryPressure level) =>
      _session.askFor<MemoryReleased>(ReleaseMemory(level));

  /// What the models take now.
  Future<MemoryInfo> memory() => _session.askFor<MemoryInfo>(GetMemoryInfo());

  /// Detaches from the runtime. If nobody else is attached, the runtime ends in
  /// the background and releases its models. Streams that are still open end
  /// with an exception.
  Future<void> close() async {
    _forgotten.detach(this);
    _session.close();
  }
}
