#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Train the tiny RWKV-7 model on synthetic conversations.

The learning-rate schedule follows the clock, so that a run ends when it should on any
machine; how many steps it takes, and with them the weights, differ from run to run.

    python3 tools/train/train.py --minutes 54 --threads 1 --compile --out DIR
    tools/train/finish.sh DIR/model.pt

Muon updates the matrices of the two mixes, AdamW everything else.  The share of each task
follows its error on validation items, which are not training items; those with a key are
not test items either.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import data
import torch
import torch.nn.functional as F
from model import RWKV7
from vocab import Tokenizer

MATRICES = ("W_r", "W_k", "W_v", "W_o", "F_k", "F_v")
BASE_SHARE = dict(
    add=1.6, sub=1.6, reverse=1.2, sort=1.2, count=1.0, capital=0.6, name=0.6, chinese=1.0, reason=1.0, chat=0.4
)


class Muon:
    """Momentum, orthogonalised by five Newton-Schulz steps (Jordan et al., 2024)."""

    def __init__(self, params, momentum=0.95, weight_decay=0.02):
        """params: 2-D parameters; equal shapes are orthogonalised together."""
        self.momentum, self.weight_decay = momentum, weight_decay
        shapes = {}
        for p in params:
            shapes.setdefault(tuple(p.shape), []).append(p)
        self.groups = [(ps, torch.zeros(len(ps), *shape)) for shape, ps in shapes.items()]

    @torch.no_grad()
    def step(self, lr):
        for params, buffer in self.groups:
            grad = torch.stack([p.grad for p in params])
            buffer.lerp_(grad, 1 - self.momentum)
            x = grad.lerp(buffer, self.momentum)  # Nesterov
            tall = x.shape[1] > x.shape[2]
            if tall:
                x = x.transpose(1, 2)
            x = x / (x.flatten(1).norm(dim=1).view(-1, 1, 1) + 1e-7)
            for _ in range(5):
                gram = x @ x.transpose(1, 2)
                x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
            if tall:
                x = x.transpose(1, 2)
            scale = lr * math.sqrt(max(1.0, x.shape[1] / x.shape[2]))
            for p, update in zip(params, x):
                p.mul_(1 - lr * self.weight_decay).add_(update, alpha=-scale)


def batch_of(packer, rows):
    """(tokens, weights, keep), each (rows, T + 1)."""
    tokens, weights, keep = zip(*(packer.row() for _ in range(rows)))
    return torch.tensor(tokens), torch.tensor(weights), torch.tensor(keep)


@torch.no_grad()
def exact(model, packer, conversations, batch=48):
    """Which conversations have their last answer right, greedily.

    conversations: list of lists of Turn.  With the right tokens fed, "every token of the
    answer is the most likely one" is the same as "greedy decoding writes the answer".
    For reasoning turns this asks more: the working must be right as well.
    """
    encoded = []
    for turns in conversations:
        ids, _ = packer.conversation(turns=turns)
        encoded.append((ids, len(packer.ids(data.segments(turns[-1])[-1][0]))))
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i][0]))
    right = [False] * len(encoded)
    for at in range(0, len(order), batch):
        chosen = order[at : at + batch]
        length = max(len(encoded[i][0]) for i in chosen)
        tokens = torch.zeros(len(chosen), length, dtype=torch.long)
        for row, i in enumerate(chosen):
            tokens[row, : len(encoded[i][0])] = torch.tensor(encoded[i][0])
        keep = torch.ones(tokens.shape)
        keep[:, 0] = 0
        best = model(tokens, keep, plain=True).argmax(-1)
        for row, i in enumerate(chosen):
            ids, answer = encoded[i]
            n = len(ids)
            right[i] = bool((best[row, n - answer - 1 : n - 1] == tokens[row, n - answer : n]).all())
    return right


def accuracy(model, packer, items):
    """Share of items with the right last answer, by task."""
    result = exact(model, packer, [item.turns for item in items])
    score = {}
    for item, ok in zip(items, result):
        score.setdefault(item.task, []).append(ok)
    return {task: sum(oks) / len(oks) for task, oks in score.items()}


def save(model, path, info):
    """Write a checkpoint by rename, so that readers never see half a file."""
    temporary = f"{path}.tmp"
    torch.save(dict(config=model.config, info=info, state=model.state_dict()), temporary)
    os.replace(temporary, path)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60, help="length of the run")
    parser.add_argument("--out", type=Path, required=True, help="folder of model.pt and log.jsonl")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--rows", type=int, default=16, help="rows per step")
    parser.add_argument("--length", type=int, default=160, help="tokens per row")
    parser.add_argument("--lr", type=float, default=3e-3, help="peak learning rate of AdamW")
    parser.add_argument("--muon-lr", type=float, default=0.02, help="peak learning rate of Muon")
    parser.add_argument("--warmup", type=int, default=100, help="steps")
    parser.add_argument("--eval-every", type=int, default=400, help="steps")
    parser.add_argument("--save-minutes", type=float, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--compile", action="store_true", help="use torch.compile (faster)")
    return parser.parse_args()


def main():
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokenizer = Tokenizer()
    rows = -(-tokenizer.size // 32) * 32  # embedding rows, padded
    model = RWKV7(rows, args.width, args.layers, 4 * args.width, seed=args.seed)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters} parameters, {tokenizer.size} tokens in the vocabulary", flush=True)
    if args.compile:
        model.compile()

    named = list(model.named_parameters())
    matrices = [p for n, p in named if n.split(".")[-1] in MATRICES]
    others = [p for n, p in named if n.split(".")[-1] not in MATRICES]
    muon = Muon(matrices)
    adam = torch.optim.AdamW(others, lr=args.lr, betas=(0.9, 0.98), eps=1e-10, weight_decay=0.0)

    share = dict(BASE_SHARE)
    packer = data.Packer(
        data.Generator("train", args.seed, tokenizer.letters_apart), tokenizer.encode, args.length, share
    )
    val_gen = data.Generator("val", args.seed, tokenizer.letters_apart)
    error = {task: 1.0 for task in data.TASKS}

    log = open(args.out / "log.jsonl", "w", encoding="utf-8")
    start = saved = time.time()
    step = tokens_seen = 0
    mean_loss = None
    while True:
        elapsed = (time.time() - start) / 60
        done = elapsed / args.minutes
        if done >= 1:
            break
        factor = min(1.0, (step + 1) / args.warmup) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        tokens, weights, keep = batch_of(packer, args.rows)
        logits = model(tokens[:, :-1], keep[:, :-1])
        losses = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
        w = weights[:, 1:].flatten()
        loss = (losses * w).sum() / w.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for group in adam.param_groups:
            group["lr"] = args.lr * factor
        adam.step()
        muon.step(args.muon_lr * factor)
        model.zero_grad(set_to_none=True)
        step += 1
        tokens_seen += tokens[:, 1:].numel()
        value = loss.item()
        mean_loss = value if mean_loss is None else 0.98 * mean_loss + 0.02 * value
        if step % 50 == 0:
            print(
                f"{elapsed:6.2f} min  step {step}  {tokens_seen / 1e6:.2f} M tokens  "
                f"loss {mean_loss:.4f}  {tokens_seen / (time.time() - start):.0f} tokens/s",
                flush=True,
            )
        if step % args.eval_every == 0:
            items = [val_gen.item(task) for task in data.TASKS for _ in range(40)]
            score = accuracy(model, packer, items)
            for task in data.TASKS:
                error[task] = 0.5 * error[task] + 0.5 * (1 - score[task])
                share[task] = BASE_SHARE[task] * (0.15 + error[task])
            record = dict(
                minutes=round(elapsed, 2), step=step, tokens=tokens_seen, loss=round(mean_loss, 5), validation=score
            )
            log.write(json.dumps(record) + "\n")
            log.flush()
            print("   validation " + " ".join(f"{t} {100 * s:.0f}" for t, s in score.items()), flush=True)
        if (time.time() - saved) / 60 >= args.save_minutes:
            saved = time.time()
            save(model, args.out / "model.pt", dict(step=step, tokens=tokens_seen, minutes=elapsed))
    save(model, args.out / "model.pt", dict(step=step, tokens=tokens_seen, minutes=elapsed, loss=mean_loss, final=True))
    print("done", flush=True)


if __name__ == "__main__":
    main()
