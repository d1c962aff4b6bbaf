"""A team's next stage written into finledger.yaml: one entry, and every other byte of the file as it was (rule A3)."""

from __future__ import annotations

from datetime import date
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def with_stage(text: str, team: str, stage: str, day: date) -> str:
    """The text with the team at `stage` from `day` on; as it was where that stands there, or there is no place for it.

    >>> print(with_stage("teams:\\n  a: {stage: showback}  # new\\n", "a", "allocation", date(2026, 7, 1)), end="")
    teams:
      a: {stage: [{stage: showback}, {stage: allocation, from: 2026-07-01}]}  # new
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    found = _child(_child(yaml.compose(body, Loader=_LOADER), "teams"), team)
    if not isinstance(found, yaml.MappingNode):
        return text
    entry = f"{{stage: {stage}, from: {day}}}"
    stages = _child(found, "stage")
    if stages is None:
        return mark + _with_key(body, found, f"stage: [{{stage: showback}}, {entry}]")
    if isinstance(stages, yaml.ScalarNode):
        return mark + _replaced(body, stages, f"[{{stage: {stages.value}}}, {entry}]")
    last = stages.value[-1]
    start, value = _child(last, "from"), _child(last, "stage")
    if start is not None and start.value == str(day):
        return mark + (_replaced(body, value, stage) if value is not None else body)
    if stages.flow_style:
        return mark + _inserted(body, _end(last), f", {entry}")
    return mark + _with_line(body, _line_end(body, _end(last)), f"{' ' * stages.start_mark.column}- {entry}")


def _child(node: Any, key: str) -> Any:
    """The value of a key in a mapping; None where there is none."""
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _end(node: Any) -> int:
    """Where what was written of the node ends: a block's own end mark lies behind the comments that follow it."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _with_key(body: str, team: Any, line: str) -> str:
    """A key more in the team's mapping, before its first."""
    if team.flow_style:
        return _inserted(body, team.start_mark.index + 1, f"{line}, " if team.value else line)
    first = team.value[0][0].start_mark
    begin = first.index - first.column
    return _inserted(body, begin, " " * first.column + line + _break(body, begin))


def _replaced(body: str, node: Any, words: str) -> str:
    return body[: node.start_mark.index] + words + body[node.end_mark.index :]


def _inserted(body: str, at: int, words: str) -> str:
    return body[:at] + words + body[at:]


def _line_end(body: str, at: int) -> int:
    """The end of the line, before its break."""
    end = body.find("\n", at)
    end = len(body) if end < 0 else end
    return end - 1 if body[at:end].endswith("\r") else end


def _with_line(body: str, at: int, line: str) -> str:
    return _inserted(body, at, _break(body, at) + line)


def _break(body: str, at: int) -> str:
    """The break of the lines around: a file keeps its own."""
    near = body.find("\n", at)
    near = body.rfind("\n") if near < 0 else near
    return "\r\n" if near > 0 and body[near - 1] == "\r" else "\n"
