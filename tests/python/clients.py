"""Calls a gateway with every official Python SDK and prints what they made of the answers.

stdin: {"base_url": URL without a path, "api_key": KEY, "concurrency": 8,
        "calls": [{"client": "chat" | "responses" | "completions" | "messages" | "gemini" | "embeddings" | "count_tokens" |
        "models", "model", "text", "stream"}]}
stdout: a list, one for each call, in order:
  {"ok": true, "text", "tools": [{"name", "input"}], "finish"} | {"ok": false, "error", "status", "message"}
  (the last three kinds have members of their own)

Streams are gathered by the SDKs themselves where they can.
"""
import asyncio
import json
import sys

import anthropic
import openai
from google import genai
from google.genai import types
from openai.lib.streaming.chat import ChatCompletionStreamState

SCHEMA = {"type": "object", "properties": {}}


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


async def chat(clients, model, text, stream):
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}}]
    request = {"model": model, "messages": [{"role": "user", "content": text}], "tools": tools}
    create = clients["openai"].chat.completions.create
    if stream:
        state = ChatCompletionStreamState()
        async for chunk in await create(**request, stream=True, stream_options={"include_usage": True}):
            state.handle_chunk(chunk)
        # Not `get_final_completion`, which raises where the answer was cut at its limit.
        answer = state.current_completion_snapshot
    else:
        answer = await create(**request)
    choice = answer.choices[0]
    calls = choice.message.tool_calls or []
    tools = [{"name": call.function.name, "input": parsed(call.function.arguments)} for call in calls]
    return {"text": choice.message.content or "", "tools": tools, "finish": choice.finish_reason}


async def responses(clients, model, text, stream):
    tools = [{"type": "function", "name": "look_up", "parameters": SCHEMA, "strict": False}]
    request = {"model": model, "input": text, "tools": tools, "store": False}
    if stream:
        async with clients["openai"].responses.stream(**request) as events:
            async for _ in events:
                pass
            answer = await events.get_final_response()
    else:
        answer = await clients["openai"].responses.create(**request)
    calls = [item for item in answer.output if item.type == "function_call"]
    finish = answer.incomplete_details.reason if answer.incomplete_details else answer.status
    tools = [{"name": call.name, "input": parsed(call.arguments)} for call in calls]
    return {"text": answer.output_text, "tools": tools, "finish": finish}


async def completions(clients, model, text, stream):
    create = clients["openai"].completions.create
    if not stream:
        choice = (await create(model=model, prompt=text)).choices[0]
        return {"text": choice.text, "tools": [], "finish": choice.finish_reason}
    out, finish = "", None
    async for chunk in await create(model=model, prompt=text, stream=True):
        for choice in (choice for choice in chunk.choices if choice.index == 0):
            out += choice.text
            finish = choice.finish_reason or finish
    return {"text": out, "tools": [], "finish": finish}


async def messages(clients, model, text, stream):
    request = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": text}],
               "tools": [{"name": "look_up", "input_schema": SCHEMA}]}
    if stream:
        async with clients["anthropic"].messages.stream(**request) as events:
            answer = await events.get_final_message()
    else:
        answer = await clients["anthropic"].messages.create(**request)
    tools = [{"name": block.name, "input": block.input} for block in answer.content if block.type == "tool_use"]
    text = "".join(block.text for block in answer.content if block.type == "text")
    return {"text": text, "tools": tools, "finish": answer.stop_reason}


async def gemini(clients, model, text, stream):
    declaration = types.FunctionDeclaration(name="look_up", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declaration])],
                                         automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True))
    call = {"model": model, "contents": text, "config": config}
    models = clients["genai"].aio.models
    if stream:
        answers = [answer async for answer in await models.generate_content_stream(**call)]
    else:
        answers = [await models.generate_content(**call)]
    parts, finish = [], None
    for answer in answers:
        for candidate in (it for it in answer.candidates or [] if not it.index):
            finish = candidate.finish_reason or finish
            parts += (candidate.content.parts or []) if candidate.content else []
    text = "".join(part.text for part in parts if part.text and not part.thought)
    tools = [{"name": part.function_call.name, "input": part.function_call.args or {}}
             for part in parts if part.function_call]
    return {"text": text, "tools": tools, "finish": getattr(finish, "value", finish)}


async def embeddings(clients, model, text, _stream):
    # The SDK asks for base64 and unpacks it.
    answer = await clients["openai"].embeddings.create(model=model, input=[text, "second", text])
    vectors = [item.embedding for item in answer.data]
    same = vectors[0] == vectors[2] and vectors[0] != vectors[1]
    return {"text": f"{len(vectors)} vectors", "size": len(vectors[0]), "same": same,
            "usage": answer.usage.model_dump(), "first": vectors[0][:3]}


async def count_tokens(clients, model, text, _stream):
    answer = await clients["anthropic"].messages.count_tokens(
        model=model, system="Be brief.", messages=[{"role": "user", "content": text}],
        tools=[{"name": "look_up", "input_schema": SCHEMA}])
    return {"text": "", "tokens": answer.input_tokens}


async def models(clients, model, _text, _stream):
    of_openai = [item.id async for item in clients["openai"].models.list()]
    of_anthropic = [item.id async for item in clients["anthropic"].models.list()]
    of_google = [item.name async for item in await clients["genai"].aio.models.list()]
    one = [(await clients["openai"].models.retrieve(model)).id,
           (await clients["anthropic"].models.retrieve(model)).id,
           (await clients["genai"].aio.models.get(model=model)).name]
    return {"text": "", "openai": of_openai, "anthropic": of_anthropic, "google": of_google, "one": one}


KINDS = {"embeddings": embeddings, "count_tokens": count_tokens, "models": models, "chat": chat, "responses": responses, "completions": completions, "messages": messages, "gemini": gemini}


async def main():
    job = json.load(sys.stdin)
    key, base = job["api_key"], job["base_url"]
    clients = {
        "openai": openai.AsyncOpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0, timeout=60),
        "anthropic": anthropic.AsyncAnthropic(base_url=base, api_key=key, max_retries=0, timeout=60),
        "genai": genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base, timeout=60_000)),
    }
    gate = asyncio.Semaphore(job.get("concurrency", 1))

    async def one(call):
        async with gate:
            try:
                kind = KINDS[call["client"]]
                return {"ok": True, **await kind(clients, call["model"], call["text"], call["stream"])}
            except Exception as error:
                status = getattr(error, "status_code", None) or getattr(error, "code", None)
                return {"ok": False, "error": type(error).__name__, "status": status, "message": str(error)[:2000]}

    json.dump(await asyncio.gather(*map(one, job["calls"])), sys.stdout)


asyncio.run(main())
