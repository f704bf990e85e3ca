"""What the checks of requests have in common: which bodies they read, and what they report.

A file has one JSON a line: {"id", "schema" or "vendor": what the body must fit, "body"}; where the client's request goes
on in the format that it came in also "asked": {"as": what that should fit, "body": what the client wrote}. A member that
its own format does not know goes on as it is: that is no problem of ours.
"""
import collections
import json
import re
import sys


def report(path, kind, problems_of, allowed):
    """Prints {"checked": {name: N}, "allowed": {why: N}, "asked": N problems that the client's own words had already,
    "problems": [{"id", "name", "path", "what"}, ...]}.

    kind: "schema" or "vendor"; lines of the other are left to others.
    problems_of(name, body): [(path, what), ...]
    allowed: (name, pattern of the path, part of what is said, why it is no problem)
    """
    checked, asked, problems = collections.Counter(), 0, []
    excused = collections.Counter({why: 0 for *_, why in allowed})
    with open(path, encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if kind not in line:
                continue
            name = line[kind]
            checked[name] += 1
            found = problems_of(name, line["body"])
            if found and "asked" in line:
                ours = not_asked(found, name, line["asked"], problems_of)
                asked += len(found) - len(ours)
                found = ours
            for at, what in found:
                known = next((why for of, place, part, why in allowed
                              if of == name and re.search(place, bare(at)) and part in what), None)
                if known:
                    excused[known] += 1
                else:
                    problems.append({"id": line["id"], "name": name, "path": at, "what": what})
    json.dump({"checked": checked, "allowed": excused, "asked": asked, "problems": problems}, sys.stdout)


def not_asked(found, name, asked, problems_of):
    """Without the problems that what the client wrote has too. Other types may say the same in other words."""
    own = {(bare(at), what if asked["as"] == name else "") for at, what in problems_of(asked["as"], asked["body"])}
    return [(at, what) for at, what in found if (bare(at), what if asked["as"] == name else "") not in own]


def bare(path):
    """Its place in a list may change on the way."""
    return re.sub(r"\[\d+\]", "[]", path)
