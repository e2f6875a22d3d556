# SPDX-License-Identifier: Apache-2.0
"""Held-out questions as `rwkv eval` reads them, one JSON object a line.

Only items of the test split that have a key count: nothing with their operands, string,
name or phrasing was trained on.  The file is the same in every run.
"""

import json
from pathlib import Path

import data

PER_TASK = 100
SEED = 2024
# Some tasks have fewer distinct questions in the test split; this many draws in a row
# without a new one end the search.
PATIENCE = 3000


def conversation(item):
    """An Item as a question of the file: every turn but the last is answered already."""
    messages = []
    for turn in item.turns[:-1]:
        messages += [turn.question, turn.answer]
    last = item.turns[-1]
    return dict(
        task=item.task, messages=messages + [last.question], answer=last.answer, reasoning=last.think is not None
    )


def questions(check_string):
    """Up to PER_TASK different questions of each task, in the order of data.TASKS."""
    found = []
    for task in data.TASKS:
        generator = data.Generator("test", f"{SEED}-{task}", check_string)
        unique = {}
        fruitless = 0
        while len(unique) < PER_TASK and fruitless < PATIENCE:
            item = generator.item(task)
            fruitless += 1
            if item.key is None:
                continue
            question = conversation(item)
            if unique.setdefault(tuple(question["messages"]), question) is question:
                fruitless = 0
        found += unique.values()
    return found


def write(path, questions):
    lines = [json.dumps(question, ensure_ascii=False) + "\n" for question in questions]
    Path(path).write_text("".join(lines), encoding="utf-8", newline="\n")


def prompt_pieces(question):
    """The prompt of a question in the pieces that training tokenises one by one."""
    messages = question["messages"]
    turns = [data.Turn(q, a, None) for q, a in zip(messages[0::2], messages[1::2])]
    turns.append(data.Turn(messages[-1], "", "-" if question["reasoning"] else None))
    pieces = [text for turn in turns for text, _ in data.segments(turn)]
    return pieces[:-1]


def differently_tokenised(questions, encode):
    """Questions whose prompt, tokenised whole as at inference, is not what was trained on."""
    return [
        q
        for q in questions
        if encode("".join(prompt_pieces(q)).encode())
        != [i for piece in prompt_pieces(q) for i in encode(piece.encode())]
    ]
