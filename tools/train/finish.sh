#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Turns a checkpoint into everything that follows from it: the shipped model, its vocabulary and
# held-out questions, and the reference numbers the tests compare with. Shows the accuracy if the
# command is built.
#
#   tools/train/finish.sh CHECKPOINT
#
# PYTHON names another interpreter than python3; it needs torch, numpy and gguf.
set -euo pipefail
if [[ $# -lt 1 ]]; then
  echo "usage: $0 CHECKPOINT" >&2
  exit 2
fi
checkpoint=$(realpath "$1")
cd "$(dirname "$0")/../.."
export PYTHONDONTWRITEBYTECODE=1
python=${PYTHON:-python3}

"$python" tools/train/export_gguf.py "$checkpoint" models/tiny
"$python" tools/reference/fixtures.py models/tiny tests/data/tiny/logits.json
rwkv=${RWKV:-build/release/bin/rwkv}
if [[ -x $rwkv ]]; then
  "$rwkv" eval -m models/tiny/rwkv7-tiny.gguf models/tiny/heldout.jsonl
else
  echo "build the command and run: rwkv eval -m models/tiny/rwkv7-tiny.gguf models/tiny/heldout.jsonl"
fi
