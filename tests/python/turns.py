"""Tool conversations of two turns, as the users of the official SDKs write them: what the SDK gathered is
appended to the history, then the tools' results.

stdin: {"sdk": "openai" | "anthropic", "base_url": URL, "api_key": KEY, "results": {tool name: text},
        "calls": [{"model": ..., "messages": ..., "stream": true, ...}]}
stdout: for each call [the first answer, the second answer], each as the SDK dumps it.
"""
import json
import sys

import anthropic
import openai
from openai.lib.streaming.chat import ChatCompletionStreamState


def openai_answer(client, call):
    if not call.get("stream"):
        return client.chat.completions.create(**call)
    state = ChatCompletionStreamState()
    for chunk in client.chat.completions.create(**call):
        state.handle_chunk(chunk)
    return state.get_final_completion()


def openai_turn(client, call, results):
    first = openai_answer(client, call)
    message = first.choices[0].message
    # Gathered messages have members that only the SDK knows (`parsed`); users leave them out like this.
    dumped = message.model_dump(exclude_none=True, exclude={"parsed"})
    for tool in dumped.get("tool_calls", []):
        tool["function"].pop("parsed_arguments", None)
        tool.pop("index", None)
    assistant = dumped if call.get("stream") else message
    tools = [{"role": "tool", "tool_call_id": c.id, "content": results[c.function.name]} for c in message.tool_calls]
    second = openai_answer(client, {**call, "messages": [*call["messages"], assistant, *tools]})
    return [first.model_dump(mode="json"), second.model_dump(mode="json")]


def anthropic_answer(client, call):
    if not call.get("stream"):
        return client.messages.create(**call)
    with client.messages.stream(**{k: v for k, v in call.items() if k != "stream"}) as stream:
        return stream.get_final_message()


def anthropic_turn(client, call, results):
    first = anthropic_answer(client, call)
    tools = [{"type": "tool_result", "tool_use_id": block.id, "content": results[block.name]}
             for block in first.content if block.type == "tool_use"]
    more = [{"role": "assistant", "content": first.content}, {"role": "user", "content": tools}]
    second = anthropic_answer(client, {**call, "messages": [*call["messages"], *more]})
    return [first.model_dump(mode="json"), second.model_dump(mode="json")]


def main():
    job = json.load(sys.stdin)
    sdk, turn = {"openai": (openai.OpenAI, openai_turn), "anthropic": (anthropic.Anthropic, anthropic_turn)}[job["sdk"]]
    with sdk(base_url=job["base_url"], api_key=job["api_key"], max_retries=0, timeout=60) as client:
        json.dump([turn(client, call, job["results"]) for call in job["calls"]], sys.stdout)


main()
