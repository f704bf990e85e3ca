"""Checks answers, written again by the gateway's encoders, with the types of the official SDKs.

stdin: {"path": a file with one JSON a line: {"id", "client_format": "chat" | "messages", "stream": false, "body": ...}
        or {..., "stream": true, "sse": text}}
stdout: {"whole": {"chat": N, "messages": N}, "streams": {...}, "events": {...}, "problems": ["id: what", ...]}
"""
import collections
import json
import sys

from anthropic.types import Message, RawMessageStreamEvent
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

EVENT = TypeAdapter(RawMessageStreamEvent)


def events(text):
    for block in text.split("\n\n"):
        lines = [line.partition(": ") for line in block.splitlines()]
        data = "\n".join(value for name, _, value in lines if name == "data")
        if data:
            yield next((value for name, _, value in lines if name == "event"), None), data


def check_chat(text):
    state, count, done, usages = ChatCompletionStreamState(), 0, 0, 0
    for name, data in events(text):
        assert name is None and not done, f"behind [DONE]: {data}"
        if data == "[DONE]":
            done += 1
            continue
        chunk = ChatCompletionChunk.model_validate_json(data, strict=True)
        usages += chunk.usage is not None
        assert not usages or chunk.choices == [], f"usage is not last and alone: {data}"
        state.handle_chunk(chunk)
        count += 1
    assert done == 1 and usages <= 1, f"{done} ends, {usages} usages"
    state.get_final_completion()
    return count


def check_messages(text):
    count, kinds, open_block, next_index = 0, [], None, 0
    for name, data in events(text):
        event = EVENT.validate_json(data, strict=True)
        assert name == event.type, f"{name} is {event.type}"
        if event.type == "content_block_start":
            assert open_block is None and event.index == next_index, f"block {event.index} begins"
            open_block, next_index = event.index, next_index + 1
        elif event.type in ("content_block_delta", "content_block_stop"):
            assert event.index == open_block, f"{event.type} of {event.index} in {open_block}"
            open_block = None if event.type == "content_block_stop" else open_block
        kinds.append(event.type)
        count += 1
    kinds = [kind for kind in kinds if not kind.startswith("content_block") and kind != "ping"]
    assert open_block is None and kinds == ["message_start", "message_delta", "message_stop"], kinds
    return count


def check(line, counts):
    kind = line["client_format"]
    if line["stream"]:
        counts["events"][kind] += {"chat": check_chat, "messages": check_messages}[kind](line["sse"])
        counts["streams"][kind] += 1
        return
    model = {"chat": ChatCompletion, "messages": Message}[kind]
    answer = model.model_validate_json(json.dumps(line["body"]), strict=True)
    # A member of the wrong name would be read as an unknown one.
    known = answer.model_dump(mode="json", exclude_unset=True)
    assert known == line["body"], "reads back as something else"
    counts["whole"][kind] += 1


def main():
    job = json.load(sys.stdin)
    counts = {name: collections.Counter() for name in ("whole", "streams", "events")}
    problems = []
    with open(job["path"], encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            try:
                check(line, counts)
            except Exception as error:
                problems.append(f'{line["id"]} to {line["client_format"]}: {type(error).__name__}: {str(error)[:600]}')
    json.dump({**counts, "problems": problems}, sys.stdout)


main()
