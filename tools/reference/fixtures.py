#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Expected logits and greedy continuations of the shipped model.

    python3 tools/reference/fixtures.py models/tiny tests/data/tiny/logits.json

Prompts are made of the model's own held-out questions, so that they look like its use.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from gguf_model import GgufModel
from rwkv7 import Rwkv7

LONG_TOKENS = 1500
GREEDY_TOKENS = 32
END_OF_TEXT = 0
# A greedy step whose two best logits are closer than this could rightly come out either way
# in lower precision, so such prompts are no test.
CLEAR = 0.05


def run(model, tokens):
    """Logits after the last of tokens, from an empty state."""
    model.reset()
    for token in tokens:
        logits = model.step(token)
    return logits


def logits_case(model, name, tokens):
    logits = run(model, tokens)
    return dict(name=name, tokens=tokens, logits=[float(f"{x:.6g}") for x in logits], argmax=int(np.argmax(logits)))


def greedy_case(model, name, tokens):
    """The case, or None when a step is too close to call or ends the text."""
    logits = run(model, tokens)
    written = []
    while len(written) < GREEDY_TOKENS:
        second, best = np.argsort(logits)[-2:]
        if logits[best] - logits[second] < CLEAR or best == END_OF_TEXT:
            return None
        written.append(int(best))
        logits = model.step(int(best))
    return dict(name=name, prompt_tokens=tokens, greedy_tokens=written)


def write_cases(path, cases):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n",
        encoding="utf-8",
        newline="\n",
    )
    print(f"{path}: {len(cases)} cases, {path.stat().st_size} bytes")


def transcript(question, with_answer):
    """A held-out question in the chat format of the models."""
    text = ""
    for i, message in enumerate(question["messages"]):
        text += ("User: ", "Assistant: ")[i % 2] + message + "\n\n"
    if with_answer:
        return text + f"Assistant: {question['answer']}\n\n"
    return text + "Assistant:" + (" <think" if question["reasoning"] else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_folder", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    file = GgufModel(args.model_folder / "rwkv7-tiny.gguf")
    model = Rwkv7(file)
    lines = (args.model_folder / "heldout.jsonl").read_text(encoding="utf-8").splitlines()
    by_task = {}
    for question in map(json.loads, lines):
        by_task.setdefault(question["task"], []).append(question)

    # Tasks take turns, so that a long text has all of them.
    mixed = "".join(transcript(q, True) for group in zip(*by_task.values()) for q in group)
    mixed = file.encode(mixed)
    if len(mixed) < LONG_TOKENS:
        raise SystemExit("too few questions for the long prompt")
    newline = file.encode("\n")[0]
    cases = [logits_case(model, f"single token {token}", [token]) for token in (0, newline, 34, 300)]
    cases += [
        logits_case(model, "three tokens", [34, 105, 110]),
        logits_case(model, "short prompt", file.encode("User: What is 47+38?\n\nAssistant:")),
        logits_case(model, "reasoning prompt", file.encode(transcript(by_task["reason"][0], False))),
        logits_case(model, "Chinese prompt", file.encode("User: 法国的首都是哪里？\n\nAssistant:")),
        logits_case(model, "bytes outside the pieces", file.encode("User: \N{GRINNING FACE}龠é\n\nAssistant:")),
        logits_case(model, "about a hundred tokens", mixed[:120]),
        logits_case(model, f"{LONG_TOKENS} tokens", mixed[:LONG_TOKENS]),
    ]
    greedy = (
        greedy_case(model, "greedy: " + q["messages"][-1], file.encode(transcript(q, False))) for q in by_task["reason"]
    )
    cases += [case for case, _ in zip(filter(None, greedy), range(3))]
    if not any("greedy_tokens" in case for case in cases):
        raise SystemExit("no reasoning question has a clear greedy continuation")

    write_cases(args.output, cases)


if __name__ == "__main__":
    main()
