# Builds the library for other systems and looks at what came out. Sourced after common.sh. `run_platform_tests` returns
# non-zero when anything failed.

platform_packages=(
  aarch64-linux-gnu-g++=g++-aarch64-linux-gnu
  qemu-aarch64-static=qemu-user-static
  x86_64-w64-mingw32-g++-posix=g++-mingw-w64-x86-64-posix
  /usr/lib/wine/wine64=wine64
)
platform_model=models/tiny/rwkv7-tiny.gguf

# elf_is_fit FILE PAGE: the stack is not executable, nothing is writable and executable at once, segments are aligned for
# pages of PAGE bytes (hexadecimal), and only the C interfaces leave the library.
elf_is_fit() {
  local file=$1 page=$2 bad=0
  [[ -f $file ]] || { say "$file was not built"; return 1; }
  readelf -lW "$file" | grep -q 'GNU_STACK .* RW ' || { say "$file has an executable stack"; bad=1; }
  ! readelf -lW "$file" | grep -q 'LOAD .* RWE ' || { say "$file has memory that is writable and executable"; bad=1; }
  local align
  for align in $(readelf -lW "$file" | awk '$1 == "LOAD" { print $NF }'); do
    ((align >= page)) || { say "$file is aligned to $align, not to $page"; bad=1; }
  done
  local strangers
  strangers=$(nm -D --defined-only "$file" | awk '{ print $NF }' | grep -vE '^(rwkvmobile_|rwkv_bridge_|rwkv_ext_)' | head -n 3 || true)
  [[ -z $strangers ]] || { say "$file exports $strangers"; bad=1; }
  return $bad
}

# command_answers COMMAND...: the `rwkv` command of another system, in whatever runs it here.
command_answers() {
  local said
  "$@" info -m "$platform_model" >/dev/null || { say "$* info failed"; return 1; }
  said=$("$@" chat -m "$platform_model" --greedy -p 'What is 47 + 38?') || { say "$* chat failed"; return 1; }
  [[ $said == *85* ]] || { say "$* chat says $said"; return 1; }
}

# A Flutter app's Linux build, in its debug mode.
test_flutter_linux() {
  local folder=build/flutter-linux
  cmake -S tests/platforms/flutter_linux -B $folder -G Ninja -DCMAKE_BUILD_TYPE=Debug -DPLUGIN_FOLDER="$PWD" >/dev/null &&
    cmake --build $folder && cmake --install $folder --component Runtime >/dev/null &&
    elf_is_fit $folder/bundle/lib/librwkv_mobile.so 0x1000 &&
    grep -q -- '-O3' $folder/build.ninja
}

test_linux_arm64() {
  build linux-arm64 &&
    elf_is_fit build/linux-arm64/lib/librwkv_mobile.so 0x4000 &&
    command_answers qemu-aarch64-static -L /usr/aarch64-linux-gnu build/linux-arm64/bin/rwkv
}

# Our own engine's kernels compute the same bits on all systems.
test_kernel_bits() {
  local arm=build/linux-arm64/bin/kernel_bits qemu=(qemu-aarch64-static -L /usr/aarch64-linux-gnu) preset sums
  local presets=(release linux-arm64)
  if is_there -m32; then presets+=(ia32); fi
  for preset in "${presets[@]}"; do
    build "$preset" -- kernel_bits || return 1
  done
  sums=$(build/release/bin/kernel_bits && "${qemu[@]}" $arm && "${qemu[@]}" -cpu cortex-a53 $arm) || return 1
  if is_there -m32; then sums+=$'\n'$(build/ia32/bin/kernel_bits) || return 1; fi
  [[ $(cut -d' ' -f1 <<<"$sums" | sort -u | wc -l) == 1 ]] || { say "kernels differ: $sums"; return 1; }
}

test_windows_x64() {
  build windows-x64 && [[ -f build/windows-x64/bin/rwkv_mobile.dll ]] || return 1
  local strangers
  strangers=$(x86_64-w64-mingw32-objdump -p build/windows-x64/bin/rwkv_mobile.dll | sed -n '/Ordinal\/Name Pointer/,/^$/p' |
    awk 'NR > 1 { print $NF }' | grep -vE '^(rwkvmobile_|rwkv_bridge_|rwkv_ext_|$)' | head -n 3 || true)
  [[ -z $strangers ]] || { say "the DLL exports $strangers"; return 1; }
  # A path that is in no code page of Windows.
  mkdir -p build/windows-x64/模型
  cp "$platform_model" build/windows-x64/模型/😀.gguf
  local platform_model=build/windows-x64/模型/😀.gguf
  WINEDEBUG=-all command_answers /usr/lib/wine/wine64 build/windows-x64/bin/rwkv.exe
}

run_platform_tests() {
  local name bad=0
  for name in flutter_linux linux_arm64 kernel_bits windows_x64; do
    say "-- $name"
    "test_$name" || { say "$name failed"; bad=1; }
  done
  return $bad
}
