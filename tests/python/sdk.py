"""Calls a gateway with the official SDKs and prints what they made of the answers.

stdin: {"sdk": "openai" | "anthropic", "base_url": URL, "api_key": KEY, "async": false,
        "concurrency": 1, "max_retries": 0, "timeout": 60, "headers": {},
        "calls": [{"model": ..., "messages": ..., "stream": true, ...}]}
stdout: a list, one for each call, in order:
  {"ok": true, "text", "thinking", "tools": [{"id", "name", "input"}], "finish", "model", "id",
   "usage": {...}, "headers": {...}, "events": N, "raw": the whole answer as the SDK has it}
  {"ok": false, "error": CLASS, "status": N | null, "message", "body", "headers": {...},
   "text": what had come of a stream before it failed}

What streams are gathered into is the SDK's own doing, so that its checks are part of the test.
For OpenAI `base_url` ends in /v1, for Anthropic it does not, as their users have it.
"""
import asyncio
import inspect
import json
import sys

import anthropic
import openai
from openai.lib.streaming.chat import ChatCompletionStreamState


def parsed(text):
    """A tool's arguments; left as text where they are no JSON, for the test to see."""
    try:
        return json.loads(text)
    except ValueError:
        return text


class OpenAI:
    module, sync, asynchronous = openai, openai.OpenAI, openai.AsyncOpenAI

    def __init__(self):
        self.state = ChatCompletionStreamState()
        self.text = ""

    @staticmethod
    def create(client, call):
        return client.chat.completions.with_raw_response.create(**call)

    def event(self, chunk):
        self.state.handle_chunk(chunk)
        if chunk.choices:
            self.text += chunk.choices[0].delta.content or ""

    def gathered(self):
        return self.state.get_final_completion()

    @staticmethod
    def summary(answer):
        choice = answer.choices[0]
        calls = choice.message.tool_calls or []
        return {
            "text": choice.message.content or "",
            "thinking": getattr(choice.message, "reasoning_content", None) or "",
            "tools": [{"id": c.id, "name": c.function.name, "input": parsed(c.function.arguments)} for c in calls],
            "finish": choice.finish_reason,
        }


class Anthropic:
    module, sync, asynchronous = anthropic, anthropic.Anthropic, anthropic.AsyncAnthropic

    def __init__(self):
        self.message = None
        self.text = ""

    @staticmethod
    def create(client, call):
        if call.get("stream"):
            return client.messages.stream(**{k: v for k, v in call.items() if k != "stream"})
        return client.messages.with_raw_response.create(**call)

    def event(self, event):
        if event.type == "text":
            self.text += event.text

    def gathered(self):
        return self.message

    @staticmethod
    def summary(answer):
        of = lambda kind: [b for b in answer.content if b.type == kind]
        return {
            "text": "".join(b.text for b in of("text")),
            "thinking": "".join(b.thinking for b in of("thinking")),
            "tools": [{"id": b.id, "name": b.name, "input": b.input} for b in of("tool_use")],
            "finish": answer.stop_reason,
        }


def report(kind, answer, headers, events):
    usage = answer.usage.model_dump(mode="json") if answer.usage else None
    return {"ok": True, **kind.summary(answer), "model": answer.model, "id": answer.id, "usage": usage,
            "headers": dict(headers), "events": events, "raw": answer.model_dump(mode="json")}


def failure(kind, error):
    response = getattr(error, "response", None)
    return {"ok": False, "error": type(error).__name__, "status": getattr(error, "status_code", None),
            "message": str(error), "body": getattr(error, "body", None),
            "headers": dict(response.headers) if response is not None else {}, "text": kind.text}


def call_sync(sdk, client, call):
    kind, events = sdk(), 0
    try:
        if not call.get("stream"):
            raw = sdk.create(client, call)
            return report(kind, raw.parse(), raw.headers, 0)
        if sdk is Anthropic:
            with sdk.create(client, call) as stream:
                for event in stream:
                    events += 1
                    kind.event(event)
                kind.message, headers = stream.get_final_message(), stream.response.headers
        else:
            raw = sdk.create(client, call)
            headers = raw.headers
            with raw.parse() as stream:
                for event in stream:
                    events += 1
                    kind.event(event)
        return report(kind, kind.gathered(), headers, events)
    except Exception as error:
        return failure(kind, error)


async def call_async(sdk, client, call):
    kind, events = sdk(), 0
    try:
        if not call.get("stream"):
            raw = await sdk.create(client, call)
            answer = raw.parse()
            if inspect.isawaitable(answer):  # Anthropic's is, OpenAI's is not
                answer = await answer
            return report(kind, answer, raw.headers, 0)
        if sdk is Anthropic:
            async with sdk.create(client, call) as stream:
                async for event in stream:
                    events += 1
                    kind.event(event)
                kind.message, headers = await stream.get_final_message(), stream.response.headers
        else:
            raw = await sdk.create(client, call)
            headers = raw.headers
            async with raw.parse() as stream:
                async for event in stream:
                    events += 1
                    kind.event(event)
        return report(kind, kind.gathered(), headers, events)
    except Exception as error:
        return failure(kind, error)


async def all_async(sdk, options, calls, concurrency):
    limit = asyncio.Semaphore(concurrency)

    async def one(client, call):
        async with limit:
            return await call_async(sdk, client, call)

    async with sdk.asynchronous(**options) as client:
        return await asyncio.gather(*(one(client, call) for call in calls))


def main():
    job = json.load(sys.stdin)
    sdk = {"openai": OpenAI, "anthropic": Anthropic}[job["sdk"]]
    options = {"base_url": job["base_url"], "api_key": job["api_key"],
               "max_retries": job.get("max_retries", 0), "timeout": job.get("timeout", 60),
               "default_headers": job.get("headers", {})}
    if job.get("async"):
        results = asyncio.run(all_async(sdk, options, job["calls"], job.get("concurrency", 1)))
    else:
        with sdk.sync(**options) as client:
            results = [call_sync(sdk, client, call) for call in job["calls"]]
    json.dump(results, sys.stdout)


main()
