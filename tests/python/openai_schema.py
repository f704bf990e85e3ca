"""Checks requests to OpenAI with its own OpenAPI document.

stdin: {"path": a file of requests, see sent.py, "document": the path of openai-openapi.yaml}; each line's "schema" is a
       name below components/schemas
stdout: see sent.py

The document describes what a body may hold and says nothing of what it may not: here a member that no schema names is
a problem too.
"""
import collections
import copy
import functools
import json
import re
import sys

import yaml
from jsonschema import Draft202012Validator

import sent

# Schema, pattern of the path, part of what is said, why it is no problem.
ALLOWED = [
    ("CreateResponse", r"^input\[\]\.content\[\]\.type$", "'output_text' is not one of",
     "what an assistant said as a list, without an id: recordings of OpenAI have it, answered with 200"),
    ("CreateResponse", r"^input\[\]\.content\[\]$", "'text' is a required property",
     "a refusal of an assistant, without an id: an error of OpenAI's lists it as the other type (openai-openapi#475)"),
    ("CreateChatCompletionRequest", r"^messages\[\]\.prefix$", "no schema has such a member",
     "Mistral's own member, of a client that was recorded there"),
]


def load(path):
    with open(path, encoding="utf-8") as file:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        schemas = yaml.load(file, loader)["components"]["schemas"]
    # What stands in an `allOf` stays open: the object around it is closed as a whole.
    opened = {name: mend(copy.deepcopy(schema), schemas, False) for name, schema in schemas.items()}
    closed = {name: mend(copy.deepcopy(schema), schemas, True) for name, schema in schemas.items()}
    return {"components": {"schemas": closed, "open": opened}}


def mend(schema, schemas, close):
    """Closes objects, and lets a value fit several of `oneOf`: messages fit two schemas, and mean the same in both."""
    if isinstance(schema, list):
        return [mend(item, schemas, close) for item in schema]
    if not isinstance(schema, dict):
        return schema
    # A default, an example or an enum holds values, not schemas.
    out = {key: value if key in ("default", "example", "enum", "const") else mend(value, schemas, close)
           for key, value in schema.items() if key not in ("allOf", "properties")}
    if "properties" in schema:
        out["properties"] = {name: mend(value, schemas, True) for name, value in schema["properties"].items()}
    if isinstance(schema.get("oneOf"), list):
        out["anyOf"] = out.pop("oneOf") + out.get("anyOf", [])
    if isinstance(schema.get("allOf"), list):
        out["allOf"] = [open_ref(mend(item, schemas, False)) for item in schema["allOf"]]
        known = members(schema, schemas)
        if close and known:
            out["propertyNames"] = {"enum": sorted(known)}
    elif close and schema.get("properties") and "additionalProperties" not in schema:
        out["additionalProperties"] = False
    return out


def members(schema, schemas):
    """The names of an object's members; None where a part of it may have any."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[-1]]
    parts = [members(part, schemas) for part in schema.get("allOf", [])]
    is_open = "oneOf" in schema or "anyOf" in schema or schema.get("additionalProperties")
    if is_open or None in parts:
        return None
    return set(schema.get("properties", {})).union(*parts)


def open_ref(schema):
    if "$ref" in schema:
        schema["$ref"] = schema["$ref"].replace("/schemas/", "/open/")
    return schema


def telling(error):
    """The error that tells most. Of the schemas that a value could fit, the one of its own type is meant."""
    while error.context:
        branches = collections.defaultdict(list)
        for inner in error.context:
            branches[inner.schema_path[0]].append(inner)
        def rank(branch):
            is_other_type = any(list(inner.path)[-1:] in (["type"], ["role"]) and not inner.context for inner in branch)
            return (not is_other_type, max(len(inner.absolute_path) for inner in branch))
        best = max(branches.values(), key=rank)
        error = best[0]
    return error


def main():
    job = json.load(sys.stdin)
    document = load(job["document"])

    @functools.cache
    def validator(name):
        return Draft202012Validator({"$ref": f"#/components/schemas/{name}", **document})

    def problems(name, body):
        errors = [telling(error) for error in validator(name).iter_errors(body)]
        return [problem for error in errors for problem in said(error)]

    sent.report(job["path"], "schema", problems, ALLOWED)


def said(error):
    """[(path, what), ...]"""
    at, unknown = path(error.absolute_path), []
    if error.validator == "additionalProperties":
        unknown = re.findall(r"'([^']*)'", error.message)
    elif "propertyNames" in error.relative_schema_path:
        unknown = [error.instance]
    return [(f"{at}.{name}".lstrip("."), "no schema has such a member") for name in unknown] or [(at, error.message[:300])]


def path(keys):
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


main()
