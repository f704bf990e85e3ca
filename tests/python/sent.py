"""What the checks of requests have in common: which bodies they read, and what they report.

A file has one JSON a line: {"id", "schema" or "vendor": what the body must fit, "body"} and, where the client speaks that
vendor's own format, "asked": what it wrote. What is wrong with that is no problem of ours.
"""
import collections
import json
import re
import sys


def report(path, kind, problems_of, allowed):
    """Prints {"checked": {name: N}, "allowed": {why: N}, "asked": N problems that the client's own words have too,
    "problems": [{"id", "name", "path", "what"}, ...]}.

    kind: "schema" or "vendor"; lines of the other are left to others.
    problems_of(name, body): [(path, what), ...]
    allowed: (name, pattern of the path, part of what is said, why it is no problem)
    """
    checked, excused, asked, problems = collections.Counter(), collections.Counter(), 0, []
    with open(path, encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if kind not in line:
                continue
            name = line[kind]
            checked[name] += 1
            found = problems_of(name, line["body"])
            if found and "asked" in line:
                # The place in a list may have changed on the way.
                own = {(bare(at), what) for at, what in problems_of(name, line["asked"])}
                asked += sum((bare(at), what) in own for at, what in found)
                found = [(at, what) for at, what in found if (bare(at), what) not in own]
            for at, what in found:
                known = next((why for of, place, part, why in allowed
                              if of == name and re.search(place, bare(at)) and part in what), None)
                if known:
                    excused[known] += 1
                else:
                    problems.append({"id": line["id"], "name": name, "path": at, "what": what})
    json.dump({"checked": checked, "allowed": excused, "asked": asked, "problems": problems}, sys.stdout)


def bare(path):
    return re.sub(r"\[\d+\]", "[]", path)
