"""Checks requests to OpenAI with its own OpenAPI document.

argv: the path of the document (openai-openapi.yaml)
stdin: one JSON a line: {"schema": "CreateResponse" | "CreateCompletionRequest" | "CreateChatCompletionRequest"
       | "CreateEmbeddingRequest" | any other name below components/schemas, "body": ..., "id": anything}
stdout: {"checked": {schema: N}, "allowed": {why: N}, "problems": [{"id", "schema", "path", "what"}, ...]}

The document describes what a body may hold and says nothing of what it may not: here a member that no schema names is
a problem too. Where the document is stricter than the API, ALLOWED says so: recorded requests of that shape were answered
with 200.

Needs jsonschema and pyyaml.
"""
import collections
import copy
import json
import sys

import yaml
from jsonschema import Draft202012Validator

# (a part of the path, a part of the message, why it is no problem)
ALLOWED = [
    ("input[", "'output_text' is not one of ['input_text']",
     "what an assistant said as a list, without an id: OpenAI and Azure take it"),
    ("input[", "'id' is a required property", "reasoning or what an assistant said, without an id: OpenAI and Azure take it"),
    ("content[", "'detail' is a required property", "an image without `detail`: OpenAI and xAI take it"),
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
            is_other_type = any(list(inner.path)[-1:] == ["type"] and not inner.context for inner in branch)
            return (not is_other_type, max(len(inner.absolute_path) for inner in branch))
        best = max(branches.values(), key=rank)
        error = next((inner for inner in best if inner.validator != "unevaluatedProperties"), best[0])
    return error


def main():
    document = load(sys.argv[1])
    validators, checked, allowed, problems = {}, collections.Counter(), collections.Counter(), []
    for line in sys.stdin:
        job = json.loads(line)
        name = job["schema"]
        if name not in validators:
            validators[name] = Draft202012Validator({"$ref": f"#/components/schemas/{name}", **document})
        checked[name] += 1
        errors = [telling(error) for error in validators[name].iter_errors(job["body"])]
        # What is wrong elsewhere makes its neighbours look unknown.
        if any(error.validator != "unevaluatedProperties" for error in errors):
            errors = [error for error in errors if error.validator != "unevaluatedProperties"]
        for error in errors:
            path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in error.absolute_path).lstrip(".")
            known = next((why for at, what, why in ALLOWED if at in path and what in error.message), None)
            if known:
                allowed[known] += 1
            else:
                problems.append({"id": job.get("id"), "schema": name, "path": path, "what": error.message[:300]})
    json.dump({"checked": checked, "allowed": allowed, "problems": problems}, sys.stdout)


main()
