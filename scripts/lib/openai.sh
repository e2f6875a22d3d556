# Talks to `rwkv serve` with the OpenAI client for JavaScript that npm brings. Sourced after common.sh, with the repository
# as the working directory, after `build release`.

openai_client=build/third_party/openai

run_openai_tests() {
  if ! cmp -s third_party/openai/package-lock.json "$openai_client/fetched-lock.json"; then
    mkdir -p "$openai_client"
    cp third_party/openai/package.json third_party/openai/package-lock.json "$openai_client/"
    npm ci --prefix "$openai_client" --ignore-scripts --no-audit --no-fund >/dev/null
    cp third_party/openai/package-lock.json "$openai_client/fetched-lock.json"
  fi
  timeout 900 node tests/server/openai_client.mjs "$openai_client" build/release/bin/rwkv
}
