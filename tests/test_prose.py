"""Texts and names follow `docs/glossary.md`: nothing that `docs/denylist.toml` lists.

`python tests/test_prose.py` prints the number of offences by folder, with `--list` (and, if wanted,
the beginnings of paths) each one, and with `--lower` it lowers the numbers under `[allowed]`.
"""

import functools
import re
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DENYLIST = ROOT / "docs" / "denylist.toml"
RULES = tomllib.loads(DENYLIST.read_text()) if DENYLIST.exists() else None
FOLDERS = ("imbax", "tests", "benchmarks", "examples", "docs")
# Pages and files that quote what is refused.
QUOTING = {"docs/glossary.md", "docs/denylist.toml", "tests/test_prose.py"}
GENERATED = ("docs/generated/", "docs/examples/")

# Code is read by regular expressions: syntax trees of all files would take seconds.
STRING = re.compile(r'^([ \t]*)[rR]?"""((?:[^"\\]|\\.|"(?!""))*)"""', re.MULTILINE | re.DOTALL)
FIELD_COMMENT = re.compile(r"^\s+\w+: [^#\n]+  # (.*)", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
FIRST_WORD = re.compile(r"[^\w`]*([\w'’-]+)")
VARIABLES = re.compile(
    r"""^[\ ]*((?:[\w*]+,\ )*\w+)\ =\               # assignment
    | ^[\ ]*for\ (.+?)\ in\                         # loop
    | \ for\ (\w[\w, ()]*?)\ in\                    # comprehension
    | (\w+)\ :=\                                    # assignment expression
    | \blambda\ ([\w*,\ ]+):                        # parameters of a lambda
    | ^[\ ]*(?:with|except)\b.*\bas\ (\w+)\b        # context or exception
    | \bdef\ (_\w+\([^()]*(?:\([^()]*\)[^()]*)*)\)  # private function and its parameters
    | \bdef\ (\w+)\(                                # other function
    """,
    re.MULTILINE | re.VERBOSE,
)
TEST = re.compile(r"^(?:    )*def (test_\w+)\(", re.MULTILINE)


def phrase_pattern(phrase):
    # A pattern that begins with a letter is found ten times faster than one that begins with \b.
    return re.compile(phrase.replace(" ", r"[\s#]+") + r"(?!\w)")


def files():
    """Files to check by folder: a package, its first-level subfolder, or a page at the top."""
    found = defaultdict(list)
    for path in sorted([*ROOT.glob("*.md"), *(p for f in FOLDERS for p in (ROOT / f).rglob("*"))]):
        parts = path.relative_to(ROOT).parts
        name = "/".join(parts)
        if path.suffix not in (".py", ".md", ".toml") or name in QUOTING or "stored" in parts:
            continue
        if name.startswith(GENERATED):
            continue
        two = parts[0] in ("imbax", "tests") and len(parts) > 2
        found["/".join(parts[:2]) if two else parts[0]].append(path)
    return found


def offences(text, suffix=".py"):
    """Pairs of a line number and an offence, in the order of the lines."""
    text = FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), text) if suffix == ".md" else text
    found = [*phrases(text)]
    if suffix == ".py":
        found += [*openings(text), *names(text)]
    return sorted((text.count("\n", 0, at) + 1, offence) for at, offence in found)


def phrases(text):
    lower = text.lower()
    for phrase in PHRASES:
        for hit in phrase.finditer(lower):
            if not lower[hit.start() - 1 : hit.start()].isidentifier():
                yield hit.start(), f'phrase "{" ".join(hit[0].replace("#", " ").split())}"'
    for hit in SENTENCES.finditer(text):
        yield hit.start(), f'sentence that starts with "{hit[1]}"'


def openings(text):
    for string in STRING.finditer(text):
        before = text[: string.start()].rstrip()
        if before.endswith(("(", ",", "=", "[", "{", "+", "\\")):
            continue
        is_field = not before.endswith(":") and before.rpartition("\n")[2].startswith(" ")
        kind = "field note" if is_field else "docstring"
        yield from opening(string.start(), string[2], kind)
    for comment in FIELD_COMMENT.finditer(text):
        yield from opening(comment.start(1), comment[1], "field note")


def opening(at, text, kind):
    word = FIRST_WORD.match(text)
    if word and (word[1] in RULES["first_words"] or re.match(r"[\w’']+['’]s[,.;]", text)):
        yield at, f'{kind} that starts with "{word[1]}"'


def names(text):
    """Each name once a file, and test names that are too long."""
    seen = set()
    for hit in VARIABLES.finditer(text):
        group = hit[hit.lastindex]
        # Parameters may have annotations and defaults.
        for name in re.findall(r"(?:^|[,(])[\s*(]*(\w+)", group):
            if name not in seen and NAMES.fullmatch(name):
                seen.add(name)
                yield hit.start(hit.lastindex), f'name "{name}"'
    for hit in TEST.finditer(text):
        if len(hit[1]) > RULES["test_name"]:
            yield hit.start(1), f'test name of {len(hit[1])} characters "{hit[1]}"'


if RULES:
    PHRASES = [phrase_pattern(phrase) for phrase in RULES["phrases"]]
    SENTENCES = re.compile(rf"[a-z)`\"][.;:][\s#]+({'|'.join(RULES['sentences'])})\s")
    NAMES = re.compile(rf"_*(?:{'|'.join(RULES['names'])})")


@functools.cache
def all_offences():
    """`{folder: ["path:line: offence", ...]}`."""
    return {
        folder: [
            f"{path.relative_to(ROOT)}:{line}: {offence}"
            for path in paths
            for line, offence in offences(path.read_text(), path.suffix)
        ]
        for folder, paths in files().items()
    }


needs_denylist = pytest.mark.skipif(not RULES, reason="docs/ is not in this copy")


@needs_denylist
def test_no_new_offences_against_the_denylist():
    allowed = RULES.get("allowed", {})
    problems = []
    for folder, found in all_offences().items():
        limit = allowed.get(folder, 0)
        if len(found) > limit:
            problems += [f"{folder}: {len(found)} offences, allowed {limit}:", *found]
        elif len(found) < limit:
            problems.append(
                f"{folder}: lower the number in docs/denylist.toml from {limit} to {len(found)}"
            )
    problems += [f"{folder}: no such folder" for folder in allowed if folder not in all_offences()]
    assert not problems, "\n" + "\n".join(problems)


@needs_denylist
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"""Of rows."""\n', 'docstring that starts with "Of"'),
        ('def f():\n    """What it makes."""\n', 'docstring that starts with "What"'),
        (
            "class A:\n    b: int\n    '''x'''\n    c: int = 1  # At most.\n",
            'field note that starts with "At"',
        ),
        (
            'class A:\n    b: int\n    """Adam\'s, twice."""\n',
            'field note that starts with "Adam\'s"',
        ),
        ("# Rows are kept as\n# they are.\n", 'phrase "as they are"'),
        ('raise InputError("Predictions foretold")\n', 'phrase "foretold"'),
        ("# A copy. Of images only one.\n", 'sentence that starts with "Of"'),
        ("one, given = f()\n", 'name "given"'),
        ("x = [i for i, own in y]\n", 'name "own"'),
        ("def _f(x, of_rows: int = (1, 2)):\n    pass\n", 'name "of_rows"'),
        (f"def test_{'a' * 56}():\n", f'test name of 61 characters "test_{"a" * 56}"'),
    ],
)
def test_offence_is_found(text, expected):
    assert [offence for _, offence in offences(text)] == [expected]


@needs_denylist
def test_plain_english_is_no_offence():
    text = '''"""In-graph training: "Of" in quotes, `of_rows` in code."""

class Config(NamedTuple):
    """Choices fixed at compile time."""

    rows: int
    """Rows per step, >= 1."""
    lr: float = 0.1  # Adam's learning rate in both stages.

def public(x, given=None, *, own: int = 1):
    """Returns `x`, as far as it is known."""
    call(given=1, own=2)
'''
    assert offences(text) == []


def lower():
    """Lowers the numbers under `[allowed]` to what is found; none rises."""
    head, mark, _ = DENYLIST.read_text().partition("[allowed]\n")
    known = RULES.get("allowed")
    counts = {f: len(found) for f, found in all_offences().items() if found}
    if known:
        counts = {f: min(n, known[f]) for f, n in counts.items() if f in known}
    # A blank line between numbers lets git merge changes to neighbouring ones.
    DENYLIST.write_text(head + mark + "\n".join(f'"{f}" = {n}\n' for f, n in counts.items()))


if __name__ == "__main__":
    if "--lower" in sys.argv:
        lower()
    prefixes = tuple(a for a in sys.argv[1:] if not a.startswith("--")) or ("",)
    for folder, found in all_offences().items():
        shown = [one for one in found if one.startswith(prefixes)]
        print(f"{len(shown):5} {folder}", *(shown if "--list" in sys.argv else ()), sep="\n      ")
    print(f"{sum(map(len, all_offences().values())):5} in all")
