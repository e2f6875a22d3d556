import 'dart:async';
import 'dart:io';

import '../../from_rwkv.dart';
import '../../to_rwkv.dart';
import '../../types.dart';
import 'arguments.dart';
import 'events.dart';
import 'exception.dart';
import 'joining_events.dart';
import 'session.dart';

/// Makes the handle of a model, for `Rwkv.load` and `Rwkv.models`.
RwkvModel makeModel(
  Session session,
  int id,
  int load,
  String path,
  Object owner,
) => RwkvModel._(session, id, load, path, owner);

/// A loaded model. It runs one generation at a time. An app that has lost the
/// object gets the model again from `Rwkv.models`; only [release] frees it. After
/// that each of its functions fails with `not_found`, even when the next model
/// has its number.
///
/// Two objects are equal when they mean the same load.
final class RwkvModel {
  RwkvModel._(this._session, this.id, this._load, this.path, this._owner);

  final Session _session;

  // Never given again, where ids are.
  final int _load;

  // Kept, because the session is closed with it.
  // ignore: unused_field
  final Object _owner;

  /// Its number in the runtime.
  final int id;

  /// The file it was loaded from.
  final String path;

  Future<void> _tell(ToRWKV request) => _session.tell(request, loadID: _load);

  // For what closing the client does as well.
  Future<void> _tellToEnd(ToRWKV request) =>
      _session.tellToEnd(request, loadID: _load);

  @override
  bool operator ==(Object other) => other is RwkvModel && other._load == _load;

  @override
  int get hashCode => _load.hashCode;

  @override
  String toString() => 'RwkvModel($id, $path)';

  /// Writes the next turn of a conversation: [messages] are turns of the user
  /// and the model in alternation, the user first. If the last turn is the
  /// model's, it is continued, and only new text comes out.
  ///
  /// With [reasoning] the model thinks before it answers. It writes at most
  /// [maxTokens] tokens. Listening starts the generation. While the listener is
  /// busy or has paused, text waits and comes as one piece. Cancelling the
  /// subscription (or leaving an `await for`) stops the generation and waits for
  /// its end. A failure is a [RwkvException] of the stream, `busy` when the model
  /// generates already.
  Stream<RwkvEvent> chat(
    List<String> messages, {
    bool reasoning = false,
    int? maxTokens,
  }) => _generate(
    maxTokens,
    () => ChatAsync(
      messages,
      enableReasoning: reasoning,
      forceReasoning: false,
      addGenerationPrompt: messages.length.isOdd,
      maxLength: maxTokens,
      modelID: id,
      push: true,
    ),
  );

  /// Writes the next turn of each of [conversations] at once, as [chat] does of
  /// one; [RwkvEvent.slot] is the index of an event's conversation.
  Stream<RwkvEvent> chatBatch(
    List<List<String>> conversations, {
    bool reasoning = false,
    int? maxTokens,
  }) => _generate(
    maxTokens,
    () => ChatBatchAsync.withSlotConfigs(
      [
        for (final messages in conversations)
          ChatBatchSlotConfig(
            messages: messages,
            enableReasoning: reasoning,
            forceReasoning: false,
            addGenerationPrompt: messages.length.isOdd,
          ),
      ],
      maxLength: maxTokens,
      modelID: id,
      push: true,
    ),
    slots: conversations.length,
  );

  /// Continues the text [prompt] as it is. Only new text comes out. See [chat] for
  /// the rest.
  Stream<RwkvEvent> complete(String prompt, {int? maxTokens}) => _generate(
    maxTokens,
    () => GenerateAsync(prompt, maxLength: maxTokens, modelID: id, push: true),
  );

  /// Listens to the model's last generation, which any client may have started.
  /// The stream has the events of [chat] or [complete] after the piece [after] of
  /// [generation], without gap or repeat, or all of them when the last generation
  /// is another. A piece that [generation] has not written yet is refused. [slot]
  /// is the conversation of a batch, -1 all of them. The stream is empty when
  /// there was no generation. Cancelling the subscription leaves the generation
  /// alone; [stop] ends it.
  Stream<RwkvEvent> attach({int? generation, int after = 0, int slot = 0}) {
    final asked = StackTrace.current;
    late final JoiningEvents events;
    StreamSubscription<FromRWKV>? pushes;
    Future<void> listen() async {
      // Listens before it asks, so that nothing is missed; what comes twice is
      // recognised by its number.
      final numbers = <int, int>{};
      int? attached;
      final early = <FromRWKV>[];
      void fail(Object error) {
        if (events.isClosed) return;
        events
          ..addError(error, asked)
          ..close();
      }

      // One of the slots that are followed has ended.
      void end(int ended) {
        numbers.remove(ended);
        if (numbers.isEmpty) events.close();
      }

      void take(FromRWKV push) {
        if (events.isClosed) return;
        final event = _eventOf(push);
        final failure = _failureOf(push);
        final (of, from) = switch (push) {
          GenerationEnd() => (push.generationID, push.slot),
          _ => (event?.generation, event?.slot ?? 0),
        };
        if (of != attached) return;
        if (event is! RwkvProgress) {
          final number = numbers[from];
          if (number == null) return;
          if (event is RwkvText) {
            if (event.sequence <= number) return;
            numbers[from] = event.sequence;
          }
        }
        if (event != null) events.add(event);
        if (failure != null) events.addError(failure, asked);
        if (push is GenerationEnd) end(from);
      }

      pushes = _session.pushes.listen((push) {
        attached == null ? early.add(push) : take(push);
      }, onError: fail);
      try {
        checkInteger('slot', slot, least: -1);
        final snapshots = <GenerationSnapshot>[];
        final request = SubscribeGeneration(
          modelID: id,
          slot: slot,
          after: after,
          generationID: generation,
        );
        await for (final answer in _session.ask(request, loadID: _load)) {
          if (answer is GenerationSnapshot) snapshots.add(answer);
        }
        if (events.isClosed) return;
        for (final snapshot in snapshots) {
          final found = snapshot.generationID;
          if (found == null) continue;
          attached = found;
          numbers[snapshot.slot] = snapshot.sequence;
          if (snapshot.text.isNotEmpty) {
            events.add(
              RwkvText(
                found,
                snapshot.sequence,
                snapshot.text,
                slot: snapshot.slot,
              ),
            );
          }
        }
        for (final GenerationSnapshot(:generationID, :slot, :reason, :error, :code)
            in snapshots) {
          if (generationID == null || reason == null) continue;
          if (reason == GenerationEndReason.error) {
            events.addError(_failed(error, code), asked);
          } else {
            events.add(RwkvEnd(generationID, reason, slot: slot));
          }
          numbers.remove(slot);
        }
        if (numbers.isEmpty) return events.close();
        early.forEach(take);
      } on RwkvException catch (e) {
        fail(e);
      }
    }

    events = JoiningEvents(
      onListen: listen,
      onCancel: () => pushes?.cancel(),
    );
    return events.stream;
  }

  /// Sets how tokens are chosen. A value that is not given stays as it is; a value
  /// out of range counts as the nearest one in range (a [temperature] is 0.1 to
  /// 5). `topK: 1` with penalties of 0 always takes the likeliest token.
  Future<void> setSampling({
    double? temperature,
    int? topK,
    double? topP,
    double? presencePenalty,
    double? frequencyPenalty,
    double? penaltyDecay,
    int? seed,
  }) async {
    checkFinite('temperature', temperature);
    checkFinite('topP', topP);
    checkFinite('presencePenalty', presencePenalty);
    checkFinite('frequencyPenalty', frequencyPenalty);
    checkFinite('penaltyDecay', penaltyDecay);
    await _tell(
      UpdateSampling(
        temperature: temperature,
        topK: topK,
        topP: topP,
        presencePenalty: presencePenalty,
        frequencyPenalty: frequencyPenalty,
        penaltyDecay: penaltyDecay,
        seed: seed,
        modelID: id,
      ),
    );
  }

  /// Gives the model eyes: the encoder of pictures in the file [path], with its
  /// adapter or with that in [adapter]. They take the place of eyes it has. A
  /// message shows a picture as `Rwkv.setPictureTag` says.
  Future<void> loadVisionEncoder(String path, {String? adapter}) => _tell(
    adapter == null
        ? LoadVisionEncoder(path, modelID: id)
        : LoadVisionEncoderAndAdapter(path, adapter, modelID: id),
  );

  /// Gives the model ears: the encoder of sound in the file [path].
  Future<void> loadAudioEncoder(String path) =>
      _tell(LoadWhisperEncoder(path, modelID: id));

  /// Takes the model's eyes away. What it has seen stays in its states.
  Future<void> releaseVisionEncoder() =>
      _tellToEnd(ReleaseVisionEncoder(modelID: id));

  /// Takes the model's ears away.
  Future<void> releaseAudioEncoder() =>
      _tellToEnd(ReleaseWhisperEncoder(modelID: id));

  /// Makes the recording in the file [path] (WAV, FLAC, MP3) what all chats
  /// begin with.
  Future<void> setAudioPrompt(String path) =>
      _tell(SetAudioPrompt(path, modelID: id));

  /// Writes the state after the turns [messages] to the file [path]; a last turn
  /// of the user that has no answer is left out. With [halfPrecision] the file
  /// is half as large, and the conversation goes on nearly as it would have.
  Future<void> saveState(
    List<String> messages,
    String path, {
    bool halfPrecision = false,
  }) => _tell(
    SaveRuntimeStateByHistory(
      messages: messages,
      stateSavePath: path,
      modelID: id,
      halfPrecision: halfPrecision,
    ),
  );

  /// Loads a file that [saveState] has written: a conversation that begins with
  /// its turns need not be read again, even after the app was closed.
  Future<void> loadState(String path) async {
    // A device has no type here, but a mode.
    if ((await FileStat.stat(path)).mode == 0) {
      throw RwkvException('not_found', 'There is no state file $path.');
    }
    await _tell(
      LoadRuntimeStateToMemory(stateLoadPath: path, modelID: id),
    );
  }

  /// Sets how many bytes the states of conversations may take in memory (unless
  /// set a sixteenth of the machine's, 32 MiB to 1 GiB, for each model), and a
  /// [folder] where they are kept as files of at most [folderLimitBytes]
  /// (1 GiB): after a restart of the app a conversation then goes on without
  /// being read again. An empty name ends that; null changes nothing.
  Future<void> setStateCache({
    int? limitBytes,
    String? folder,
    int? folderLimitBytes,
  }) async {
    checkBytes('limitBytes', limitBytes);
    checkBytes('folderLimitBytes', folderLimitBytes);
    await _tell(
      SetStateCache(
        modelID: id,
        limitBytes: limitBytes,
        folder: folder,
        folderLimitBytes: folderLimitBytes,
      ),
    );
  }

  /// Loads a tuned initial state (`.pth` or `.rmpack` of state tuning): prompts
  /// that begin with `<state src="PATH">` are read from it on.
  Future<void> loadInitialState(String path) =>
      _tell(LoadInitialStates(path, modelID: id));

  /// Unloads that state; its tag is ordinary text from then on.
  Future<void> unloadInitialState(String path) =>
      _tellToEnd(UnloadInitialStates(path, modelID: id));

  /// Drops the remembered states of conversations. A conversation that goes on is
  /// read again from its beginning.
  Future<void> clearStates() => _tellToEnd(ClearStates(modelID: id));

  /// Sets the model's share of the processors while other models compute: with a
  /// [weight] of 3 against another's 1 it computes three times as long. The weight
  /// is 1 unless set, and 0.001 to 1000.
  Future<void> setWeight(double weight) async {
    checkFinite('weight', weight);
    await _tell(SetModelWeight(weight, modelID: id));
  }

  /// Stops the model's generation and completes when it has stopped. Does nothing
  /// when there is none.
  Future<void> stop() => _tellToEnd(Stop(modelID: id));

  /// Stops the model and frees its memory; it cannot be used afterwards, and a
  /// second release fails with `not_found`.
  Future<void> release() async {
    final wasClosed = _session.isClosed;
    try {
      final request = ReleaseRWKVModel(modelID: id);
      await for (final answer in _session.ask(request, loadID: _load)) {
        if (answer case LoadModelSteps(
          status: LoadingStatus.failedInReleasing,
          :final info,
          :final code,
        )) {
          throw RwkvException(
            code ?? 'not_found',
            info ?? 'The model is not loaded.',
          );
        }
      }
    } on RwkvException catch (e) {
      // Closed meanwhile: the runtime has the request.
      if (wasClosed || !_session.isClosed || e.code != 'closed') rethrow;
    }
  }

  Stream<RwkvEvent> _generate(
    int? maxTokens,
    ToRWKV Function() makeRequest, {
    int slots = 1,
  }) {
    // Where errors lead to: the listener is often elsewhere.
    final asked = StackTrace.current;
    // The text can be complete before the model is free for the next request;
    // the stream ends when it is.
    final free = Completer<void>();
    ToRWKV? request;
    var running = slots;
    var ended = false;
    late final JoiningEvents events;
    bool isOver() => ended || slots > 0 && running == 0;

    // Of all slots: a listener that goes on has heard it.
    void fail(Object error) {
      if (isOver()) return;
      ended = true;
      events.addError(error, asked);
    }

    void receive(FromRWKV answer) {
      if (isOver()) return;
      if (answer case GenerateStop(:final error?, :final code)) {
        return fail(_failed(error, code));
      }
      final event = _eventOf(answer);
      if (event != null) events.add(event);
      if (_failureOf(answer) case final failure?) {
        events.addError(failure, asked);
      }
      // The other slots go on.
      if (answer is GenerationEnd) --running;
    }

    void finish() {
      if (!free.isCompleted) free.complete();
      events.close();
    }

    events = JoiningEvents(
      onListen: () {
        try {
          checkInteger('maxTokens', maxTokens, least: 0);
        } on RwkvException catch (e) {
          fail(e);
          return finish();
        }
        final made = request = makeRequest();
        _session
            .ask(made, loadID: _load)
            .listen(receive, onError: (Object e) => fail(_explained(e)), onDone: finish);
      },
      onCancel: () async {
        // At once, before what the caller asks for next, and nothing but what
        // this request started.
        if (request case final request? when !free.isCompleted) {
          ended = true;
          try {
            await _session.tellToEnd(
              Stop(modelID: id),
              loadID: _load,
              startedBy: request,
            );
          } on RwkvException {
            // Released or closed: it is over.
          }
          await free.future;
        }
      },
    );
    return events.stream;
  }

  static Object _explained(Object error) => switch (error) {
    RwkvException(code: 'busy') => const RwkvException(
      'busy',
      'The model is writing already, one answer at a time. Cancel the '
          'subscription of that one (a timeout does not), or call stop(), and '
          'ask again.',
    ),
    _ => error,
  };

  static RwkvException _failed(String? error, String? code) =>
      RwkvException(code ?? 'internal', error ?? 'The generation failed.');

  static RwkvException? _failureOf(FromRWKV message) => switch (message) {
    GenerationEnd(reason: GenerationEndReason.error, :final error, :final code) =>
      _failed(error, code),
    _ => null,
  };

  static RwkvEvent? _eventOf(FromRWKV message) => switch (message) {
    GenerationProgress() => RwkvProgress(
      message.generationID,
      message.progress,
      slot: message.slot,
    ),
    // Tokens whose text is still held back.
    GenerationDelta(text: '') => null,
    GenerationDelta() => RwkvText(
      message.generationID,
      message.sequence,
      message.text,
      slot: message.slot,
    ),
    GenerationEnd(reason: GenerationEndReason.error) => null,
    GenerationEnd() => RwkvEnd(
      message.generationID,
      message.reason,
      slot: message.slot,
      promptTokens: message.promptTokens,
      generatedTokens: message.generatedTokens,
      decodeSpeed: message.decodeSpeed,
    ),
    _ => null,
  };
}
