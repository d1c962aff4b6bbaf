"""Labels before they count: manifests and exports held against the organisation, and nothing of it kept (rules A1, A2, U7).

An export is read by the very steps of a load, into books that are thrown away; so whatever a load reads can be checked, and a row
is unallocated here exactly when it would be unallocated there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import localcontext
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from finledger.books.export_places import record_places
from finledger.core.label import own
from finledger.core.label_check import LACKING, Checked, CheckedExport, CheckedManifest, Unowned
from finledger.core.label_coverage import aspects, needs_feature
from finledger.core.label_policy import PodRule, faults, pod_rule, unfit_problems
from finledger.core.label_suggest import advise
from finledger.core.model import UNALLOCATED, EngineChoice, LoadedFile, OwnedGroup, UsageQuery
from finledger.core.money import EXACT, rounded_places
from finledger.core.period import Month
from finledger.core.problem import Misused, Problem, Refused, Severity, SourceRef
from finledger.engines import LOCAL, engine, first_rows
from finledger.pipeline import MonthInputs, query
from finledger.workbench import Workbench
from finledger.workbench.open_books import SETTINGS

if TYPE_CHECKING:
    from finledger.read.manifests import Manifests

STDIN = "-"
FIRST = 3  # rows that are named of each reason
_LARGEST = 64 << 20
_HEAD = 1 << 13
_EXPORTS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".gz", ".zst", ".zip")


@dataclass(frozen=True, slots=True)
class ReadAs:
    """How exports are to be read, as `load` is told."""

    format: str | None = None
    source: str | None = None
    column_map: Path | None = None
    encoding: str | None = None


def check(
    bench: Workbench,
    words: Sequence[Path],
    *,
    day: date,
    exempt: Sequence[str] = (),
    read_as: ReadAs | None = None,
    strict: bool = False,
    least: Fraction | None = None,
    stdin: Callable[[int], bytes] = lambda longest: b"",
) -> Checked:
    """Exports and manifests, whichever the words mean; `-` is a stream of manifests. Nothing is loaded and nothing written.

    An export's unallocated rows are warnings, or with `strict` errors; a manifest's faults are errors. With `least`, the share
    that must have an owner, all of them are warnings where it is reached. Raises Refused where something cannot be read.
    """
    manifests, exports = _sorted(bench, words, read_as or ReadAs())
    found = Checked(pod_rule(bench.organisation, day, exempt))
    for path in manifests:
        found.manifests.append(_manifest(bench, path, found.rule, stdin))
    if exports:
        found.exports = _exports(bench, exports, read_as or ReadAs())
    by_share: Severity | None = None if least is None else "warning"
    if manifests:
        found.problems += unfit_problems(found.rule)
    for manifest in found.manifests:
        found.problems += (_as(problem, by_share) for problem in manifest.problems)
    of_rows: Severity = "error" if strict and least is None else "warning"
    for export in found.exports:
        found.problems += (_unowned(each, export, of_rows) for each in export.unowned)
    if least is not None and found.share is not None and found.share < least:
        found.problems.append(_too_low(found.share, least))
    return found


def _as(problem: Problem, severity: Severity | None) -> Problem:
    """A label's fault by the share that was asked for; what cannot be read stays an error."""
    return replace(problem, severity=severity) if severity is not None and problem.code.startswith("label-") else problem


# ── which is which ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _sorted(bench: Workbench, words: Sequence[Path], read_as: ReadAs) -> tuple[list[Path], list[Path]]:
    """The manifests and the exports. In a folder that holds manifests, only what is surely an export is one."""
    from finledger.read.manifests import looks_like_manifest

    forced = read_as.format is not None or read_as.column_map is not None
    manifests: list[Path] = []
    others: list[Path] = []
    for word in words:
        if str(word) == STDIN:
            manifests.append(word)
        elif word.is_dir() and not forced:
            files = sorted(path for path in word.rglob("*") if path.is_file() and not _hidden(path, word))
            found = [path for path in files if looks_like_manifest(path.name, _head(path))]
            manifests += found
            others += [path for path in files if path.name.lower().endswith(_EXPORTS)] if found else [word]
        elif word.is_file() and not forced and looks_like_manifest(word.name, _head(word)):
            manifests.append(word)
        else:
            others.append(word)
    if not others:
        return manifests, []
    chosen = bench.chosen(others)
    if chosen.nothing:
        raise Misused("; ".join(chosen.nothing))
    if chosen.errors:
        raise Refused(chosen.problems)
    return manifests, list(chosen.exports)


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _head(path: Path) -> bytes:
    if path.suffix.lower() != ".json":
        return b""
    with path.open("rb") as stream:
        return stream.read(_HEAD)


# ── manifests ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _manifest(bench: Workbench, path: Path, rule: PodRule, stdin: Callable[[int], bytes]) -> CheckedManifest:
    from finledger.read.manifests import read_manifests

    shown = "(standard input)" if str(path) == STDIN else bench.shown(path)
    large = str(path) != STDIN and path.stat().st_size > _LARGEST
    content = b"" if large else stdin(_LARGEST + 1) if str(path) == STDIN else path.read_bytes()
    if large or len(content) > _LARGEST:
        raise Refused([_too_large(shown)])
    read: Manifests = read_manifests(content, shown)
    made = CheckedManifest(read.shown_as, read.documents, read.objects, len(read.workloads), 0, 0, list(read.problems))
    for workload in read.workloads:
        wrong = faults(workload, rule)
        made.problems += wrong
        made.exempt += workload.namespace in rule.exempt
        made.labelled += not wrong and workload.namespace not in rule.exempt
    made.problems.sort(key=lambda problem: problem.source.line or 0 if problem.source is not None else 0)
    return made


def _too_large(shown: str) -> Problem:
    message = f"a manifest of more than {_LARGEST >> 20} MiB"
    return Problem("manifest-large", message, SourceRef(shown), remedy="split it, or name the exports alone")


# ── exports ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Trial(Workbench):
    """Books that are thrown away: the organisation, the names of files and of sources are those of the real ones."""

    def __init__(self, root: Path, real: Workbench) -> None:
        (root / SETTINGS).write_text("", encoding="utf-8")
        super().__init__(root)
        self._real = real
        self.__dict__["organisation"] = replace(real.organisation, store="", engine=EngineChoice())

    def shown(self, path: Path) -> str:
        return self._real.shown(path)

    def _source_of(self, path: Path) -> str | None:
        return self._real._source_of(path)


def _exports(bench: Workbench, paths: Sequence[Path], read_as: ReadAs) -> list[CheckedExport]:
    with tempfile.TemporaryDirectory(prefix="finledger-check-") as folder:
        trial = _Trial(Path(folder), bench)
        loaded = trial.load(
            paths,
            format=read_as.format,
            source=read_as.source,
            column_map=read_as.column_map,
            encoding=read_as.encoding,
        )
        problems = [problem for each in loaded for problem in each.problems if problem.is_error]
        if problems:
            raise Refused(problems)
        every = zip(loaded, paths, strict=True)
        return [_export(bench, trial, each.file, path) for each, path in every if not each.known]


@dataclass(frozen=True, slots=True)
class _Part:
    """A month's rows of one export, with their owners; `elsewhere`: where the roots of its traces may lie."""

    paths: Sequence[Path]
    asked: UsageQuery
    owned: Sequence[OwnedGroup]
    elsewhere: Sequence[Path]


def _export(bench: Workbench, trial: Workbench, file: LoadedFile, path: Path) -> CheckedExport:
    made = CheckedExport(file)
    unowned: dict[str, Unowned] = {}
    for month in sorted({part.month for part in trial.ledger.parts() if part.month and part.file_sha256 == file.sha256}):
        with localcontext(EXACT):
            part = _part(bench, trial, file, month, made)
        _count(bench, part, made, unowned)
        for reason, each in unowned.items():
            _name_first(part, reason, each, file, path)
    made.unowned = sorted(unowned.values(), key=lambda each: (-each.rows, each.reason))
    return made


def _part(bench: Workbench, trial: Workbench, file: LoadedFile, month: Month, made: CheckedExport) -> _Part:
    parts = trial.ledger.parts(month)
    paths = trial.store.paths(part for part in parts if part.file_sha256 == file.sha256)
    others = trial.store.paths(part for part in trial.ledger.parts() if part.file_sha256 != file.sha256)
    loaded = [part for each in (month, month.before) for part in bench.ledger.parts(each)]
    elsewhere = [*others, *bench.store.paths(loaded)]
    organisation = bench.organisation
    group = partial(engine(LOCAL).group, paths, elsewhere=elsewhere)
    asked = query(MonthInputs(month, organisation, (), group, rates=bench.rates))
    groups = group(asked)
    owned = own(groups.rows, organisation, asked.intervals)
    problems = [problem for problem in (*groups.problems, *owned.problems) if problem.is_error]
    if problems:
        raise Refused(problems)
    for each in groups.rows:
        if organisation.role(each.keys["source"]) == "reconcile":
            made.compared += int(each.sums["rows"])
    return _Part(paths, asked, owned.rows, elsewhere)


def _count(bench: Workbench, part: _Part, made: CheckedExport, unowned: dict[str, Unowned]) -> None:
    advised = advise(part.owned, bench.organisation)
    for owned, advice in zip(part.owned, advised, strict=True):
        rows = int(owned.group.sums["rows"])
        made.rows += rows
        has = {*aspects(owned), *(["model"] if owned.model or owned.group.keys["gpu_sku"] else [])}
        wanted = LACKING if needs_feature(owned, bench.organisation) else LACKING[:-1]
        for name in wanted:
            made.lacking[name] += 0 if name in has else rows
        if owned.team == UNALLOCATED:
            each = unowned.setdefault(owned.reason, Unowned(owned.reason))
            each.rows += rows
            if advice is not None and not each.remedy:
                each.remedy = f"for instance, under {advice.under} in finledger.yaml:\n{advice.text}"


def _name_first(part: _Part, reason: str, each: Unowned, file: LoadedFile, path: Path) -> None:
    groups = [owned.group for owned in part.owned if owned.team == UNALLOCATED and owned.reason == reason]
    rows = first_rows(part.paths, part.asked, groups, FIRST - len(each.first), part.elsewhere)
    records = [record for _, record, _ in rows]
    places = record_places(path, records)
    for record in records:
        line, excerpt = places.get(record, (None, ""))
        name = file.name if line else f"{file.name} record {record}"
        each.first.append((SourceRef(name, line), excerpt))


_SAID = {
    "no team": "say no team",
    "unknown team": "name a team that the organisation does not know on their day",
    "another team's cost centre": "name a cost centre that is not their team's on their day",
    "no root of its trace": "are of traces whose root is not there",
    "roots of its trace differ": "are of traces with several roots that differ",
}


def _unowned(each: Unowned, export: CheckedExport, severity: Severity) -> Problem:
    percent = Fraction(100 * each.rows, export.rows)
    said = _SAID.get(each.reason, each.reason)
    more = ", ".join(str(place) for place, _ in each.first[1:])
    message = f"{each.rows:,} of {export.rows:,} rows ({_percent(percent)}) {said}" + (f"; also {more}" if more else "")
    place, excerpt = each.first[0] if each.first else (SourceRef(export.file.name), "")
    remedy = each.remedy or "give them an owner in the export, or by a rule in finledger.yaml"
    return Problem("rows-unallocated", message, place, excerpt.strip("\r\n")[:160], remedy, severity)


def _percent(percent: Fraction) -> str:
    return f"{rounded_places(percent, 2)} %"


def _too_low(share: Fraction, least: Fraction) -> Problem:
    message = f"{_percent(100 * share)} of what was looked at has an owner, which is below {_percent(100 * least)}"
    return Problem("coverage-low", message, SourceRef("(all of it)"), remedy="label what is named above, or ask for less")


def policy(
    bench: Workbench, engine_name: str, *, action: str, day: date, exempt: Iterable[str] = (), version: str = ""
) -> tuple[bytes, tuple[Problem, ...], PodRule]:
    """An admission policy as YAML, by the organisation of a day; what cannot be said in it as warnings (U7)."""
    from finledger.write.label_policy import Terms, render

    rule = pod_rule(bench.organisation, day, tuple(exempt))
    if not rule.owners:
        message = f"no team can be named by a label on {day}: nothing would be admitted"
        remedy = "give a team and its cost centre names of letters, digits, - _ . only"
        raise Refused([*unfit_problems(rule), Problem("policy-nobody", message, SourceRef(SETTINGS), remedy=remedy)])
    terms = Terms("audit" if action == "audit" else "enforce", bench.organisation.books)
    return render(engine_name, rule, terms, version), unfit_problems(rule), rule
