# SPDX-License-Identifier: Apache-2.0
"""The vocabulary of the tiny model ("World" format) and its greedy tokenizer.

Ids 1..256 are the single bytes; the pieces follow.  No piece holds a digit, and
pieces with a leading space are whole words, so numbers and random letter strings
always fall apart into single bytes.  No piece spans the end of a prompt.
"""

import re
from pathlib import Path

import data

_STRUCTURE = ["\n\n", "User", "Assistant", "System", " <", "</", "think", " =", " +", " ->"]
# Words that start a reasoned answer (no space before it).  Nothing short, which would be
# the start of many names.
_INITIAL = ["Nice", "Your", "Hello", "This", "Good"]
_EXTRA = [
    " helpful",
    " assistant",
    " RWKV",
    " What",
    " How",
    " Add",
    " Reverse",
    " Sort",
    " Count",
    " Calculate",
    " Subtract",
    " Spell",
    " Write",
    " Put",
    " Name",
    " Tell",
    " Which",
    " Capital",
    " Please",
    " Thank",
    " Thanks",
    " Goodbye",
    " Hello",
    " Nice",
    " Your",
    " Good",
    " Who",
    " You",
]
_CHINESE = [
    "加",
    "减",
    "等于",
    "多少",
    "是",
    "的",
    "首都",
    "哪里",
    "什么",
    "名字",
    "我叫",
    "你叫",
    "我",
    "你",
    "你好",
    "请",
    "计算",
    "吗",
    "？",
    "。",
    "，",
    "国",
    "法国",
    "巴黎",
    "小",
]


def pieces():
    """The pieces in a fixed order, without the single bytes."""
    texts = (
        data.ADD
        + data.SUB
        + data.REVERSE
        + data.SORT
        + data.LENGTH
        + data.OCCUR
        + data.CAPITAL
        + data.NAME_TELL
        + data.NAME_ASK
        + list(data.CHAT)
        + list(data.CHAT.values())
        + list(data.OPENERS.values())
        + list(data.CHAT_SINGLE)
        + list(data.CHAT_SINGLE.values())
        + ["Nice to meet you."]
    )
    found = list(_STRUCTURE) + list(_INITIAL) + list(_EXTRA)
    for text in texts:
        found += re.findall(r" [A-Za-z]{3,}(?!\w)", text)
    for country, capital in data.CAPITALS.items():
        found += [" " + word for word in f"{country} {capital}".split()]
    found += _CHINESE
    unique = []
    for piece in found:
        if piece not in unique:
            unique.append(piece)
    return unique


def entries():
    """Bytes of the tokens with ids 1, 2, ..."""
    return [bytes([i]) for i in range(256)] + [p.encode() for p in pieces()]


def literal(token):
    """Python literal of a token: text if it is valid UTF-8, bytes otherwise."""
    try:
        return repr(token.decode())
    except UnicodeDecodeError:
        return repr(token)


def write(path):
    """Write the vocabulary file: ID LITERAL LENGTH, one token a line."""
    lines = [f"{i} {literal(t)} {len(t)}\n" for i, t in enumerate(entries(), 1)]
    Path(path).write_text("".join(lines), encoding="utf-8", newline="\n")


class Tokenizer:
    """Greedy longest match over bytes."""

    def __init__(self):
        self.tokens = [b""] + entries()
        self.ids = {t: i for i, t in enumerate(self.tokens) if t}
        longest_first = sorted(self.ids, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(re.escape(t) for t in longest_first), re.DOTALL)
        self.size = len(self.tokens)

    def encode(self, text):
        """bytes -> list of ids."""
        return [self.ids[t] for t in self._pattern.findall(text)]

    def letters_apart(self, s):
        """Whether the letters of s stay single tokens after a space (and at a start)."""
        return len(self.encode(b" " + s.encode())) == len(s) + 1 and len(self.encode(s.encode())) == len(s)
