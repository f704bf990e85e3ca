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

# Where the document is stricter than the API: recorded requests of that shape were answered with 200.
ALLOWED = [
]


def load(path):
    with open(path, encoding="utf-8") as file:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        schemas = yaml.load(file, loader)["components"]["schemas"]
    # What stands in an `allOf` stays open: the object around it is closed as a whole.
    opened = {name: mend(copy.deepcopy(schema), False) for name, schema in schemas.items()}
    closed = {name: mend(copy.deepcopy(schema), True) for name, schema in schemas.items()}
    return {"components": {"schemas": closed, "open": opened}}


def mend(schema, close):
    """Closes objects, and lets a value fit several of `oneOf`: messages fit two schemas, and mean the same in both."""
    if isinstance(schema, list):
        return [mend(item, close) for item in schema]
    if not isinstance(schema, dict):
        return schema
    # A default, an example or an enum holds values, not schemas.
    out = {key: value if key in ("default", "example", "enum", "const") else mend(value, close)
           for key, value in schema.items() if key not in ("allOf", "properties")}
    if "properties" in schema:
        out["properties"] = {name: mend(value, True) for name, value in schema["properties"].items()}
    if isinstance(schema.get("oneOf"), list):
        out["anyOf"] = out.pop("oneOf") + out.get("anyOf", [])
    if isinstance(schema.get("allOf"), list):
        out["allOf"] = [open_ref(mend(item, False)) for item in schema["allOf"]]
        if close:
            out["unevaluatedProperties"] = False
    elif close and schema.get("properties") and "additionalProperties" not in schema:
        out["additionalProperties"] = False
    return out


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
        error = next((inner for inner in best if inner.validator != "unevaluatedProperties"), best[0])
    return error


def main():
    job = json.load(sys.stdin)
    document = load(job["document"])

    @functools.cache
    def validator(name):
        return Draft202012Validator({"$ref": f"#/components/schemas/{name}", **document})

    def problems(name, body):
        errors = [telling(error) for error in validator(name).iter_errors(body)]
        # What is wrong elsewhere makes its neighbours look unknown.
        if any(error.validator != "unevaluatedProperties" for error in errors):
            errors = [error for error in errors if error.validator != "unevaluatedProperties"]
        return [problem for error in errors for problem in said(error)]

    sent.report(job["path"], "schema", problems, ALLOWED)


def said(error):
    """[(path, what), ...]: unknown members one by one, as the message lists them."""
    at = path(error.absolute_path)
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        members = re.findall(r"'([^']*)'", error.message)
        return [(f"{at}.{name}".lstrip("."), "no schema has such a member") for name in members]
    return [(at, error.message[:300])]


def path(keys):
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


main()
