// The package as apps use it, on the real library and the shipped model.
import 'dart:async';
import 'dart:isolate';

import 'package:rwkv_mobile_flutter/from_rwkv.dart' as from_rwkv;
import 'package:rwkv_mobile_flutter/from_rwkv.dart';
import 'package:rwkv_mobile_flutter/rwkv.dart';
import 'package:rwkv_mobile_flutter/src/native_library.dart';

import 'app.dart';
import 'harness.dart';

/// An object of the app's that only a copy within the isolate group can carry.
class FileInfo {
  FileInfo(this.name, this.onDone);
  final String name;
  final int Function(int) onDone;
}

int twice(int value) => 2 * value;

/// The model answers this with `Lima.`
const peru = 'What is the capital of Peru?';

/// A completion that goes on until it is stopped.
GenerateAsync endless(int id, {bool push = false, int maxLength = 100000}) =>
    GenerateAsync('What is', maxLength: maxLength, modelID: id, push: push);

Future<void> main() async {
  final app = App();

  await test('the first message is a SendPort, the only one', () async {
    await app.start();
    await app.ask<LoadedModelIDs>(GetLoadedModelIDs());
    check(app.log.first is SendPort, 'the first is ${app.log.first}');
    equal(app.log.whereType<SendPort>().length, 1);
  });

  await test('a second start throws and disturbs nothing', () async {
    await thrownBy<StateError>(() => app.rwkv.runIsolate(app.options()));
    await app.ask<LoadedModelIDs>(GetLoadedModelIDs());
    equal(app.log.whereType<SendPort>().length, 1);
  });

  await test('early requests wait and are answered in order', () async {
    final other = App();
    unawaited(other.rwkv.runIsolate(other.options()));
    final port = await other.wait<SendPort>();
    final requests = [for (var i = 0; i < 50; ++i) GetLoadedModelPathByID(i)];
    requests.forEach(port.send);
    await other.wait<LoadedModelPathByID>(where: (r) => r.req == requests.last);
    equal(
      [
        for (final message in other.log)
          if (message is LoadedModelPathByID) message.modelID,
      ],
      [for (var i = 0; i < 50; ++i) i],
    );
    await other.end();
  });

  await test('equality survives the way there and back', () async {
    final request = DumpLog();
    final answer = await app.ask<RuntimeLog>(request);
    check(answer.req == request, 'equal');
    check(!identical(answer.req, request), 'a copy');
    check(answer.req.hashCode == request.hashCode, 'hash codes are equal');
  });

  await test('requests with one id and different classes do not mix', () async {
    // Two isolates number their requests independently, so ids can collide.
    final fromOther = await Isolate.run(GetLoadedModelIDs.new);
    final twin = await Isolate.run(GetLoadedModelIDs.new);
    final a = await app.ask<LoadedModelIDs>(fromOther);
    final b = await app.ask<LoadedModelIDs>(twin);
    check(a.req == fromOther && b.req == twin, 'each has its own request');
    // The same object twice is answered twice.
    final from = app.log.length;
    app
      ..send(fromOther)
      ..send(fromOther);
    await app.ask<RuntimeLog>(DumpLog());
    equal(app.log.skip(from).whereType<LoadedModelIDs>().length, 2);
  });

  var id = -1;
  await test('extra comes back in every step of a load', () async {
    final from = app.log.length;
    id = await app.load(extra: FileInfo('mine', twice));
    final steps = app.log.skip(from).whereType<LoadModelSteps>().toList();
    check(steps.length >= 2, 'a step and the end');
    for (final step in steps) {
      final extra = (step.req! as LoadRWKVModel).extra as FileInfo;
      equal(extra.name, 'mine');
      equal(extra.onDone(21), 42);
    }
    equal(steps.last.status, LoadingStatus.loaded);
    equal(
      steps.where((s) => s.status == LoadingStatus.loaded).length,
      1,
      'one end',
    );
    equal(id, 0);
  });

  await test('a file that is not there fails with a reason', () async {
    final request = LoadRWKVModel(
      modelPath: 'no/such/file.gguf',
      backend: Backend.llamacpp,
      tokenizerPath: '',
    );
    final step = await app.ask<LoadModelSteps>(
      request,
      where: (s) => s.status != LoadingStatus.loading,
    );
    equal(step.status, LoadingStatus.failedInLoading);
    check(step.info!.contains('no/such/file.gguf'), step.info!);
  });

  await test('the model answers what is known to be true', () async {
    app.beGreedy(id);
    equal(await app.poll(chat([peru], id), id), 'Lima.');
  });

  await test('polls give their messages back', () async {
    final answer = await app.ask<ResponseBufferContent>(
      GetResponseBufferContent(messages: ['the', 'key'], modelID: id),
    );
    equal((answer.req! as GetResponseBufferContent).messages, ['the', 'key']);
    equal(answer.responseBufferContent, 'Lima.');
    check(answer.eosFound, 'ended by itself');
  });

  await test('the flag comes typed, then directly as a map', () async {
    final from = app.log.length;
    await app.ask<IsGenerating>(GetIsGenerating(modelID: id));
    await app.ask<IsGenerating>(GetIsGenerating(modelID: 77));
    await app.ask<RuntimeLog>(DumpLog());
    final part = app.log.sublist(from);
    equal(part.length, 5);
    equal((part[0] as IsGenerating).isGenerating, false);
    equal(part[1], {'isGenerating': false});
    equal((part[2] as IsGenerating).modelID, 77);
    equal(part[3], {'isGenerating': false});
  });

  await test('token ids come as a map alone', () async {
    final from = app.log.length;
    app.send(GetResponseBufferIds(modelID: id));
    await app.ask<RuntimeLog>(DumpLog());
    final map = app.log[from] as Map<Object?, Object?>;
    equal(map.keys.toList(), ['responseBufferIds']);
    check((map['responseBufferIds']! as List<int>).isNotEmpty, 'has tokens');
    check(app.log[from + 1] is RuntimeLog, 'and nothing else');
  });

  await test('puzzle maps go before their typed tokens', () async {
    for (final wanted in [true, false]) {
      final from = app.log.length;
      app.send(SetMaxLength(5, modelID: id));
      final request = SudokuOthelloGenerate(
        'What is',
        wantRawJSON: wanted,
        modelID: id,
      );
      await app.ask<GenerateStop>(request);
      final part = app.log.sublist(from);
      check(part.first is GenerateStart, 'starts');
      check(part.last is GenerateStop, 'stops');
      final whole = part[part.length - 2] as Map<Object?, Object?>;
      final text = whole['sudokuOthelloResponse']! as String;
      check(text.startsWith('What is'), text);
      final middle = part.sublist(1, part.length - 2);
      final typed = middle.whereType<StreamResponse>().toList();
      check(typed.isNotEmpty, 'tokens');
      equal(middle.length, typed.length * (wanted ? 2 : 1));
      for (var i = 0; wanted && i < middle.length; i += 2) {
        final response = middle[i + 1] as StreamResponse;
        equal(middle[i], {
          'streamResponse': response.streamResponse,
          'streamResponseToken': response.streamResponseToken,
          'streamResponseNewText': response.streamResponseNewText,
          'prefillSpeed': response.prefillSpeed,
          'decodeSpeed': response.decodeSpeed,
        });
      }
    }
    app.send(SetMaxLength(2000, modelID: id));
  });

  await test('a model that is not loaded ends a generation at once', () async {
    final stop = await app.ask<GenerateStop>(chat(['Hi'], 55));
    check(stop.error != null, 'with a reason');
  });

  await test('numbers that are not finite are refused', () async {
    final error = await app.ask<from_rwkv.Error>(
      SetSamplerParams(
        temperature: double.nan,
        topK: 1,
        topP: 1,
        presencePenalty: 0,
        frequencyPenalty: 0,
        penaltyDecay: 1,
        modelID: id,
      ),
    );
    equal(error.code, 'invalid_argument');
    await app.ask<LoadedModelIDs>(GetLoadedModelIDs());
  });

  await test('what is no request is refused, and it goes on', () async {
    final from = app.log.length;
    app.requests.send(['not', 'a', 'request']);
    await app.wait<from_rwkv.Error>(from: from);
    await app.ask<LoadedModelIDs>(GetLoadedModelIDs());
  });

  await test('lone surrogates and NUL are harmless', () async {
    final count = await app.ask<TokensCount>(
      CalculateTokensCountRaw('a\u0000b\ud800c', modelID: id),
    );
    check(count.tokensCount >= 4, '${count.tokensCount}');
  });

  await test('two models work at once', () async {
    final second = await app.load();
    equal(second, 1);
    app.beGreedy(second);
    app.send(SetTokenBanned([0], modelID: id));
    final first = endless(id);
    await app.ask<GenerateStart>(first);
    equal(await app.poll(chat([peru], second), second), 'Lima.');
    final busy = await app.ask<IsGenerating>(GetIsGenerating(modelID: id));
    check(busy.isGenerating, 'the first goes on');

    final stop = Stop(modelID: id);
    await app.ask<GenerateStop>(stop);
    final idle = await app.ask<IsGenerating>(GetIsGenerating(modelID: id));
    check(!idle.isGenerating, 'stopped');
    equal(app.answersTo(stop).length, 1);
    equal((await app.release(second)).status, LoadingStatus.released);
    app.send(SetTokenBanned([], modelID: id));
  });

  await test('a stop of an idle model answers nothing', () async {
    final stop = Stop(modelID: id);
    app.send(stop);
    app.send(Stop(modelID: 99));
    await app.ask<RuntimeLog>(DumpLog());
    equal(app.answersTo(stop).length, 0);
  });

  await test('a second generation is refused, the first goes on', () async {
    app.send(SetTokenBanned([0], modelID: id));
    await app.ask<GenerateStart>(endless(id));
    final error = await app.ask<from_rwkv.Error>(chat(['Hi'], id));
    equal(error.message, 'LLM is already generating');
    final flag = await app.ask<IsGenerating>(GetIsGenerating(modelID: id));
    check(flag.isGenerating, 'it goes on');
    // A stop directly before a start makes room.
    app.send(Stop(modelID: id));
    app.send(SetTokenBanned([], modelID: id));
    equal(await app.poll(chat([peru], id), id), 'Lima.');
  });

  await test('a stopped answer goes on to the same text', () async {
    // Banning the token that ends it makes an answer long enough to be stopped
    // on any machine; the greedy choice goes on alike each time.
    const question = ['What is 64+29?'];
    app
      ..send(SetTokenBanned([0], modelID: id))
      ..send(SetMaxLength(1000, modelID: id));
    final whole = await app.poll(chat(question, id, think: true), id);
    check(whole.startsWith('<think') && whole.contains('</think>'), whole);

    app.send(SetMaxLength(100000, modelID: id));
    final first = chat(question, id, think: true, push: true);
    app.send(first);
    await app.wait<GenerationDelta>(where: (delta) => delta.req == first);
    app.send(Stop(modelID: id));
    final begun = await app.finalText(id);
    check(begun.isNotEmpty, 'some of it was written');
    check(
      whole.startsWith(begun) || begun.startsWith(whole),
      'as before: $begun',
    );

    app.send(SetMaxLength(1000, modelID: id));
    final again = chat([...question, begun], id, think: true);
    final resumed = await app.poll(again, id);
    check(resumed.startsWith(begun), 'begins with what there was: $resumed');
    check(resumed.startsWith(whole), 'and goes on as the whole: $resumed');
    app
      ..send(SetTokenBanned([], modelID: id))
      ..send(SetMaxLength(2000, modelID: id));
  });

  await test('pushes add up to the polled text and end once', () async {
    final request = chat(['What is 47+38?'], id, think: true, push: true);
    final end = await app.ask<GenerationEnd>(request);
    final text = await app.finalText(id);
    final answers = app.answersTo(request);
    final deltas = answers.whereType<GenerationDelta>().toList();
    equal(deltas.map((d) => d.text).join(), text);
    equal(
      [for (final d in deltas) d.sequence],
      [for (var i = 1; i <= deltas.length; ++i) i],
    );
    equal(end.sequence, deltas.length);
    equal(answers.whereType<GenerationEnd>().length, 1);
    check(answers.last is GenerationEnd, 'and last: ${answers.last}');
  });

  await test('without push nothing is pushed', () async {
    final request = chat(['What is 47+38?'], id);
    await app.poll(request, id);
    equal(app.answersTo(request).length, 1, 'GenerateStart alone');
  });

  await test('a batch has a text for each slot', () async {
    final request = ChatBatchAsync(
      [
        [peru],
        ['How much is 78 plus 6'],
      ],
      enableReasoning: false,
      forceReasoning: false,
      addGenerationPrompt: true,
      batchSize: 2,
      modelID: id,
    );
    await app.ask<GenerateStart>(request);
    await app.finalText(id);
    final texts = await app.ask<ResponseBatchBufferContent>(
      GetBatchResponseBufferContent(messages: [], modelID: id),
    );
    equal(texts.responseBufferContent, ['Lima.', '84']);
    equal(texts.batchSize, 2);
  });

  await test('release while generating ends the run, then releases', () async {
    app.send(SetTokenBanned([0], modelID: id));
    await app.ask<GenerateStart>(endless(id));
    final request = ReleaseRWKVModel(
      modelID: id,
      extra: FileInfo('released', twice),
    );
    final end = await app.ask<LoadModelSteps>(
      request,
      where: (s) => s.status == LoadingStatus.released,
    );
    equal(end.modelID, id);
    for (final step in app.answersTo(request).cast<LoadModelSteps>()) {
      equal(step.modelID, id);
      final extra = (step.req! as ReleaseRWKVModel).extra as FileInfo;
      equal(extra.name, 'released');
    }
    final flag = await app.ask<IsGenerating>(GetIsGenerating(modelID: id));
    check(!flag.isGenerating, 'idle');
  });

  await test('what is released cannot be released again', () async {
    equal((await app.release(id)).status, LoadingStatus.failedInReleasing);
  });

  await test('dispose ends it, and it starts again', () async {
    id = await app.load();
    await app.rwkv.dispose();
    await app.rwkv.dispose();
    await app.start();
    final ids = await app.ask<LoadedModelIDs>(GetLoadedModelIDs());
    equal(ids.loadedModelIDs, <int>[], 'a new runtime');
    id = await app.load();
    app.beGreedy(id);
    equal(await app.poll(chat([peru], id), id), 'Lima.');
  });

  await test('dispose while generating leaves nothing alive', () async {
    app.send(SetTokenBanned([0], modelID: id));
    await app.ask<GenerateStart>(endless(id, push: true));
    await app.end();
    app.log.clear();
    await waitForNothingAlive();
    equal(NativeLibrary.open().bindings.rwkv_bridge_live_objects(), 0);
  });

  finish();
}
