import 'dart:async';
import 'dart:io';

import '../../from_rwkv.dart';
import '../../to_rwkv.dart';
import '../../types.dart';
import 'events.dart';
import 'exception.dart';
import 'joining_events.dart';
import 'session.dart';

/// A loaded model. It runs one generation at a time. Who forgets it finds it
/// again with `Rwkv.models`; only [release] frees it.
final class RwkvModel {
  /// Made by `Rwkv.load` and `Rwkv.models`.
  RwkvModel(this._session, this.id, this.path, this._owner);

  final Session _session;

  // Kept, because the session is closed with it.
  // ignore: unused_field
  final Object _owner;

  /// Its number in the runtime.
  final int id;

  /// The file it was loaded from.
  final String path;

  /// Writes the next turn of a conversation: [messages] are turns of the user
  /// and the model in alternation, the user first. If the model spoke last, it
  /// goes on with what it had said.
  ///
  /// With [reasoning] it thinks before it answers. [maxTokens] is the most it
  /// writes. Listening starts it; while the listener is busy or has paused, the
  /// text waits and comes as one piece; cancelling the subscription (or leaving
  /// an `await for`) stops it and waits until it has stopped. A failure is a
  /// [RwkvException] of the stream, `busy` when the model is writing already.
  Stream<RwkvEvent> chat(
    List<String> messages, {
    bool reasoning = false,
    int? maxTokens,
  }) => _generate(
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

  /// Writes the next turn in each of [conversations] at once, as [chat] does in
  /// one; events name theirs by its place ([RwkvEvent.slot]).
  Stream<RwkvEvent> chatBatch(
    List<List<String>> conversations, {
    bool reasoning = false,
    int? maxTokens,
  }) => _generate(
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

  /// Goes on with [prompt] as it is, as [chat] does with a conversation. Only
  /// what is new comes out.
  Stream<RwkvEvent> complete(String prompt, {int? maxTokens}) {
    // The first pieces repeat the prompt, which belongs to the text.
    var toSkip = prompt.length;
    return _generate(
      () =>
          GenerateAsync(prompt, maxLength: maxTokens, modelID: id, push: true),
    ).expand((event) {
      if (event is! RwkvText || toSkip == 0) return [event];
      final skipped = toSkip < event.text.length ? toSkip : event.text.length;
      toSkip -= skipped;
      final rest = event.text.substring(skipped);
      return [
        if (rest.isNotEmpty) RwkvText(event.generation, event.sequence, rest),
      ];
    });
  }

  /// Goes on listening to the model's last generation, whoever started it: the
  /// text after the piece [after] of [generation] without gap or repeat, or all
  /// of it, where the last one is another. Of a batch it is the conversation
  /// [slot]. Empty when there was none. Cancelling leaves the generation alone;
  /// [stop] ends it.
  Stream<RwkvEvent> attach({int? generation, int after = 0, int slot = 0}) {
    final asked = StackTrace.current;
    late final JoiningEvents events;
    StreamSubscription<FromRWKV>? pushes;
    Future<void> listen() async {
      // Listens before it asks, so that nothing is missed; what comes twice is
      // recognised by its number.
      var number = 0;
      int? attached;
      final early = <RwkvEvent>[];
      void fail(Object error) {
        if (events.isClosed) return;
        events
          ..addError(error, asked)
          ..close();
      }

      void take(RwkvEvent event) {
        if (event.generation != attached || events.isClosed) return;
        if (event is! RwkvProgress && event.slot != slot) return;
        if (event is RwkvText) {
          if (event.sequence <= number) return;
          number = event.sequence;
        }
        events.add(event);
        if (event is RwkvEnd) events.close();
      }

      pushes = _session.pushes.listen((push) {
        final event = _eventOf(push);
        if (event == null || events.isClosed) return;
        attached == null ? early.add(event) : take(event);
      }, onError: fail);
      try {
        final snapshot = await _session.askFor<GenerationSnapshot>(
          SubscribeGeneration(
            modelID: id,
            slot: slot,
            after: after,
            generationID: generation,
          ),
        );
        final found = snapshot.generationID;
        if (found != null) {
          number = snapshot.sequence;
          attached = found;
          if (snapshot.text.isNotEmpty) {
            events.add(RwkvText(found, number, snapshot.text, slot: slot));
          }
          if (snapshot.reason case final reason?) {
            events.add(RwkvEnd(found, reason, slot: slot));
          } else {
            early.forEach(take);
          }
        }
        if (found == null || snapshot.reason != null) events.close();
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

  /// Sets how tokens are chosen; what is not given stays as it is, and what is
  /// out of range counts as the nearest that is not (a [temperature] is 0.1 to
  /// 5). `topK: 1` with penalties of 0 always takes the likeliest.
  Future<void> setSampling({
    double? temperature,
    int? topK,
    double? topP,
    double? presencePenalty,
    double? frequencyPenalty,
    double? penaltyDecay,
    int? seed,
  }) async {
    final now = await _session.askFor<SamplerParams>(
      GetSamplerParams(modelID: id),
    );
    await _session.tell(
      SetSamplerParams(
        temperature: temperature ?? now.temperature,
        topK: topK ?? now.topK,
        topP: topP ?? now.topP,
        presencePenalty: presencePenalty ?? now.presencePenalty,
        frequencyPenalty: frequencyPenalty ?? now.frequencyPenalty,
        penaltyDecay: penaltyDecay ?? now.penaltyDecay,
        modelID: id,
      ),
    );
    if (seed != null) await _session.tell(SetSeed(seed, modelID: id));
  }

  /// Writes the state after the turns [messages] to the file [path]; a last turn
  /// of the user that has no answer is left out. With [halfPrecision] the file
  /// is half as large, and the conversation goes on nearly as it would have.
  Future<void> saveState(
    List<String> messages,
    String path, {
    bool halfPrecision = false,
  }) => _session.tell(
    SaveRuntimeStateByHistory(
      messages: messages,
      stateSavePath: path,
      modelID: id,
      halfPrecision: halfPrecision,
    ),
  );

  /// Reads a file of [saveState]: a conversation that begins with its turns need
  /// not be read again, also after the app was closed.
  Future<void> loadState(String path) async {
    if (await FileSystemEntity.type(path) == FileSystemEntityType.notFound) {
      throw RwkvException('not_found', 'There is no state file $path.');
    }
    await _session.tell(
      LoadRuntimeStateToMemory(stateLoadPath: path, modelID: id),
    );
  }

  /// Sets how many bytes the states of conversations may take in memory, and a
  /// [folder] where they are kept as files of at most [folderLimitBytes]
  /// (1 GiB): after a restart of the app a conversation then goes on without
  /// being read again. An empty name ends that; null changes nothing.
  Future<void> setStateCache({
    int? limitBytes,
    String? folder,
    int? folderLimitBytes,
  }) => _session.tell(
    SetStateCache(
      modelID: id,
      limitBytes: limitBytes,
      folder: folder,
      folderLimitBytes: folderLimitBytes,
    ),
  );

  /// Loads a tuned initial state (`.pth` or `.rmpack` of state tuning): prompts
  /// that begin with `<state src="PATH">` are read from it on.
  Future<void> loadInitialState(String path) =>
      _session.tell(LoadInitialStates(path, modelID: id));

  /// Forgets it; the tag is ordinary text from then on.
  Future<void> unloadInitialState(String path) =>
      _session.tell(UnloadInitialStates(path, modelID: id));

  /// Forgets the conversations that the model remembers in order to go on with
  /// them quickly.
  Future<void> clearStates() => _session.tell(ClearStates(modelID: id));

  /// Sets the model's share of the processors while others compute as well: with
  /// a [weight] of 3 against another's 1 it computes three times as long. It is 1
  /// unless set, and 0.001 to 1000.
  Future<void> setWeight(double weight) =>
      _session.tell(SetModelWeight(weight, modelID: id));

  /// Stops what the model is writing and completes when it has stopped. Nothing
  /// happens when it is not.
  Future<void> stop() => _session.tell(Stop(modelID: id));

  /// Stops the model and frees its memory; it cannot be used afterwards.
  Future<void> release() async {
    await for (final answer in _session.ask(ReleaseRWKVModel(modelID: id))) {
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
  }

  Stream<RwkvEvent> _generate(ToRWKV Function() makeRequest, {int slots = 1}) {
    // Where errors lead to: the listener is often elsewhere.
    final asked = StackTrace.current;
    // Whether the runtime has taken the request: null until it says so.
    bool? taken;
    final decided = Completer<void>();
    // The text can be complete before the model is free for the next request;
    // the stream ends when it is.
    final free = Completer<void>();
    var running = slots;
    late final JoiningEvents events;

    void decide(bool value) {
      if (decided.isCompleted) return;
      taken = value;
      decided.complete();
    }

    // Of all slots: whoever listens on has heard it.
    void fail(Object error) {
      if (running == 0) return;
      running = 0;
      events.addError(error, asked);
    }

    void receive(FromRWKV answer) {
      if (answer is GenerateStart) decide(true);
      if (running == 0) return;
      switch (answer) {
        case GenerationEnd(reason: GenerationEndReason.error):
          // The other slots go on.
          --running;
          events.addError(_failed(answer.error, answer.code), asked);
        case GenerateStop(:final error?, :final code):
          fail(_failed(error, code));
        default:
          final event = _eventOf(answer);
          if (event != null) events.add(event);
          if (event is RwkvEnd) --running;
      }
    }

    events = JoiningEvents(
      onListen: () {
        _session
            .ask(makeRequest())
            .listen(
              receive,
              onError: fail,
              onDone: () {
                decide(false);
                free.complete();
                events.close();
              },
            );
      },
      onCancel: () async {
        // Not before it is sure that the model is writing this, and not
        // something that was there before; then at once, before what the caller
        // asks for next.
        if (taken == null) await decided.future;
        if (taken! && running > 0) {
          running = 0;
          await stop();
        }
        await free.future;
      },
    );
    return events.stream;
  }

  static RwkvException _failed(String? error, String? code) =>
      RwkvException(code ?? 'internal', error ?? 'The generation failed.');

  static RwkvEvent? _eventOf(FromRWKV message) => switch (message) {
    GenerationProgress() => RwkvProgress(
      message.generationID,
      message.progress,
      slot: message.slot,
    ),
    GenerationDelta() => RwkvText(
      message.generationID,
      message.sequence,
      message.text,
      slot: message.slot,
    ),
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
