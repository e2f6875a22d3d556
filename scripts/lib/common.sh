# Shared by the scripts: where things are, installing what is missing, building a preset.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

# is_there PROBE: a command; `<header.h>` that the compiler finds; `-flag` that g++-12 (or the compiler named after it, as in
# `-flag@clang++-14`) compiles and links with; `python:MODULE`; `certificates`; or a file.
is_there() {
  local probe=$1 file compiler=g++-12
  case $probe in
    '<'*'>')
      # Homebrew's headers are where no compiler looks; CMake does.
      printf '#include %s\n' "$probe" |
        c++ -x c++ -std=c++20 -E -I"${HOMEBREW_PREFIX:-/opt/homebrew}/include" -I/usr/local/include - >/dev/null 2>&1
      ;;
    -*)
      [[ $probe == *@* ]] && compiler=${probe#*@}
      printf 'int main() { return 0; }\n' | "$compiler" "${probe%@*}" -x c++ - -o /dev/null >/dev/null 2>&1
      ;;
    certificates)
      for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
        [[ -e $file ]] && return 0
      done
      return 1
      ;;
    python:*) /usr/bin/python3 -c "import ${probe#python:}" 2>/dev/null ;;
    /*) [[ -e $probe ]] ;;
    *) command -v "$probe" >/dev/null ;;
  esac
}

# require_packages PROBE=DEBIAN[:FEDORA[:HOMEBREW]] ...: installs the packages whose probe finds nothing. Where that cannot be
# done it says what is missing, by the names of the system's own packages, and goes on: some of it can be done without, and
# what cannot says so itself.
require_packages() {
  local missing=() pair names name number=1 manager="apt-get install"
  if ! command -v apt-get >/dev/null; then
    if command -v dnf >/dev/null; then manager="dnf install" number=2; fi
    if command -v brew >/dev/null; then manager="brew install" number=3; fi
  fi
  for pair in "$@"; do
    is_there "${pair%=*}" && continue
    names=${pair##*=}
    name=$(cut -d: -f$number <<<"$names")
    # A package without a name for this system is called what Debian calls it.
    missing+=("${name:-${names%%:*}}")
  done
  ((${#missing[@]})) || return 0

  local as_root=()
  ((EUID == 0)) || as_root=(sudo)
  if ! command -v apt-get >/dev/null || { ((EUID != 0)) && ! command -v sudo >/dev/null; }; then
    command -v apt-get >/dev/null || ((number > 1)) || manager="(Debian's names)"
    say "Missing: $manager ${missing[*]}"
    return 0
  fi
  say "Installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

build_packages=(
  cmake=cmake ninja=ninja-build:ninja-build:ninja c++=g++:gcc-c++:gcc git=git npm=npm:nodejs-npm:node
  certificates=ca-certificates
  '<nlohmann/json.hpp>=nlohmann-json3-dev:json-devel:nlohmann-json'
  '<CLI/CLI.hpp>=libcli11-dev:cli11-devel:cli11'
  '<histedit.h>=libedit-dev:libedit-devel:libedit'
  '<curl/curl.h>=libcurl4-openssl-dev:libcurl-devel:curl'
)
test_packages=(
  ccache=ccache python3=python3:python3:python
  '<gtest/gtest.h>=libgtest-dev:gtest-devel:googletest'
  '<benchmark/benchmark.h>=libbenchmark-dev:google-benchmark-devel:google-benchmark'
)
# For the library that the Dart tests load, with what it needs at run time.
ia32_packages=(-m32=g++-12-multilib)

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
