# Runs the Dart package on the 32-bit Dart VM that npm brings. Sourced after common.sh, with the repository as the working
# directory, after `build ia32` or `build ia32-asan`. `run_dart_tests PRESET` returns non-zero when anything failed.

dart_vm=build/third_party/npm/node_modules/sass-embedded-linux-ia32/dart-sass/src/dart
dart_out=build/dart

# The VM finds the package by this file, as after `dart pub get`. Where the example app looks for Flutter, it finds the
# shape of what it uses.
dart_write_package_config() {
  mkdir -p "$dart_out"
  printf '{"configVersion": 2, "packages": [
    {"name": "rwkv_mobile_flutter", "rootUri": "file://%s/", "packageUri": "lib/", "languageVersion": "3.7"},
    {"name": "flutter", "rootUri": "file://%s/test/flutter_stand_in/", "packageUri": "lib/", "languageVersion": "3.7"}]}\n' \
    "$PWD" "$PWD" >"$dart_out/package_config.json"
}

# dart_compiles FILE: prints what the compiler has to say.
dart_compiles() {
  "$dart_vm" --packages="$dart_out/package_config.json" --snapshot-kind=kernel --snapshot="$dart_out/out.dill" "$1" 2>&1
}

# dart_import_all FILES: a program that imports them all, so that the compiler starts once.
dart_import_all() {
  local file number=0
  for file in "$@"; do printf "import '%s' as import%d;\n" "file://$PWD/$file" $((++number)); done
  printf 'void main() {}\n'
}

dart_check_types() {
  local file output bad=0
  dart_import_all lib/*.dart lib/src/*.dart lib/src/client/*.dart test/*.dart example/*.dart example/lib/*.dart bench/dart/*.dart >"$dart_out/everything.dart"
  output=$(dart_compiles "$dart_out/everything.dart") || { printf '%s\n' "$output" >&2; bad=1; }

  dart_import_all test/wrong_uses/*.dart >"$dart_out/wrong_uses.dart"
  output=$(dart_compiles "$dart_out/wrong_uses.dart") && bad=1
  for file in test/wrong_uses/*.dart; do
    grep -qE "${file//./\\.}:[0-9]+:[0-9]+: Error:" <<<"$output" || { say "$file compiles, but must not"; bad=1; }
  done
  return $bad
}

# Libraries for what the real one cannot show: another ABI, and a known chip.
dart_build_test_libraries() {
  gcc-12 -m32 -shared -fPIC -DABI=99 -o "$dart_out/libwrong_abi.so" test/native/stand_in.c &&
    gcc-12 -m32 -shared -fPIC -DABI=1 -o "$dart_out/libknown_chip.so" test/native/stand_in.c &&
    gcc-12 -m32 -shared -fPIC -o "$dart_out/libstranger.so" test/native/stranger.c
}

# dart_run BUILD FILE: runs a test program with the library of a build folder. The VM exits with 0 when `main` waits for
# what never comes, so that only the summary line proves that it got to its end.
dart_run() {
  local folder=$PWD/build/$1 file=$2 output status=0 preload=()
  # The sanitizer has to be there before the VM, which is built without it. What the VM itself keeps is no leak of ours.
  [[ $1 != *asan ]] ||
    preload=(ASAN_OPTIONS=detect_leaks=0 "LD_PRELOAD=/usr/lib32/libasan.so.8 /usr/lib32/libstdc++.so.6")
  output=$(timeout 1800 env "${preload[@]}" RWKV_MOBILE_LIBRARY="$folder/lib/librwkv_mobile.so" \
    LD_LIBRARY_PATH="$folder/lib" RWKV_MESSAGE_ECHO="$folder/bin/message_echo" \
    "$dart_vm" --enable-asserts --packages="$dart_out/package_config.json" "$file" 2>&1) || status=$?
  printf '%s: %s\n' "$file" "$output"
  ((status == 0)) && grep -qE '^[1-9][0-9]* passed, 0 failed$' <<<"$output"
}

run_dart_tests() {
  local preset=$1 file bad=0
  [[ -x $dart_vm ]] || { say "There is no Dart VM at $dart_vm."; return 1; }
  [[ -f build/$preset/lib/librwkv_mobile.so ]] || { say "There is no library; build the preset $preset."; return 1; }
  dart_write_package_config
  dart_check_types || bad=1
  dart_build_test_libraries || return 1
  for file in test/compile_surface.dart test/*_test.dart; do
    dart_run "$preset" "$file" || bad=1
  done
  ((bad == 0)) || say "Dart tests failed"
  return $bad
}
