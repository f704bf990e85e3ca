"""Checks answers, written again by the gateway's encoders, with the types of the official SDKs.

stdin: {"path": a file with one JSON a line: {"id", "client_format": "chat" | "messages" | "responses" | "completions",
        "stream": false, "body": ...} or {..., "stream": true, "sse": text}}
stdout: {"whole": {"chat": N, "messages": N}, "streams": {...}, "events": {...}, "beta": N answers and events that only
         the SDK's types for beta features know, "extra": {member: N} that no type knows, "problems": ["id: what", ...]}
"""
import collections
import json
import sys

from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from openai import omit
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter, ValidationError

TYPES = {
    "chat": [TypeAdapter(ChatCompletion)],
    "chunk": [TypeAdapter(ChatCompletionChunk)],
    "responses": [TypeAdapter(Response)],
    "response event": [TypeAdapter(ResponseStreamEvent)],
    "completions": [TypeAdapter(Completion)],
    "messages": [TypeAdapter(Message), TypeAdapter(BetaMessage)],
    "event": [TypeAdapter(RawMessageStreamEvent), TypeAdapter(BetaRawMessageStreamEvent)],
}
extra, beta = collections.Counter(), 0


def read(kind, text):
    """Strictly, with nothing lost, and with members that the type does not know counted."""
    global beta
    stable, *more = TYPES[kind]
    try:
        answer = stable.validate_json(text, strict=True)
    except ValidationError:
        if not more:
            raise
        answer = more[0].validate_json(text, strict=True)
        beta += 1
    assert answer.model_dump(mode="json", exclude_unset=True) == json.loads(text), "reads back as something else"
    count_extra(answer)
    return answer


def count_extra(value):
    if isinstance(value, list):
        for item in value:
            count_extra(item)
    elif isinstance(value, BaseModel):
        for name in value.model_extra or {}:
            extra[f"{type(value).__name__}.{name}"] += 1
        for name in value.model_fields_set:
            count_extra(getattr(value, name, None))


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
        chunk = read("chunk", data)
        usages += chunk.usage is not None
        assert not usages or chunk.choices == [], f"usage is not last and alone: {data}"
        state.handle_chunk(chunk)
        count += 1
    assert done == 1 and usages <= 1, f"{done} ends, {usages} usages"
    # Not `get_final_completion`, which raises where the answer was cut at its limit.
    assert state.current_completion_snapshot.choices[0].finish_reason, "no finish reason"
    return count


def check_messages(text):
    count, kinds, open_block, next_index = 0, [], None, 0
    for name, data in events(text):
        event = read("event", data)
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


def check_responses(text):
    state, count, added, done, pieces, last = ResponseStreamState(input_tools=omit, text_format=omit), 0, [], {}, {}, None
    for name, data in events(text):
        event = read("response event", data)
        assert last is None, f"behind the end: {data}"
        assert name == event.type and event.sequence_number == count, f"{name}, number {count}: {data}"
        state.handle_event(event)
        at = getattr(event, "output_index", None)
        piece = (at, getattr(event, "content_index", None), getattr(event, "summary_index", None))
        if event.type == "response.output_item.added":
            assert at == len(added), f"item {at} begins behind {len(added)}"
            added.append(event.item)
        elif event.type == "response.output_item.done":
            assert (event.item.id, event.item.type) == (added[at].id, added[at].type), f"{event.item} was {added[at]}"
            done[at] = event.item
        elif event.type.endswith(".delta"):
            assert event.item_id == added[at].id and at not in done, f"{event.item_id} in item {at}"
            pieces[piece] = pieces.get(piece, "") + event.delta
        elif event.type.endswith((".text.done", "_text.done", "arguments.done", "refusal.done", "input.done")):
            whole = next(getattr(event, n) for n in ("text", "arguments", "refusal", "input") if hasattr(event, n))
            assert pieces.get(piece, "") == whole, f"{pieces.get(piece)} is {whole}"
        elif event.type in ("response.completed", "response.incomplete"):
            last = event.response
        count += 1
    assert last, "no end"
    assert [item.to_dict() for item in last.output] == [done[at].to_dict() for at in range(len(added))], "items differ"
    return count


def check_completions(text):
    count, done, finishes = 0, 0, 0
    for name, data in events(text):
        assert name is None and not done, f"behind [DONE]: {data}"
        if data == "[DONE]":
            done += 1
            continue
        # The type is made for whole answers: a piece has no reason to end yet.
        chunk = json.loads(data)
        for choice in chunk["choices"]:
            finishes += choice["finish_reason"] is not None
            choice["finish_reason"] = choice["finish_reason"] or "stop"
        read("completions", json.dumps(chunk))
        count += 1
    assert done == 1 and finishes, f"{done} ends, {finishes} reasons to end"
    return count


STREAMS = {
    "chat": check_chat,
    "messages": check_messages,
    "responses": check_responses,
    "completions": check_completions,
}


def check(line, counts):
    kind = line["client_format"]
    if line["stream"]:
        counts["events"][kind] += STREAMS[kind](line["sse"])
        counts["streams"][kind] += 1
        return
    read(kind, json.dumps(line["body"]))
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
    json.dump({**counts, "beta": beta, "extra": extra, "problems": problems}, sys.stdout)


main()
