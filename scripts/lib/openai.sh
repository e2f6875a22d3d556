# Talks to `rwkv serve` with the OpenAI clients for JavaScript and Python and with the AI SDK, which npm and pip bring. Sourced
# after common.sh and python.sh, with the repository as the working directory, after `build release`.

openai_client=build/third_party/openai

run_openai_tests() {
  local lock=third_party/openai/package-lock.json
  mkdir -p "$openai_client"
  if ! cmp -s "$lock" "$openai_client/fetched-lock.json"; then
    cp third_party/openai/package.json "$lock" "$openai_client/"
    npm ci --prefix "$openai_client" --ignore-scripts --no-audit --no-fund >/dev/null
    cp "$lock" "$openai_client/fetched-lock.json"
  fi
  python_packages openai third_party/openai/requirements.txt
  timeout 900 node tests/server/openai_client.mjs "$openai_client" build/release/bin/rwkv
  timeout 300 "$openai_client/python/bin/python" tests/server/openai_client.py build/release/bin/rwkv
}
