// Random messages of every class go to the runtime's codec and back: nothing is
// lost, added or changed on either side. RWKV_MESSAGES is how many of each.
import 'dart:async';
import 'dart:convert';
import 'dart:io';

import 'package:rwkv_mobile_flutter/from_rwkv.dart';
import 'package:rwkv_mobile_flutter/to_rwkv.dart';
import 'package:rwkv_mobile_flutter/types.dart';
import 'package:rwkv_mobile_flutter/src/protocol_codec.dart';

import 'draw.dart';
import 'harness.dart';
import 'message_classes.dart';

const batch = 500;

/// The JSON that a message, a part of one or a field has to have, told by the
/// rules of docs/PROTOCOL.md and not by the codec under test.
Object? wire(Object? value) => switch (value) {
  Backend(:final asArgument) ||
  TTSPropertyAge(:final asArgument) ||
  TTSPropertyGender(:final asArgument) ||
  TTSPropertyEmotion(:final asArgument) ||
  TTSPropertySpeed(:final asArgument) ||
  TTSPropertyPitch(:final asArgument) => asArgument,
  Enum(:final name) => name,
  List<Object?>() => [for (final item in value) wire(item)],
  _ => switch (fieldsOf(value)) {
    final fields? => {
      for (final MapEntry(:key, :value) in fields.entries)
        if (value != null) key: wire(value),
    },
    null => value,
  },
};

/// The codec of the runtime as a process: a line in, the same message out.
class Echo {
  static Future<Echo> of(String kind) async {
    final program = Platform.environment['RWKV_MESSAGE_ECHO']!;
    final process = await Process.start(program, [kind]);
    unawaited(stderr.addStream(process.stderr));
    final lines = process.stdout
        .transform(utf8.decoder)
        .transform(const LineSplitter());
    return Echo._(process, StreamIterator(lines));
  }

  Echo._(this._process, this._lines);

  final Process _process;
  final StreamIterator<String> _lines;

  Future<List<Object?>> call(List<Map<String, Object?>> messages) async {
    _process.stdin.writeAll([
      for (final message in messages) '${jsonEncode(message)}\n',
    ]);
    final answers = <Object?>[];
    while (answers.length < messages.length) {
      check(await _lines.moveNext(), 'the echo has ended');
      answers.add(jsonDecode(_lines.current));
    }
    return answers;
  }

  Future<int> end() async {
    await _process.stdin.close();
    return _process.exitCode;
  }
}

Future<void> main() async {
  final count = int.parse(Platform.environment['RWKV_MESSAGES'] ?? '10000');
  final draw = Draw(4);
  const limit = Duration(minutes: 12);

  Future<void> survive(
    Echo echo,
    String type,
    Object Function(Draw draw) make,
    Map<String, Object?> Function(Object message) encode,
    Object Function(Map<String, Object?> json)? decode,
  ) async {
    for (var done = 0; done < count; done += batch) {
      final messages = [
        for (var i = 0; i < batch && done + i < count; ++i) make(draw),
      ];
      final sent = [for (final message in messages) encode(message)];
      final received = await echo(sent);
      for (var i = 0; i < messages.length; ++i) {
        final fields = wire(messages[i])! as Map<String, Object?>;
        final expected = {
          ...fields,
          'type': type,
          'requestId': sent[i]['requestId'],
        };
        equal(sent[i], expected, '$type as Dart writes it');
        equal(received[i], expected, '$type as C++ writes it');
        if (decode == null) continue;
        final decoded = decode(received[i]! as Map<String, Object?>);
        equal(decoded.runtimeType, messages[i].runtimeType);
        equal(wire(decoded), fields, '$type as Dart reads it');
      }
    }
  }

  final requests = {
    ...requestMakers,
    'ChatBatchAsync with slots':
        (Draw draw) => ChatBatchAsync.withSlotConfigs(
          draw.list(() => drawChatBatchSlotConfig(draw))(),
          modelID: draw.int32(),
          maxLength: draw.maybe(draw.int32)(),
          forceLang: draw.maybe(draw.int32)(),
          push: draw.boolean(),
        ),
  };
  check(
    requestMakers.length > 60 && responseMakers.length > 25,
    'there is every class',
  );

  await test('$count requests of each class survive', () async {
    final echo = await Echo.of('requests');
    for (final MapEntry(:key, :value) in requests.entries) {
      await survive(
        echo,
        key.split(' ').first,
        value,
        (message) => encodeRequest(message as ToRWKV),
        null,
      );
    }
    equal(await echo.end(), 0, 'the echo ends when its input does');
  }, limit: limit);

  await test('$count responses of each class survive', () async {
    final echo = await Echo.of('responses');
    for (final MapEntry(key: type, value: make) in responseMakers.entries) {
      var id = 0;
      await survive(
        echo,
        type,
        make,
        (message) => {
          ...wire(message)! as Map<String, Object?>,
          'type': type,
          'requestId': ++id,
        },
        (json) => decodeResponse(json, null).whereType<FromRWKV>().single,
      );
    }
    equal(await echo.end(), 0, 'the echo ends when its input does');
  }, limit: limit);

  finish();
}
