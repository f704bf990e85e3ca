"""Checks what hooks are sent, and what they answer, with the OpenAPI document of docs/.

stdin: {"document": the path of hooks.openapi.yaml, "items": [[the name of a schema, a value], ...]}
stdout: for each item, what is wrong with it
"""
import json
import sys

import yaml
from jsonschema import Draft202012Validator

job = json.load(sys.stdin)
with open(job["document"], encoding="utf-8") as file:
    document = yaml.safe_load(file)


def problems(name, value):
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    Draft202012Validator.check_schema(schema)
    return [f"{error.json_path}: {error.message[:300]}" for error in Draft202012Validator(schema).iter_errors(value)]


print(json.dumps([problems(name, value) for name, value in job["items"]]))
