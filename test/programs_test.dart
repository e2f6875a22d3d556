// Programs that people see run as they are written: those of the README and of
// the documentation, and the console example.
import 'dart:convert';
import 'dart:io';

import 'app.dart' show modelPath;
import 'harness.dart';

/// What a program prints. It has to end with success.
Future<String> run(
  String program, {
  List<String> arguments = const [],
  String input = '',
  int exitCode = 0,
}) async {
  final process = await Process.start(Platform.resolvedExecutable, [
    '--packages=build/dart/package_config.json',
    program,
    ...arguments,
  ]);
  process.stdin.write(input);
  await process.stdin.close();
  final out = process.stdout.transform(utf8.decoder).join();
  final errors = process.stderr.transform(utf8.decoder).join();
  final code = await process.exitCode;
  final text = (await out).trim();
  equal(code, exitCode, '$program: $text ${await errors}');
  return text;
}

void main() async {
  await test("the README's program answers", () async {
    final program = File('test/readme.dart').readAsStringSync();
    check(
      File('README.md').readAsStringSync().contains('```dart\n$program```'),
      'the README shows test/readme.dart word for word',
    );
    equal(await run('test/readme.dart'), '85 (eos, 3 tokens)');
  });

  await test("the client library's examples run", () async {
    final documentation = File('lib/rwkv_client.dart').readAsStringSync();
    final examples = RegExp(
      r'^/// ```dart\n(.*?)^/// ```$',
      multiLine: true,
      dotAll: true,
    ).allMatches(documentation);
    equal(examples.length, 2);
    for (final example in examples) {
      final body = example[1]!
          .replaceAll(RegExp('^/// ?', multiLine: true), '')
          .replaceAll('model.gguf', modelPath)
          .replaceAll('mira.state', 'build/dart/mira.state');
      File('build/dart/client_example.dart').writeAsStringSync(
        "import 'package:rwkv_mobile_flutter/rwkv_client.dart';\n"
        'Future<void> main() async {\n$body}\n',
      );
      final said = await run('build/dart/client_example.dart');
      check(said.contains('GenerationEndReason.'), said);
    }
  });

  await test('a program that closes nothing ends all the same', () async {
    File('build/dart/forgetful.dart').writeAsStringSync("""
import 'package:rwkv_mobile_flutter/rwkv_client.dart';
Future<void> main() async {
  final rwkv = await Rwkv.open();
  final model = await rwkv.load('$modelPath');
  final events = await model.chat(['Hi'], maxTokens: 3).toList();
  print(events.last is RwkvEnd);
}
""");
    equal(await run('build/dart/forgetful.dart'), 'true');
  });

  await test('the console example holds a conversation', () async {
    final said = await run(
      'example/console_chat.dart',
      arguments: [modelPath, '--greedy'],
      input: 'My name is Mira.\n\nWhat is my name?\nWhat is 47 + 38?\n',
    );
    final answers = said.split('\n');
    check(answers.length >= 3, said);
    check(answers[1].contains('Mira'), said);
    check(answers[2].contains('85'), said);
  });

  await test('the console example says what is wrong', () async {
    await run('example/console_chat.dart', exitCode: 2);
    await run(
      'example/console_chat.dart',
      arguments: ['no/model.gguf'],
      exitCode: 1,
    );
  });

  finish();
}
