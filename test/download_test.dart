// Downloads through the client, from a server in this process.
import 'dart:async';
import 'dart:io';

import 'package:rwkv_mobile_flutter/rwkv_client.dart';

import 'harness.dart';

// 1000 times "a"; its SHA-256 by coreutils.
final List<int> content = List.filled(1000, 97);
const digest =
    '41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3';

/// Sends the file, `/stalls` only 300 bytes of it, and `/none` nothing.
Future<void> serve(HttpServer server) async {
  await for (final request in server) {
    final response = request.response;
    if (request.uri.path == '/none') {
      response.statusCode = HttpStatus.notFound;
      await response.close();
      continue;
    }
    final range = request.headers.value('range');
    final from =
        range == null ? 0 : int.parse(range.substring(6, range.length - 1));
    response.headers
      ..set('ETag', '"v1"')
      ..contentLength = content.length - from;
    if (from > 0) {
      response
        ..statusCode = HttpStatus.partialContent
        ..headers.set('Content-Range', 'bytes $from-999/1000');
    }
    response.add(
      content.sublist(from, request.uri.path == '/stalls' ? 300 : null),
    );
    // What has not been sent then breaks off with the server.
    if (request.uri.path == '/stalls') {
      unawaited(response.flush());
    } else {
      await response.close();
    }
  }
}

Future<void> main() async {
  final folder = await Directory.systemTemp.createTemp('rwkv-download');
  final path = '${folder.path}/model.gguf';
  final server = await HttpServer.bind(InternetAddress.loopbackIPv4, 0);
  serve(server).ignore();
  final url = 'http://127.0.0.1:${server.port}';
  final rwkv = await Rwkv.open();

  await test('the catalogue has names and addresses', () async {
    final entries = await rwkv.catalogue();
    check(entries.isNotEmpty, '$entries');
    for (final entry in entries) {
      check(entry.name.isNotEmpty, '$entry');
      check(entry.url.startsWith('https://'), '$entry');
    }
  });

  await test('an address that can be altered on the way is refused', () async {
    final e = await thrownBy<RwkvException>(
      () => rwkv.download('http://example.com/m.gguf', path),
    );
    check(e.code == 'invalid_argument' || e.code == 'unsupported', '$e');
  });

  var unsupported = false;
  await test('a file arrives, or libcurl is asked for', () async {
    final told = <(int, int?)>[];
    try {
      final file = await rwkv.download(
        '$url/m.gguf',
        path,
        sha256: digest,
        onProgress: (bytes, total) => told.add((bytes, total)),
      );
      equal(file.path, path);
      equal(file.bytes, 1000);
      equal(file.sha256, digest);
      check(file.verified, '$file');
      equal(File(path).readAsBytesSync(), content);
      equal(told.first.$1, 0);
    } on RwkvException catch (e) {
      equal(e.code, 'unsupported');
      check(e.message.contains('libcurl'), e.message);
      unsupported = true;
      print('no libcurl for this VM: downloads end with `unsupported`');
    }
  });

  if (!unsupported) {
    await test('one that is given up goes on the next time', () async {
      File(path).deleteSync();
      final begun = Completer<void>();
      final e = await thrownBy<RwkvException>(
        () => rwkv.download(
          '$url/stalls',
          path,
          onProgress: (bytes, _) {
            if (bytes == 300) begun.complete();
          },
          cancelWhen: begun.future,
        ),
      );
      equal(e.code, 'cancelled');
      equal(File('$path.part').lengthSync(), 300);
      final file = await rwkv.download('$url/m.gguf', path);
      equal(file.resumedFrom, 300);
      equal(file.sha256, digest);
    });

    await test('what the listener throws ends the download', () async {
      final e = await thrownBy<FormatException>(
        () => rwkv.download(
          '$url/stalls',
          '${folder.path}/other.gguf',
          onProgress: (_, _) => throw const FormatException('mine'),
        ),
      );
      equal(e.message, 'mine');
    });

    await test('what went wrong is an exception', () async {
      final none = await thrownBy<RwkvException>(
        () => rwkv.download('$url/none', path),
      );
      equal(none.code, 'not_found');
      final wrong = await thrownBy<RwkvException>(
        () => rwkv.download('$url/m.gguf', path, sha256: '0' * 64),
      );
      equal(wrong.code, 'bad_file');
    });
  }

  await rwkv.close();
  await server.close(force: true);
  await folder.delete(recursive: true);
  finish();
}
