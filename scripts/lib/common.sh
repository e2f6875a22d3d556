# Shared by the scripts: where things are, installing what is missing, building a preset.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

# require_packages COMMAND_OR_FILE=DEBIAN_PACKAGE ...: installs the packages whose command or file is not there.
require_packages() {
  local missing=() pair
  for pair in "$@"; do
    local probe=${pair%%=*} package=${pair#*=}
    if [[ $probe == /* ]]; then
      [[ -e $probe ]] || missing+=("$package")
    else
      command -v "$probe" >/dev/null || missing+=("$package")
    fi
  done
  ((${#missing[@]})) || return 0

  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { say "Missing: ${missing[*]}. Install them (as root: apt-get install ${missing[*]}) and run this again."; exit 1; }
    as_root=(sudo)
  fi
  command -v apt-get >/dev/null || { say "Missing: ${missing[*]} (Debian's names). Install their equivalents and run this again."; exit 1; }
  say "Installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

build_packages=(
  cmake=cmake ninja=ninja-build g++=g++ git=git npm=npm
  /etc/ssl/certs/ca-certificates.crt=ca-certificates
  /usr/include/nlohmann/json.hpp=nlohmann-json3-dev
  /usr/include/CLI/CLI.hpp=libcli11-dev
  /usr/include/histedit.h=libedit-dev
  curl-config=libcurl4-openssl-dev
)
test_packages=(
  ccache=ccache python3=python3
  /usr/include/gtest/gtest.h=libgtest-dev
  /usr/include/benchmark/benchmark.h=libbenchmark-dev
  /usr/lib/gcc/x86_64-linux-gnu/12/32/libgcc.a=g++-12-multilib
  /usr/lib32/libc.so.6=libc6-i386
  /usr/lib32/libstdc++.so.6=lib32stdc++6
)

# build PRESET [cmake options] [-- targets]: configures if it has to, then builds what changed.
build() {
  local preset=$1 options=() targets=() output
  shift
  while (($#)) && [[ $1 != -- ]]; do options+=("$1"); shift; done
  (($#)) && shift
  (($#)) && targets=(--target "$@")
  if [[ ! -f build/$preset/build.ninja ]] || ((${#options[@]})); then
    output=$(cmake --preset "$preset" "${options[@]}" 2>&1) || { printf '%s\n' "$output" >&2; exit 1; }
  fi
  cmake --build --preset "$preset" "${targets[@]}"
}
