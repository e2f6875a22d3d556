# Checks how the sources are written. Sourced after common.sh and python.sh, with the repository as the working directory.

# run_lint [--fix]: with --fix formats what it can instead of telling.
run_lint() {
  local fix=${1:-} bin=build/third_party/lint/python/bin cpp python shell
  python_packages lint third_party/lint/requirements.txt
  mapfile -t cpp < <(git ls-files '*.c' '*.cpp' '*.h' '*.hpp' '*.mm')
  mapfile -t python < <(git ls-files '*.py')
  mapfile -t shell < <(git grep -lE '^#!.*(bash|sh)$' -- scripts tools .ci)
  if [[ $fix == --fix ]]; then
    "$bin/clang-format" -i "${cpp[@]}"
    "$bin/ruff" format "${python[@]}"
  fi
  local failed=0
  "$bin/clang-format" --dry-run -Werror "${cpp[@]}" || failed=1
  "$bin/ruff" format --check "${python[@]}" || failed=1
  "$bin/ruff" check "${python[@]}" || failed=1
  # Files that are sourced set what others use (SC2034, SC2154); pairs of a probe and its package are no indexes (SC2191).
  "$bin/shellcheck" -s bash -e SC1090,SC1091,SC2034,SC2154,SC2191 "${shell[@]}" scripts/lib/*.sh || failed=1
  ((failed == 0)) || { say "scripts/test format formats; the rest is to be mended by hand."; return 1; }
}
