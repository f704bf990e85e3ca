"""Checks requests with the types of the vendors' own SDKs.

stdin: {"path": a file of requests, see sent.py}; each line's "vendor" is a name in VENDORS
stdout: see sent.py

The SDKs themselves are lenient: they send unknown members and unknown words, so that an old SDK works with a new API.
Here a member that a type does not have and a word that it does not list are problems.
"""
import collections.abc
import functools
import inspect
import json
import types
import typing
import sys

import typing_extensions

import sent

# Members that an API takes and its SDK's newest types leave out, with the reason.
BESIDE = {
    # The SDK adds it itself.
    "cohere": {"stream"},
    # Gone from the types with the models that refuse them; older models take them still.
    "anthropic": {"temperature", "top_p", "top_k"},
}

# Vendor, pattern of the path, part of what is said, why it is no problem.
ALLOWED = [
    ("mistralai", r"^messages\[\]\.content\[\]\.input_audio$", "not a text",
     "sound as OpenAI writes it: recordings of Mistral have it, answered with 200"),
    ("mistralai", r"^messages\[\]\.content\[\]\.image_url$", "missing",
     "a part of Perplexity's own, `file_url`, of a client that was recorded there"),
]


def cohere():
    from cohere.v2.raw_client import RawV2Client

    return arguments(RawV2Client.chat, {"model", "messages"})


def cohere_embed():
    from cohere.v2.raw_client import RawV2Client

    return arguments(RawV2Client.embed, {"model", "input_type"})


def anthropic():
    from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming

    return typing.Union[MessageCreateParamsNonStreaming, MessageCreateParamsStreaming]


def anthropic_count():
    from anthropic.types import MessageCountTokensParams

    return MessageCountTokensParams


def mistralai():
    from mistralai.client.models import ChatCompletionRequest

    return ChatCompletionRequest


def mistralai_embeddings():
    from mistralai.client.models import EmbeddingRequest

    return EmbeddingRequest


# What clients of Mistral speak, too.


def openai():
    from openai.types.chat.completion_create_params import (
        CompletionCreateParamsNonStreaming,
        CompletionCreateParamsStreaming,
    )

    return typing.Union[CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming]


def openai_embeddings():
    from openai.types import EmbeddingCreateParams

    return EmbeddingCreateParams


VENDORS = {
    "anthropic": anthropic,
    "anthropic.count": anthropic_count,
    "cohere": cohere,
    "cohere.embed": cohere_embed,
    "mistralai": mistralai,
    "mistralai.embeddings": mistralai_embeddings,
    "openai": openai,
    "openai.embeddings": openai_embeddings,
}


def arguments(method, required):
    """The body that a method of an SDK writes."""
    hints = typing.get_type_hints(method, include_extras=True)
    names = inspect.signature(method).parameters
    return Record(method.__name__, {name: hints[name] for name in names if name not in ("self", "request_options")}, required)


class Record:
    """Members by name, and which of them are required."""

    def __init__(self, name, fields, required):
        self.name, self.fields, self.required = name, fields, required

    def tags(self):
        """Members that can have one value only."""
        for name, hint in self.fields.items():
            words = literals(hint)
            if words is not None and len(words) == 1:
                yield name, words[0]


@functools.cache
def record(hint):
    """A `Record` for a class with members, else None."""
    if isinstance(hint, Record):
        return hint
    if typing_extensions.is_typeddict(hint):
        hints = typing_extensions.get_type_hints(hint, include_extras=True)
        return Record(hint.__name__, hints, required_members(hint, hints))
    model_fields = getattr(hint, "model_fields", None)
    if isinstance(hint, type) and isinstance(model_fields, dict):
        fields, required = {}, set()
        for name, field in model_fields.items():
            known_as = field.alias or alias(field.metadata) or name
            fields[known_as] = field.annotation
            if field.is_required():
                required.add(known_as)
        return Record(hint.__name__, fields, required)
    return None


def required_members(hint, hints):
    """`__required_keys__` misses `Required` where annotations are evaluated late."""
    bases = [base for base in getattr(hint, "__orig_bases__", ()) if typing_extensions.is_typeddict(base)]
    inherited = {name for base in bases for name in base.__annotations__}
    required = set()
    for base in bases:
        required |= required_members(base, hints)
    for name in hint.__annotations__:
        origin = typing_extensions.get_origin(hints[name])
        is_own = name not in inherited and hint.__total__ and origin is not typing_extensions.NotRequired
        if is_own or origin is typing_extensions.Required:
            required.add(name)
    return required


def alias(metadata):
    return next((item.alias for item in metadata if getattr(item, "alias", None)), None)


def bare(hint):
    """Without what says nothing about the value."""
    while True:
        origin = typing_extensions.get_origin(hint)
        if origin in (typing_extensions.Annotated, typing_extensions.Required, typing_extensions.NotRequired):
            hint = typing_extensions.get_args(hint)[0]
        elif isinstance(hint, typing_extensions.TypeAliasType):
            hint = hint.__value__
        elif isinstance(origin, typing_extensions.TypeAliasType):
            hint = origin.__value__[typing_extensions.get_args(hint)]
        else:
            return hint


@functools.cache
def branches(hint):
    """The alternatives of a union, flat. What stands there for values that the SDK does not know yet is none."""
    hint = bare(hint)
    if typing_extensions.get_origin(hint) not in (typing.Union, types.UnionType):
        return [hint]
    flat = [branch for arg in typing_extensions.get_args(hint) for branch in branches(arg)]
    named = [branch for branch in flat if not is_for_unknown(branch)]
    lists_words = any(literals(branch) is not None for branch in named)
    return [branch for branch in named if not (lists_words and branch is typing.Any)]


def is_for_unknown(hint):
    name = getattr(hint, "__name__", "")
    return name.startswith(("Unrecognized", "Unknown", "Unset"))


@functools.cache
def literals(hint):
    hint = bare(hint)
    if typing_extensions.get_origin(hint) in (typing.Literal, typing_extensions.Literal):
        return typing_extensions.get_args(hint)
    return None


def problems(value, hint, path):
    found = [one_branch(value, branch, path) for branch in branches(hint)]
    if not found:
        return [f"{path}: nothing is known of its type"]
    fitting = [list_ for list_, _ in found if not list_]
    if fitting:
        return []
    # The branch whose tags fit is the one that was meant.
    return min(found, key=lambda it: (not it[1], len(it[0])))[0]


def one_branch(value, hint, path):
    """The problems of one alternative, and whether it is likely meant."""
    if hint is typing.Any or hint is object:
        return [], True
    if hint is type(None) or hint is None:
        return ([] if value is None else [f"{path}: not null"]), False
    words = literals(hint)
    if words is not None:
        return ([] if value in words else [f"{path}: {value!r} is none of {', '.join(map(repr, words))}"]), True
    of = record(hint)
    if of is not None:
        return check_record(value, of, path)
    origin, args = typing_extensions.get_origin(hint) or hint, typing_extensions.get_args(hint)
    if inspect.isclass(origin):
        if origin is str:
            return ([] if isinstance(value, str) else [f"{path}: not a text"]), isinstance(value, str)
        if origin is bool:
            return ([] if isinstance(value, bool) else [f"{path}: not true or false"]), isinstance(value, bool)
        if origin in (int, float):
            is_number = isinstance(value, (int, float) if origin is float else int) and not isinstance(value, bool)
            return ([] if is_number else [f"{path}: not a number ({origin.__name__})"]), is_number
        if issubclass(origin, collections.abc.Mapping):
            if not isinstance(value, dict):
                return [f"{path}: not an object"], False
            inner = args[1] if len(args) == 2 else typing.Any
            return [it for name, item in value.items() for it in problems(item, inner, f"{path}.{name}")], True
        if issubclass(origin, collections.abc.Iterable):
            if not isinstance(value, list):
                return [f"{path}: not a list"], False
            inner = args[0] if args else typing.Any
            return [it for i, item in enumerate(value) for it in problems(item, inner, f"{path}[{i}]")], True
    return [f"{path}: the type {hint!r} is not understood"], False


def check_record(value, of, path):
    if not isinstance(value, dict):
        return [f"{path}: not an object ({of.name})"], False
    at = f"{path}." if path else ""
    found = [f"{at}{name}: missing ({of.name})" for name in sorted(of.required - value.keys())]
    for name, item in value.items():
        here = at + name
        if name not in of.fields:
            found.append(f"{here}: {of.name} has no such member")
        else:
            found.extend(problems(item, of.fields[name], here))
    tags = list(of.tags())
    is_meant = bool(tags) and all(value.get(name) == word for name, word in tags if name in value)
    return found, is_meant


def check(vendor, body):
    body = {name: item for name, item in body.items() if name not in BESIDE.get(vendor, ())}
    found = problems(body, types_of(vendor), "")
    return [tuple(problem.split(": ", 1)) for problem in found]


@functools.cache
def types_of(vendor):
    return VENDORS[vendor]()


def main():
    job = json.load(sys.stdin)
    sent.report(job["path"], "vendor", check, ALLOWED)


main()
