"""The OpenAI client for Python against `rwkv serve`: python openai_client.py RWKV"""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import openai

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models/tiny/rwkv7-tiny.gguf"
PERU = [{"role": "user", "content": "What is the capital of Peru?"}]


class Server:
    def __init__(self, rwkv, *options):
        command = [rwkv, "serve", "-m", str(MODEL), "--port", "0", "--greedy", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on http"), line
        self.url = line.split()[-1] + "/v1"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def a_chat_is_answered_and_streamed(client):
    answer = client.chat.completions.create(model="rwkv7-tiny", messages=PERU)
    assert answer.choices[0].message.content == "Lima.", answer
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    options = {"include_usage": True}
    pieces = list(
        client.chat.completions.create(model="rwkv7-tiny", messages=PERU, stream=True, stream_options=options)
    )
    assert "".join(p.choices[0].delta.content or "" for p in pieces if p.choices) == "Lima."
    assert pieces[-1].usage == answer.usage or pieces[-1].usage.completion_tokens == answer.usage.completion_tokens


def the_stream_helper_puts_an_answer_together(client):
    with client.chat.completions.stream(model="rwkv7-tiny", messages=PERU) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.content == "Lima."


def a_text_is_completed(client):
    prompt = "User: What is 47+38?\n\nAssistant:"
    answer = client.completions.create(model="rwkv7-tiny", prompt=prompt, stop="\n\n", max_tokens=10)
    assert answer.choices[0].text == " 85", answer


def an_effort_makes_thoughts_in_a_field_of_their_own(client):
    message = (
        client.chat.completions.create(model="rwkv7-tiny", messages=PERU, reasoning_effort="high").choices[0].message
    )
    assert message.content == "Lima.", message
    assert message.reasoning_content, message
    thoughts, text = "", ""
    for piece in client.chat.completions.create(
        model="rwkv7-tiny", messages=PERU, reasoning_effort="high", stream=True
    ):
        thoughts += getattr(piece.choices[0].delta, "reasoning_content", None) or ""
        text += piece.choices[0].delta.content or ""
    assert (thoughts, text) == (message.reasoning_content, message.content)


def twenty_at_once_are_answered(client):
    async def ask_all():
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key="x", max_retries=0) as many:
            asks = [many.chat.completions.create(model="rwkv7-tiny", messages=PERU) for _ in range(20)]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*asks)]

    assert asyncio.run(ask_all()) == ["Lima."] * 20


def errors_are_those_of_the_client_library(client):
    for error, fields in (
        (openai.NotFoundError, {"model": "gpt-9", "messages": PERU}),
        (openai.BadRequestError, {"model": "rwkv7-tiny", "messages": []}),
        (openai.BadRequestError, {"model": "rwkv7-tiny", "messages": PERU, "tools": [{"type": "function"}]}),
    ):
        try:
            client.chat.completions.create(**fields)
        except error as thrown:
            assert thrown.body["message"], thrown
        else:
            raise AssertionError(f"no {error.__name__}")


def main():
    failed = 0
    tests = [
        a_chat_is_answered_and_streamed,
        the_stream_helper_puts_an_answer_together,
        a_text_is_completed,
        an_effort_makes_thoughts_in_a_field_of_their_own,
        twenty_at_once_are_answered,
        errors_are_those_of_the_client_library,
    ]
    with Server(sys.argv[1], "--reasoning-content") as server:
        client = openai.OpenAI(base_url=server.url, api_key="x", max_retries=0, timeout=60)
        for test in tests:
            try:
                test(client)
            except Exception as error:  # noqa: BLE001 the others are still of interest
                failed += 1
                print(f"FAILED: {test.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
        server.process.send_signal(signal.SIGTERM)
        if server.process.wait(timeout=10) != 0:
            failed += 1
            print(f"FAILED: SIGTERM ended the server with {server.process.returncode}", file=sys.stderr)
    print(f"{len(tests) + 1 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
