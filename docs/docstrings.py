"""Conversion of docstrings for Sphinx.

Docstrings are written for readers of the source: equations are indented, and characters such as `|`
are not escaped.
"""

import re

__all__ = ["as_rst"]

_ROLE = re.compile(r":(?:ref|term|doc|class|func|meth|mod):`~?([^`<]+?)(?:\s*<[^`>]*>)?`")
_CODE = re.compile(r"(``.*?``|`[^`]*`)")


def as_rst(app, what, name, obj, options, lines) -> None:
    """Converts a docstring to reStructuredText without warnings, by changing `lines` in place.

    Indented paragraphs before the first section become literal blocks. In the rest, references of
    inherited docstrings to pages of other projects become text, and `|` and trailing underscores
    are escaped.
    """
    first_section = next(
        (i for i, line in enumerate(lines[1:]) if line.strip() and set(line.strip()) == {"-"}),
        len(lines),
    )
    result: list[str] = []
    is_block = False
    for place, line in enumerate(lines):
        if place >= first_section or (line.strip() and not line.startswith("    ")):
            is_block = False
        elif line.strip() and not is_block and (not result or not result[-1].strip()):
            result += ["::", ""]
            is_block = True
        result.append(line if is_block else _escaped(line))
    lines[:] = result


def _escaped(line: str) -> str:
    head, colon, kind = line.partition(" : ")
    parts = _CODE.split(_ROLE.sub(r"`\1`", kind if colon else line))
    for place in range(0, len(parts), 2):
        parts[place] = parts[place].replace("|", r"\|")
        parts[place] = re.sub(r"(?<=\w)_(?=\W|$)", r"\_", parts[place])
    return head + colon + "".join(parts) if colon else "".join(parts)
