// What the native library knows about the chip, and what else it does without a
// runtime. These functions are optional: a library may be built without them.
import 'dart:convert';
import 'dart:ffi';

import 'native_library.dart';

const int _mostBackendBytes = 4096;

/// The static string that [function] returns; null without it or the library.
String? staticString(String function, {NativeLibrary? of}) {
  final library = of ?? _libraryIfAny();
  if (library == null || !library.library.providesSymbol(function)) return null;
  return stringAt(
    library.library
        .lookupFunction<Pointer<Char> Function(), Pointer<Char> Function()>(
          function,
        )(),
  );
}

/// Argument strings of the backends, each with a comma after it; empty when
/// they cannot be asked for.
String backendNames({NativeLibrary? of}) {
  const function = 'rwkvmobile_runtime_get_available_backend_names';
  final library = of ?? _libraryIfAny();
  if (library == null || !library.library.providesSymbol(function)) return '';
  return library.withBytes(List.filled(_mostBackendBytes, 0), (buffer) {
    final result = library.library.lookupFunction<
      Int Function(Pointer<Char>, Int),
      int Function(Pointer<Char>, int)
    >(function)(buffer, _mostBackendBytes);
    return result == 0 ? stringAt(buffer) : '';
  });
}

/// Converts a PyTorch checkpoint. Throws an [Exception] when it fails.
int convertCheckpoint(String from, String to, {NativeLibrary? of}) {
  const function = 'rwkvmobile_convert_pth_to_safetensors';
  final library = of ?? NativeLibrary.open();
  if (!library.library.providesSymbol(function)) {
    throw NativeLibraryException(
      'unsupported',
      '${library.name} (version ${library.version}) does not convert PyTorch '
          'checkpoints.',
    );
  }
  if (from.contains('\x00') || to.contains('\x00')) {
    throw NativeLibraryException(
      'invalid_argument',
      'A path cannot have a NUL in it.',
    );
  }
  final convert = library.library.lookupFunction<
    Int Function(Pointer<Char>, Pointer<Char>),
    int Function(Pointer<Char>, Pointer<Char>)
  >(function);
  final result = library.withBytes(
    utf8.encode(from),
    (source) => library.withBytes(
      utf8.encode(to),
      (target) => convert(source, target),
    ),
  );
  if (result != 0) {
    throw Exception('$from cannot be converted to $to: error $result');
  }
  return result;
}

NativeLibrary? _libraryIfAny() {
  try {
    return NativeLibrary.open();
  } on NativeLibraryException {
    return null;
  }
}
