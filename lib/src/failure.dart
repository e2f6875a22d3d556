// The failure of a request that cannot reach the runtime.
import '../from_rwkv.dart';
import '../to_rwkv.dart';
import '../types.dart';

/// The answer that tells the sender of [request] that it failed: a terminal step
/// for loads and releases, GenerateStop for generations, else Error.
FromRWKV failureOf(ToRWKV request, String message, String code) =>
    switch (request) {
      LoadRWKVModel() || AddTTSModel() => LoadModelSteps(
        status: LoadingStatus.failedInLoading,
        info: message,
        code: code,
        req: request,
      ),
      ReleaseRWKVModel(:final modelID) => LoadModelSteps(
        status: LoadingStatus.failedInReleasing,
        modelID: modelID,
        info: message,
        code: code,
        req: request,
      ),
      ChatAsync() ||
      ChatBatchAsync() ||
      GenerateAsync() ||
      SudokuOthelloGenerate() => GenerateStop(error: message, code: code, req: request),
      _ => Error(message, request, null, code),
    };
