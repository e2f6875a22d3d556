# Python packages with pinned hashes, each set in a virtual environment of its own below build/. Sourced after common.sh.

# python_packages NAME REQUIREMENTS: build/third_party/NAME/python has them.
python_packages() {
  local folder=build/third_party/$1 wanted=$2
  if ! cmp -s "$wanted" "$folder/fetched-requirements.txt"; then
    require_packages python:ensurepip=python3-venv:python3:python
    rm -rf "$folder/python"
    mkdir -p "$folder"
    /usr/bin/python3 -m venv "$folder/python"
    "$folder/python/bin/pip" install -q --disable-pip-version-check --require-hashes --only-binary :all: -r "$wanted"
    cp "$wanted" "$folder/fetched-requirements.txt"
  fi
}
