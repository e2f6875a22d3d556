// Polls that carry only what is new, and answers that are whole all the same.
import 'package:rwkv_mobile_flutter/from_rwkv.dart';
import 'package:rwkv_mobile_flutter/rwkv.dart';
import 'package:rwkv_mobile_flutter/src/polled_texts.dart';

import 'app.dart';
import 'harness.dart';

GetResponseBufferContent one(int id) =>
    GetResponseBufferContent(messages: ['tag'], modelID: id);

GetBatchResponseBufferContent all(int id) =>
    GetBatchResponseBufferContent(messages: [], modelID: id);

/// An answer of the runtime.
Map<String, Object?> answer(Object text, {int? of, Object? from, Object? to}) =>
    {
      'responseBufferContent': text,
      if (of != null) 'generationID': of,
      if (from != null) 'after': from,
      if (to != null) (to is List ? 'lengths' : 'length'): to,
    };

Future<void> main() async {
  /// Asks and completes [reply]: what was asked with, and the whole text.
  (Map<String, Object?>, Object?) poll(
    TextPolls polls,
    ToRWKV request,
    Map<String, Object?> reply,
  ) {
    final asked = <String, Object?>{};
    polls.complete(request, polls.name(request, asked), reply);
    return (asked, reply['responseBufferContent']);
  }

  await test('the next poll names what the last answer brought', () {
    final polls = TextPolls();
    var (asked, text) = poll(
      polls,
      one(3),
      answer('h\u00e9', of: 7, from: 0, to: 3),
    );
    equal(asked, {'after': 0});
    equal(text, 'h\u00e9');
    (asked, text) = poll(polls, one(3), answer('llo', of: 7, from: 3, to: 6));
    equal(asked, {'after': 3, 'generationID': 7});
    equal(text, 'h\u00e9llo');
    final before = text;
    (asked, text) = poll(polls, one(3), answer('', of: 7, from: 6, to: 6));
    equal(asked, {'after': 6, 'generationID': 7});
    check(identical(text, before), 'the same text is the same object');
    (asked, _) = poll(polls, one(4), answer('x', of: 8, from: 0, to: 1));
    equal(asked, {'after': 0});
    (asked, text) = poll(polls, one(3), answer('new', of: 9, from: 0, to: 3));
    equal(asked, {'after': 6, 'generationID': 7});
    equal(text, 'new');
    (_, text) = poll(polls, one(3), answer(''));
    equal(text, '');
    (asked, _) = poll(polls, one(3), answer(''));
    equal(asked, {'after': 0});
  });

  await test('polls may overtake the answers of others', () {
    final polls = TextPolls();
    poll(polls, one(0), answer('a', of: 1, from: 0, to: 1));
    final first = polls.name(one(0), {});
    final second = polls.name(one(0), {});
    final early = answer('b', of: 1, from: 1, to: 2);
    final late = answer('bc', of: 1, from: 1, to: 3);
    polls
      ..complete(one(0), first, early)
      ..complete(one(0), second, late);
    equal(early['responseBufferContent'], 'ab');
    equal(late['responseBufferContent'], 'abc');
    final (asked, _) = poll(polls, one(0), answer('', of: 1, from: 3, to: 3));
    equal(asked, {'after': 3, 'generationID': 1});
  });

  await test('slots are completed one by one, apart from the single text', () {
    final polls = TextPolls();
    poll(polls, one(0), answer('single', of: 1, from: 0, to: 6));
    var (asked, texts) = poll(
      polls,
      all(0),
      answer(['a', ''], of: 2, from: [0, 0], to: [1, 0]),
    );
    equal(asked, {'after': <int>[]});
    (asked, texts) = poll(
      polls,
      all(0),
      answer(['', 'b'], of: 2, from: [1, 0], to: [1, 1]),
    );
    equal(asked, {'after': [1, 0], 'generationID': 2});
    equal(texts, ['a', 'b']);
  });

  await test('other requests and answers are left alone', () {
    final polls = TextPolls();
    final asked = <String, Object?>{};
    equal(polls.name(GetIsGenerating(modelID: 0), asked), null);
    equal(asked, <String, Object?>{});
    final error = <String, Object?>{'type': 'Error', 'message': 'no'};
    polls.complete(one(0), null, error);
    equal(error.length, 2);
    final other = answer('text');
    polls.complete(null, null, other);
    equal(other, answer('text'));
  });

  final app = App();
  await app.start();
  final id = await app.load();
  app.beGreedy(id);

  Future<String> text() async =>
      (await app.ask<ResponseBufferContent>(one(id))).responseBufferContent;

  /// A buffer with a long text: a completion's prompt, stopped at once.
  Future<void> fill(String prompt) async {
    app.send(GenerateAsync(prompt, modelID: id, maxLength: 0));
    while ((await text()) != prompt) {
      await Future<void>.delayed(const Duration(milliseconds: 5));
    }
    app.send(Stop(modelID: id));
    while ((await app.ask<IsGenerating>(
      GetIsGenerating(modelID: id),
    )).isGenerating) {}
  }

  await test('growing texts are whole in every answer', () async {
    for (final question in ['What is', 'The capital of Peru', '\u6587 \u{1F600}']) {
      final start = await app.ask<FromRWKV>(
        GenerateAsync(question, batch: 3, modelID: id, maxLength: 40),
      );
      check(start is GenerateStart, '$start');
      // Many at once, of both kinds, as pages of an app ask.
      final singles = <Future<ResponseBufferContent>>[];
      final batches = <Future<ResponseBatchBufferContent>>[];
      for (var generating = true; generating;) {
        for (var i = 0; i < 3; ++i) {
          singles.add(app.ask<ResponseBufferContent>(one(id)));
          batches.add(app.ask<ResponseBatchBufferContent>(all(id)));
        }
        final flag = await app.ask<IsGenerating>(GetIsGenerating(modelID: id));
        generating = flag.isGenerating;
      }
      var last = '';
      for (final answer in await Future.wait(singles)) {
        final now = answer.responseBufferContent;
        check(now.startsWith(last), '"$now" after "$last"');
        last = now;
      }
      check(last.startsWith(question) && last.length > question.length, last);
      var slots = ['', '', ''];
      for (final answer in await Future.wait(batches)) {
        final now = answer.responseBufferContent;
        equal(now.length, 3);
        for (var slot = 0; slot < 3; ++slot) {
          check(now[slot].startsWith(slots[slot]), '$now after $slots');
        }
        slots = now;
      }
      equal(slots[0], last);
      // Another port has nothing of it yet and asks for all.
      final other = App();
      await other.start();
      final whole = await other.ask<ResponseBatchBufferContent>(all(id));
      equal(whole.responseBufferContent, slots);
      await other.end();
    }
  });

  await test('an unchanged megabyte costs what an empty text costs', () async {
    Future<int> microseconds() async {
      final watch = Stopwatch()..start();
      for (var i = 0; i < 200; ++i) {
        await text();
      }
      return watch.elapsedMicroseconds;
    }

    await fill('');
    equal(await text(), '');
    await microseconds();
    final empty = await microseconds();
    final long = 'a line of a long text\n' * 50000;
    await fill(long);
    check((await text()) == long, 'the whole text');
    final full = await microseconds();
    // Reading a megabyte of JSON takes 20 times as long as such a poll.
    check(full < 5 * empty, '$full against $empty microseconds');
    check((await text()) == long, 'the whole text again');
  });

  await app.end();
  finish();
}
