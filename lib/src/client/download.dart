// A file from the network.
import '../../from_rwkv.dart';
import '../../to_rwkv.dart';
import 'exception.dart';
import 'session.dart';

/// A file that was downloaded whole and unaltered.
final class RwkvDownload {
  /// The file at [path].
  const RwkvDownload({
    required this.path,
    required this.bytes,
    required this.sha256,
    required this.verified,
    required this.resumedFrom,
  });

  /// Where it is.
  final String path;

  /// How large it is.
  final int bytes;

  /// Its SHA-256, in lower-case hexadecimal digits.
  final String sha256;

  /// Whether there was a SHA-256 to compare that with: the caller's, the
  /// catalogue's or the server's.
  final bool verified;

  /// The bytes that an earlier download had left.
  final int resumedFrom;

  @override
  String toString() => 'RwkvDownload($path, $bytes bytes, $sha256)';
}

/// See `Rwkv.download`.
Future<RwkvDownload> download(
  Session session,
  DownloadModel request,
  void Function(int bytes, int? total)? onProgress,
  Future<void>? cancelWhen,
) async {
  int? id;
  var ended = false;
  (Object, StackTrace)? givenUp;
  void giveUp(Object reason, StackTrace trace) {
    if (ended) return;
    givenUp ??= (reason, trace);
    if (id case final id?) session.tell(StopDownload(id)).ignore();
  }

  cancelWhen
      ?.whenComplete(
        () => giveUp(
          RwkvException(
            'cancelled',
            'The download of ${request.source} was cancelled; what came is kept.',
          ),
          StackTrace.current,
        ),
      )
      .ignore();
  await for (final step in session.ask(request)) {
    if (step is! DownloadSteps) continue;
    if (step.status == DownloadStatus.downloading) {
      final begins = id == null;
      id = step.downloadID;
      if (givenUp case (final reason, final trace)?) {
        if (begins) giveUp(reason, trace);
        continue;
      }
      try {
        onProgress?.call(step.bytes, step.totalBytes);
      } on Object catch (e, trace) {
        giveUp(e, trace);
      }
      continue;
    }
    ended = true;
    if (step.status == DownloadStatus.downloaded && givenUp == null) {
      return RwkvDownload(
        path: step.path!,
        bytes: step.bytes,
        sha256: step.sha256!,
        verified: step.verified!,
        resumedFrom: step.resumedFrom,
      );
    }
    if (givenUp == null) {
      throw RwkvException(step.code ?? 'cancelled', step.info ?? request.path);
    }
  }
  final (reason, trace) =
      givenUp ??
      (
        const RwkvException('internal', 'The download did not end.'),
        StackTrace.current,
      );
  return Future.error(reason, trace);
}
