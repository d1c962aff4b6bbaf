"""Where the lines of a month lead: the document that each stands on, and the exports that its usage is in (U11, L4)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace

from finledger.core.explain import RATED
from finledger.core.invoice import on_note
from finledger.core.label import own
from finledger.core.model import ChargeLine, LineKey, LoadedFile
from finledger.core.notes import about
from finledger.core.period import Month
from finledger.core.quality import PREMIUMS
from finledger.core.rate import Pricing, brought_by
from finledger.core.report_rows import Origin
from finledger.pipeline import query
from finledger.workbench import Workbench
from finledger.workbench.numbers import given_numbers
from finledger.workbench.sealed import as_of

FILE = "file_sha256"


class Origins:
    """The origins of a month's lines. `exports`: the files that the month's usage was loaded from, in that order."""

    def __init__(self, bench: Workbench, month: Month) -> None:
        self._month = month
        self._numbers = {(key.team, key.about): number for key, number in given_numbers(bench.ledger, month).items()}
        files = {file.sha256: file for file in bench.ledger.files()}
        here = {part.file_sha256 for part in bench.ledger.parts(month)}
        self.exports: tuple[LoadedFile, ...] = tuple(each for sha256, each in files.items() if sha256 in here)
        names = {file.name for file in self.exports}
        self._all = tuple(names) if len(names) == 1 else ()  # of one export is every line of usage
        self._files = _files_by_line(bench, month, files) if len(names) > 1 else {}

    def of(self, line: ChargeLine) -> Origin:
        key = line.key
        number = self._numbers.get((key.team, about(key) if on_note(line) else ""), "")
        document = number or f"{self._month}/{key.team}"
        usage = key._replace(kind="action") if key.kind in PREMIUMS else key
        files = self._all if self._all and usage.kind in RATED - {"seat"} else self._files.get(usage, ())
        if usage.service_month != self._month:
            files = ()  # late usage: `explain` names its exports
        return Origin(number, shlex.join(["finledger", "explain", document, line.line_id]), files)


def _files_by_line(bench: Workbench, month: Month, files: Mapping[str, LoadedFile]) -> Mapping[LineKey, tuple[str, ...]]:
    """The names of the exports behind each line of usage, by the very mapping that charges it."""
    close = bench.closed(month)
    inputs = (bench if close is None else as_of(bench, close, before=True)).month_inputs(month)
    asked = query(inputs)
    asked = replace(asked, labels=tuple(sorted({*asked.labels, FILE})), group_limit=asked.group_limit * len(files))
    groups = inputs.group(asked)
    if any(problem.is_error for problem in groups.problems):
        return {}
    pricing = Pricing(month, inputs.organisation, inputs.books, inputs.rates, allow_unpriced=True)
    found: dict[LineKey, set[str]] = {}
    for group in own(groups.rows, inputs.organisation, asked.intervals).rows:
        name = files[group.group.labels[FILE]].name
        for each in brought_by(group, pricing)[0]:
            found.setdefault(each.key, set()).add(name)
    return {key: tuple(sorted(names)) for key, names in found.items()}
