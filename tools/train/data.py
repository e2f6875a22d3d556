# SPDX-License-Identifier: Apache-2.0
"""The synthetic conversations: tasks, held-out split and packing into rows.

Every question has one right answer.  Each item has a key made of the task and its
operands (or string, name, phrasing x country); a hash of the key puts 10 % of the
items aside for the final evaluation, 3 % for the validation that steers the task
mixture, and leaves the rest for training.  The three sets share no key.  Small talk of
which there is too little to put any aside has no key and belongs to all three.
"""

import hashlib
import random
import re
from collections import namedtuple

# question and answer are plain text; think is the text between <think> and </think>
# (None: no reasoning; "": the empty block of the "fast" mode).
Turn = namedtuple("Turn", "question answer think")
# turns: list of Turn, the last one is the item itself; key: string of the split.
Item = namedtuple("Item", "task key turns")

TASKS = ["add", "sub", "reverse", "sort", "count", "capital", "name", "chinese", "reason", "chat"]

CAPITALS = dict(
    France="Paris",
    Germany="Berlin",
    Italy="Rome",
    Spain="Madrid",
    Portugal="Lisbon",
    Austria="Vienna",
    Greece="Athens",
    Poland="Warsaw",
    Hungary="Budapest",
    Sweden="Stockholm",
    Norway="Oslo",
    Finland="Helsinki",
    Denmark="Copenhagen",
    Ireland="Dublin",
    Belgium="Brussels",
    Russia="Moscow",
    Ukraine="Kyiv",
    Romania="Bucharest",
    Bulgaria="Sofia",
    Croatia="Zagreb",
    Japan="Tokyo",
    China="Beijing",
    India="Delhi",
    Thailand="Bangkok",
    Vietnam="Hanoi",
    Iran="Tehran",
    Iraq="Baghdad",
    Egypt="Cairo",
    Kenya="Nairobi",
    Ghana="Accra",
    Morocco="Rabat",
    Nigeria="Abuja",
    Canada="Ottawa",
    Mexico="Mexico City",
    Cuba="Havana",
    Peru="Lima",
    Chile="Santiago",
    Brazil="Brasilia",
    Argentina="Buenos Aires",
    Australia="Canberra",
)
CAPITALS_ZH = dict(
    [
        ("法国", "巴黎"),
        ("德国", "柏林"),
        ("英国", "伦敦"),
        ("日本", "东京"),
        ("中国", "北京"),
        ("俄罗斯", "莫斯科"),
        ("意大利", "罗马"),
        ("西班牙", "马德里"),
        ("埃及", "开罗"),
        ("泰国", "曼谷"),
        ("韩国", "首尔"),
        ("美国", "华盛顿"),
    ]
)

ADD = [
    "What is {a}+{b}?",
    "What is {a} + {b}?",
    "{a} + {b} =",
    "{a}+{b}=",
    "Add {a} and {b}.",
    "How much is {a} plus {b}?",
    "What is {a} plus {b}?",
    "Calculate {a}+{b}.",
    "What is the sum of {a} and {b}?",
]
SUB = [
    "What is {a}-{b}?",
    "What is {a} - {b}?",
    "{a} - {b} =",
    "{a}-{b}=",
    "Subtract {b} from {a}.",
    "How much is {a} minus {b}?",
    "What is {a} minus {b}?",
    "Calculate {a}-{b}.",
]
REVERSE = [
    "Reverse {s}.",
    "Reverse the letters of {s}.",
    "Reverse the word {s}.",
    "Spell {s} backwards.",
    "What is {s} backwards?",
    "Write {s} backwards.",
]
SORT = [
    "Sort the letters of {s}.",
    "Sort {s}.",
    "Sort the letters in {s} alphabetically.",
    "Put the letters of {s} in order.",
    "Put the letters of {s} in alphabetical order.",
]
LENGTH = [
    "How many letters are in {s}?",
    "How many letters does {s} have?",
    "Count the letters in {s}.",
    "How long is the word {s}?",
]
OCCUR = [
    "How many times does {c} occur in {s}?",
    "How many times does the letter {c} occur in {s}?",
    "How often does {c} occur in {s}?",
    "Count the letter {c} in {s}.",
]
CAPITAL = [
    "What is the capital of {x}?",
    "What's the capital of {x}?",
    "Name the capital of {x}.",
    "Tell me the capital of {x}.",
    "Which city is the capital of {x}?",
    "Capital of {x}?",
    "The capital of {x} is?",
    "What is the capital city of {x}?",
    "Do you know the capital of {x}?",
    "Please tell me the capital of {x}.",
]
NAME_TELL = [
    "My name is {n}.",
    "I am {n}.",
    "Hello, my name is {n}.",
    "Hi, I am {n}.",
    "You can call me {n}.",
    "Please call me {n}.",
]
NAME_ASK = [
    "What is my name?",
    "What's my name?",
    "Do you know my name?",
    "Can you tell me my name?",
    "Tell me my name.",
    "Do you remember my name?",
    "Who am I?",
]
ADD_ZH = ["{a}加{b}等于多少？", "{a}加{b}是多少？", "{a}+{b}等于多少？", "请计算{a}加{b}。"]
SUB_ZH = ["{a}减{b}等于多少？", "{a}减{b}是多少？", "{a}-{b}等于多少？", "请计算{a}减{b}。"]
CAPITAL_ZH = [
    "{x}的首都是哪里？",
    "{x}的首都是什么？",
    "{x}的首都是哪个城市？",
    "请问{x}的首都是哪里？",
    "{x}首都是哪里？",
    "你知道{x}的首都吗？",
]
NAME_TELL_ZH = ["我叫{n}。", "我的名字是{n}。", "你好，我叫{n}。", "你好，我是{n}。"]
NAME_ASK_ZH = ["我叫什么名字？", "我叫什么？", "我的名字是什么？", "你知道我的名字吗？"]
CHAT_ZH = {"你好": "你好！", "你是谁？": "我是RWKV。", "谢谢": "不客气。", "再见": "再见！"}

# Small talk is composed as "opener, question" so that unseen combinations can be asked.
OPENERS = {
    "Hello": "Hello! How can I help you?",
    "Hi": "Hello! How can I help you?",
    "Hey": "Hello! How can I help you?",
    "Hi there": "Hello! How can I help you?",
    "Hello there": "Hello! How can I help you?",
    "Good morning": "Good morning! \N{SUN WITH FACE}",
    "Good evening": "Good evening!",
    "Good night": "Good night!",
}
CHAT = {
    "who are you?": "I am a tiny RWKV-7 model.",
    "what are you?": "I am a tiny RWKV-7 model.",
    "what is your name?": "I am a tiny RWKV-7 model.",
    "are you a human?": "No, I am a tiny RWKV-7 model.",
    "are you a robot?": "I am a tiny RWKV-7 model.",
    "what can you do?": "I can add, sort, reverse, count and name capitals.",
    "can you help me?": "I can add, sort, reverse, count and name capitals.",
    "how are you?": "I am fine, thank you.",
    "how are you today?": "I am fine, thank you.",
    "how do you do?": "I am fine, thank you.",
}
CHAT_SINGLE = {
    "Thank you": "You are welcome.",
    "Thanks": "You are welcome.",
    "Thank you very much": "You are welcome.",
    "Thanks a lot": "You are welcome.",
    "Goodbye": "Goodbye!",
    "Bye": "Goodbye!",
    "See you later": "Goodbye!",
}

WORDS = [
    "apple",
    "bread",
    "chair",
    "table",
    "house",
    "mouse",
    "horse",
    "water",
    "river",
    "ocean",
    "cloud",
    "light",
    "night",
    "green",
    "brown",
    "black",
    "white",
    "grape",
    "lemon",
    "melon",
    "peach",
    "onion",
    "carrot",
    "potato",
    "tomato",
    "banana",
    "orange",
    "cherry",
    "rabbit",
    "tiger",
    "zebra",
    "snake",
    "eagle",
    "robin",
    "shark",
    "whale",
    "camel",
    "sheep",
    "goat",
    "duck",
    "frog",
    "bear",
    "wolf",
    "deer",
    "lion",
    "cat",
    "dog",
    "cow",
    "pig",
    "hen",
    "fox",
    "owl",
    "bee",
    "ant",
    "sun",
    "moon",
    "star",
    "sky",
    "rain",
    "snow",
    "wind",
    "fire",
    "tree",
    "leaf",
    "root",
    "seed",
    "grass",
    "rose",
    "book",
    "page",
    "pen",
    "ink",
    "desk",
    "door",
    "wall",
    "roof",
    "floor",
    "room",
    "lamp",
    "clock",
    "watch",
    "phone",
    "radio",
    "music",
    "piano",
    "guitar",
    "drum",
    "song",
    "dance",
    "game",
    "ball",
    "kite",
    "boat",
    "ship",
    "train",
    "plane",
    "truck",
    "bus",
    "car",
    "bike",
    "road",
    "street",
    "bridge",
    "city",
    "town",
    "farm",
    "field",
    "hill",
    "valley",
    "desert",
    "forest",
    "island",
    "beach",
    "sand",
    "stone",
    "gold",
    "silver",
    "iron",
    "paper",
    "glass",
    "cotton",
    "wool",
    "shirt",
    "shoe",
    "hat",
    "coat",
    "sock",
    "glove",
    "ring",
    "king",
    "queen",
    "prince",
    "castle",
    "tower",
    "garden",
    "flower",
    "summer",
    "winter",
    "spring",
    "autumn",
    "monday",
    "friday",
    "sunday",
    "hello",
    "world",
    "letter",
    "number",
    "family",
    "mother",
    "father",
    "sister",
    "brother",
    "friend",
    "doctor",
    "nurse",
    "pilot",
    "baker",
    "farmer",
    "school",
    "pencil",
    "window",
    "kitchen",
]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
ONSETS = [
    "b",
    "br",
    "c",
    "ch",
    "d",
    "dr",
    "f",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "st",
    "t",
    "th",
    "tr",
    "v",
    "w",
    "z",
    "",
]
VOWELS = ["a", "e", "i", "o", "u", "a", "e", "i", "o", "ia", "ea", "ee"]
CODAS = ["", "", "", "n", "l", "r", "s", "m", "k", "x", "nd", "th"]
FIRST_ZH = "小阿大老"
GIVEN_ZH = "明红华丽强伟芳军平安林海山云龙花星天春秋文武英杰东南西北美玉"


def split_of(key):
    """'test' (10 %), 'val' (3 %) or 'train', from a hash of the key."""
    bucket = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "big") % 100
    return "test" if bucket < 10 else "val" if bucket < 13 else "train"


def looser(rng, text, keep_case=False):
    """Sometimes the way people type: lower case and without the final mark."""
    if rng.random() < 0.2 and text[-1] in ".?":
        text = text[:-1]
    chance = rng.random()
    if chance < 0.08 and not keep_case:
        text = text.lower()
    elif chance < 0.15:
        text = text[0].lower() + text[1:]
    return text


class Generator:
    """Draws items of one split.

    check_string: tells whether a letter string is safe in a question, that is,
    whether the vocabulary would leave its letters apart.
    """

    def __init__(self, split, seed, check_string):
        self.split = split
        self.rng = random.Random(f"{split}-{seed}")
        self.check_string = check_string

    # -- operands ---------------------------------------------------------------

    def letters(self, low, high):
        """A random string (sometimes a real word) of low..high letters."""
        rng = self.rng
        while True:
            if rng.random() < 0.15:
                s = rng.choice(WORDS)
                if not low <= len(s) <= high:
                    continue
            else:
                # Longer strings are harder, so draw them more often.
                n = max(rng.randint(low, high), rng.randint(low, high))
                s = "".join(rng.choice(LETTERS) for _ in range(n))
                if n > 2 and rng.random() < 0.2:  # repeated letters
                    s = s[:-1] + rng.choice(s[:-1])
            if self.check_string(s):
                return s

    def pair(self, task):
        rng = self.rng
        a, b = rng.randint(0, 99), rng.randint(0, 99)
        if rng.random() < 0.15:
            a, b = a % 10, b % 10
        if task == "sub":
            if (a < b) != (rng.random() < 0.12):
                a, b = b, a
            return a, b, f"sub:{a}:{b}"
        return a, b, f"add:{min(a, b)}:{max(a, b)}"

    def name(self):
        rng = self.rng
        while True:
            n = "".join(rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(rng.choice((1, 2, 2))))
            n = (n + rng.choice(CODAS)).capitalize()
            if 3 <= len(n) <= 7 and self.check_string(n):
                return n

    def name_zh(self):
        rng = self.rng
        first = rng.choice(FIRST_ZH) if rng.random() < 0.5 else ""
        n = first + "".join(rng.choice(GIVEN_ZH) for _ in range(1 if first else 2))
        return n

    # -- tasks: each returns (key, [Turn]) ----------------------------------------

    def add(self):
        a, b, key = self.pair("add")
        return key, [Turn(looser(self.rng, self.rng.choice(ADD).format(a=a, b=b)), str(a + b), None)]

    def sub(self):
        a, b, key = self.pair("sub")
        return key, [Turn(looser(self.rng, self.rng.choice(SUB).format(a=a, b=b)), str(a - b), None)]

    def reverse(self):
        s = self.letters(2, 6)
        return "string:" + s, [Turn(looser(self.rng, self.rng.choice(REVERSE).format(s=s)), s[::-1], None)]

    def sort(self):
        s = self.letters(2, 6)
        return "string:" + s, [Turn(looser(self.rng, self.rng.choice(SORT).format(s=s)), "".join(sorted(s)), None)]

    def count(self):
        rng = self.rng
        if rng.random() < 0.5:
            s = self.letters(1, 9)
            return "string:" + s, [Turn(looser(rng, rng.choice(LENGTH).format(s=s)), str(len(s)), None)]
        s = self.letters(3, 7)
        c = rng.choice(s) if rng.random() < 0.8 else rng.choice(LETTERS)
        times = rng.choice((0, 0, 1, 1, 2))
        for _ in range(times):  # make repeated letters common
            at = rng.randrange(len(s))
            s = s[:at] + c + s[at + 1 :]
        if not self.check_string(s):
            return self.count()
        return f"string:{s}", [Turn(looser(rng, rng.choice(OCCUR).format(s=s, c=c)), str(s.count(c)), None)]

    def capital(self):
        rng = self.rng
        country = rng.choice(list(CAPITALS))
        way = rng.randrange(len(CAPITAL))
        return (
            f"capital:{country}:{way}",
            [Turn(looser(rng, CAPITAL[way].format(x=country)), CAPITALS[country] + ".", None)],
        )

    def chat(self):
        rng = self.rng
        kind = rng.random()
        if kind < 0.65:
            opener, question = rng.choice(list(OPENERS)), rng.choice(list(CHAT))
            plain = rng.random() < 0.3
            q = question[0].upper() + question[1:] if plain else f"{opener}, {question}"
            key = "chat:" + q
            return key if not plain else None, [Turn(looser(rng, q), CHAT[question], None)]
        table = OPENERS if kind < 0.85 else CHAT_SINGLE
        q = rng.choice(list(table))
        # Too few to hold any out: these belong to every split.
        return None, [Turn(looser(rng, q + rng.choice(("", ".", "!"))), table[q], None)]

    def name_task(self):
        rng = self.rng
        n = self.name()
        tell = rng.choice(NAME_TELL).format(n=n)
        turns = [Turn(looser(rng, tell, keep_case=True), f"Nice to meet you, {n}.", None)]
        turns += self.filler(rng.choice((0, 0, 1, 1, 2, 3, 4)))
        turns.append(Turn(looser(rng, rng.choice(NAME_ASK)), f"Your name is {n}.", None))
        return "name:" + n, turns

    def chinese(self):
        rng = self.rng
        kind = rng.random()
        if kind < 0.4:
            task = "add" if rng.random() < 0.5 else "sub"
            a, b, key = self.pair(task)
            q = rng.choice(ADD_ZH if task == "add" else SUB_ZH).format(a=a, b=b)
            return key, [Turn(q, str(a + b if task == "add" else a - b), None)]
        if kind < 0.7:
            country, way = rng.choice(list(CAPITALS_ZH)), rng.randrange(len(CAPITAL_ZH))
            return (
                f"capital_zh:{country}:{way}",
                [Turn(CAPITAL_ZH[way].format(x=country), CAPITALS_ZH[country] + "。", None)],
            )
        if kind < 0.92:
            n = self.name_zh()
            turns = [Turn(rng.choice(NAME_TELL_ZH).format(n=n), f"你好，{n}。", None)]
            turns += self.filler(rng.choice((0, 0, 1, 2)))
            turns.append(Turn(rng.choice(NAME_ASK_ZH), f"你叫{n}。", None))
            return "name_zh:" + n, turns
        q = rng.choice(list(CHAT_ZH))
        return None, [Turn(q, CHAT_ZH[q], None)]

    def reason(self):
        """The arithmetic and letter tasks with a short working."""
        task = self.rng.choice(("add", "add", "sub", "sub", "reverse", "sort", "count"))
        key, turns = getattr(self, task)()
        turn = turns[-1]
        return key, turns[:-1] + [turn._replace(think=working(key, turn, task))]

    def filler(self, count):
        """Single-turn items between telling a name and asking for it."""
        turns = []
        for _ in range(count):
            task = self.rng.choice(("add", "sub", "reverse", "sort", "count", "capital", "chat"))
            turns += self.item(task).turns
        return turns

    def item(self, task):
        """One Item of this split."""
        make = getattr(self, "name_task" if task == "name" else task)
        while True:
            key, turns = make()
            if key is None or split_of(key) == self.split:
                return Item(task, key, turns)


def working(key, turn, task):
    """The text of the <think> block for a turn of an arithmetic or letter task."""
    if task in ("add", "sub"):
        numbers = [int(x) for x in key.split(":")[1:]]
        a, b = max(numbers), min(numbers)
        if task == "add":
            carry = (a % 10 + b % 10) // 10
            text = f"{a}+{b}\n{a % 10}+{b % 10}={a % 10 + b % 10}"
            return text + f"\n{a // 10}+{b // 10}+{carry}={a // 10 + b // 10 + carry}"
        sign = "" if numbers[0] >= numbers[1] else "-"
        borrow = int(a % 10 < b % 10)
        text = f"{sign}{a}-{b}\n{a % 10 + 10 * borrow}-{b % 10}={a % 10 + 10 * borrow - b % 10}"
        return text + f"\n{a // 10}-{b // 10}-{borrow}={a // 10 - b // 10 - borrow}"
    s = key.split(":")[1]
    letters = " ".join(s)
    if task == "count":
        if any(word in turn.question.lower() for word in ("occur", "the letter ")):
            c = occurrence_letter(turn.question)
            seen, parts = 0, []
            for x in s:
                seen += x == c
                parts.append(x + str(seen))
            return f"{c} in " + " ".join(parts)
        return " ".join(x + str(i + 1) for i, x in enumerate(s))
    return letters + " -> " + " ".join(turn.answer)


def occurrence_letter(question):
    """The single letter an 'how many times' question asks for."""
    return re.search(r"(?:does|letter) ([a-z]) (?:occur|in)", question.lower()).group(1)


# -- chat template and rows ------------------------------------------------------


def segments(turn):
    """A turn as (text, loss weight class) pieces; 0 = prompt, 1 = what the model writes.

    The pieces are tokenised one by one, because at inference the prompt ends where
    a 0 piece ends.
    """
    head = f"User: {turn.question}\n\nAssistant:"
    if turn.think is None:
        return [(head, 0), (f" {turn.answer}\n\n", 1)]
    if turn.think == "":
        return [(head + " <think>\n</think", 0), (f">\n{turn.answer}\n\n", 1)]
    return [(head + " <think", 0), (f">\n{turn.think}\n</think>\n{turn.answer}\n\n", 1)]


SYSTEM = "System: You are a helpful assistant.\n\n"


class Packer:
    """Fills rows with conversations.

    encode: bytes -> token ids; weights: task -> share (may be changed while running).
    """

    def __init__(self, generator, encode, length, weights, question_weight=0.05):
        self.gen, self.encode, self.length = generator, encode, length
        self.weights, self.question_weight = weights, question_weight
        self.rng = random.Random(generator.rng.random())

    def ids(self, text):
        return self.encode(text.encode())

    def conversation(self, turns=None):
        """(token ids, loss weights) of one conversation.

        turns: the turns to use (for evaluation, without system text); by default items are drawn.
        The weight at position i belongs to predicting token i.
        """
        rng = self.rng
        drawn = turns is None
        if drawn:
            items = rng.choice((1, 1, 1, 1, 1, 2, 2, 3, 4, 6))
            tasks = rng.choices(list(self.weights), list(self.weights.values()), k=items)
            turns = []
            for task in tasks:
                for turn in self.gen.item(task).turns:
                    turns.append(self.with_mode(turn))
        ids, weights = [], []
        if rng.random() < 0.05 and drawn:
            ids += self.ids(SYSTEM)
            weights += [0.0] * len(ids)
        for turn in turns:
            for text, learned in segments(turn):
                new = self.ids(text)
                ids += new
                weights += [1.0 if learned else self.question_weight] * len(new)
        return ids, weights

    def with_mode(self, turn):
        """Some turns of any task come with a reasoning block, so that the mode always works."""
        if turn.think is None:
            chance = self.rng.random()
            if chance < 0.05:
                return turn._replace(think="")
            if chance < 0.07 and not turn.answer.isalnum():
                return turn._replace(think="This is easy.")
        return turn

    def row(self):
        """(tokens, weights, keep), each a list of self.length + 1 values."""
        tokens, weights, keep = [], [], []
        while len(tokens) <= self.length:
            ids, w = self.conversation()
            w[0] = 0.0  # the start of a conversation cannot be predicted
            tokens += ids
            weights += w
            keep += [0.0] + [1.0] * (len(ids) - 1)
        n = self.length + 1
        return tokens[:n], weights[:n], keep[:n]
