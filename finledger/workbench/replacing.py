"""A later export of the same report in the place of an earlier one: `finledger load NEW --replaces OLD` (rules C1, X4).

The earlier file's rows count no more, the later one's do, in one change. Files that are named and were loaded before are read
once more, so that rows that they were left without, because the earlier file had them, are theirs. So is a file that is loaded
again, later, when it may lack such rows.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from finledger.books.events import in_force
from finledger.books.export_places import content_digest
from finledger.books.replaced import Replacement, replace_content
from finledger.books.store import Published
from finledger.books.transaction import Transaction
from finledger.core.model import LoadedFile, Part
from finledger.core.period import Month
from finledger.core.problem import Misused, Problem, Refused, SourceRef

if TYPE_CHECKING:
    from finledger.workbench.loading import Loading

SHORTEST = 8  # of a hash that names a file


@dataclass(frozen=True, slots=True)
class Replacing:
    """`old`: the files that are replaced; `parts`: all that counts no more; `again`: hashes of known files read once more."""

    old: tuple[LoadedFile, ...] = ()
    parts: tuple[Part, ...] = ()
    again: frozenset[str] = frozenset()

    def reads(self, sha256: str) -> bool:
        """Whether a file that is loaded already is read once more when it is named."""
        return bool(self.old) or sha256 in self.again

    def kept(self, stored: Iterable[Part]) -> tuple[Part, ...]:
        """The parts that stay."""
        gone = {part.path for part in self.parts}
        return tuple(part for part in stored if part.path not in gone)


def replacing(bench: Loading, named: Sequence[str], files: Sequence[Path], stored: Sequence[Part]) -> Replacing:
    """What the command replaces. `Refused` with all that speaks against it: then nothing is read."""
    if not named:
        return _lacking(bench, files, stored)
    if not files:
        raise Misused("--replaces says what the files that are named take the place of: name them too")
    known = {file.sha256: file for file in bench.ledger.files()}
    gone = bench.ledger.replaced().files
    new = {content_digest(path) or "": bench.shown(path) for path in files}
    problems: list[Problem] = []
    old: dict[str, LoadedFile] = {}
    for word in named:
        found = _named(bench, word, [file for sha256, file in known.items() if sha256 not in gone])
        if isinstance(found, Problem):
            problems.append(found)
        elif found.sha256 in new:
            problems.append(_itself(found, new[found.sha256]))
        else:
            old[found.sha256] = found
    again = frozenset(new.keys() & known.keys())
    parts = tuple(part for part in stored if part.file_sha256 in {*old, *again})
    problems += _of_closed_months(bench, parts, known)
    if problems:
        raise Refused(problems)
    return Replacing(tuple(old.values()), parts, again)


def _lacking(bench: Loading, files: Sequence[Path], stored: Sequence[Part]) -> Replacing:
    """The files that are read again because a replacement took rows away that they had, too; none of a closed month."""
    lacking = bench.ledger.replaced().lacking
    if not lacking:
        return Replacing()
    again = lacking & {content_digest(path) for path in files}
    parts = tuple(part for part in stored if part.file_sha256 in again)
    known = {file.sha256: file for file in bench.ledger.files()}
    return Replacing() if any(_of_closed_months(bench, parts, known)) else Replacing((), parts, frozenset(again))


def _named(bench: Loading, word: str, standing: Sequence[LoadedFile]) -> LoadedFile | Problem:
    shown = bench.shown(Path(word))
    by_name = [file for file in standing if file.name in (word, shown)]
    by_hash = [file for file in standing if len(word) >= SHORTEST and file.sha256.startswith(word.casefold())]
    found = by_name or by_hash
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{file.sha256[:12]} ({file.name}, {file.read:,} records)" for file in found)
        return Problem(
            "replaced-not-clear",
            f"{word} names several files that are loaded: {listed}",
            SourceRef(found[0].name),
            remedy=f"name one of them by the beginning of its SHA-256: --replaces {found[-1].sha256[:12]}",
        )
    names = sorted({file.name for file in standing})
    close = [name for name in names if word in name] or get_close_matches(word, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return Problem(
        "replaced-not-loaded",
        f"no file that is loaded is called {word}, and no SHA-256 of one begins so",
        SourceRef(shown),
        remedy=f"{hint}loaded are: {listed or 'none'}; without --replaces the new file is loaded beside them",
    )


def _itself(old: LoadedFile, shown: str) -> Problem:
    return Problem(
        "replaces-itself",
        f"{shown} has the same content as {old.name}, which it is to replace",
        SourceRef(shown),
        remedy="name the later export before --replaces, and the earlier one after it",
    )


def _of_closed_months(bench: Loading, parts: Iterable[Part], known: Mapping[str, LoadedFile]) -> Iterator[Problem]:
    """A problem for each file with rows of closed months, or of months whose late usage was posted by these."""
    closed = {Month.parse(period) for period in in_force(bench.ledger.events()) if "Q" not in period}
    if not closed:
        return
    months: dict[str, list[Month]] = {}
    for part in parts:
        if part.month is not None and (part.month in closed or part.month < min(closed)):
            months.setdefault(part.file_sha256, []).append(part.month)
    for sha256, found in months.items():
        listed = " and ".join(str(month) for month in sorted(set(found)))
        first = max(set(found) & closed, default=min(closed))
        yield Problem(
            "replaces-closed-month",
            f"{known[sha256].name} has usage of {listed}, which is closed: what was charged of it stays as it is",
            SourceRef(known[sha256].name),
            remedy="load what the new export has more as rows of their own, which are posted as corrections in the open month; or "
            f"open the month again with `finledger reopen --month {first}`",
        )


def replaced_file(file: LoadedFile, by: Replacement, shown: str) -> Problem:
    """A file that a later one took the place of, and that is to be loaded again."""
    names = " and ".join(name for _, name in by.newer) or "a later export"
    newest = by.newer[0][0][:12] if by.newer else ""
    return Problem(
        "replaced-file",
        f"{shown} was loaded before, as {file.name}, and replaced by {names} (event {by.number} of the log)",
        SourceRef(shown),
        remedy=f"leave it out; to go back to it: finledger load {shlex.quote(shown)} --replaces {newest}",
    )


def record(ledger: Transaction, bench: Loading, what: Replacing, published: Published, lacking: Collection[str]) -> None:
    """Write down that the files took the place of the old ones, or their own; nothing where there is no such thing."""
    if not what.old and not what.again:
        return
    new = [file for file, _ in published.files if what.old or file.sha256 in what.again]
    named = [(file.sha256, file.name) for file in new]
    now = [part for _, parts in published.files for part in parts]
    again = [file for file, _ in published.files if file.sha256 in what.again]
    content = replace_content(what.old, named, what.parts, now, again, bench.ledger.replaced(), lacking)
    ledger.add_event("replace", "", ", ".join(file.name for file in what.old or again), content)


def left_out(
    bench: Loading, what: Replacing, published: Published, kept: Collection[Part], workspace: Path
) -> tuple[tuple[Problem, ...], tuple[str, ...]]:
    """What the old files had and no file has now: rows whose ids are nowhere; and the hashes of files that may have them."""
    old = [part for part in what.parts if not part.rejected]
    others = [part for part in (*(part for _, parts in published.files for part in parts), *kept) if not part.rejected]
    count, tokens, first = bench.store.left_out(old, others, workspace)
    if not count:
        return (), ()
    files = bench.ledger.files()
    names = {file.sha256: file.name for file in files}
    replaced_files = what.old or [file for file in files if file.sha256 in what.again]
    listed = "\n".join(
        f"{usage_id!r}: {names.get(sha256, sha256[:12])} record {record:,}" for usage_id, sha256, record in first
    )
    gone = {file.sha256 for file in what.old} | what.again | bench.ledger.replaced().files.keys()
    others_with = [file for file in files if file.duplicate and file.sha256 not in gone]
    remedy = "nothing to do where the report was corrected"
    if others_with:
        named = ", ".join(file.name for file in others_with)
        remedy += f"; {named} left rows out that were known: where these are among them, load {_it(len(others_with))} again"
    problem = Problem(
        "rows-withdrawn",
        f"{' and '.join(file.name for file in replaced_files)} had rows that no file has now (rows: {count:,}, tokens: {tokens:,}): "
        f"they are no longer charged\n{listed}",
        SourceRef(replaced_files[0].name),
        remedy=remedy,
        severity="warning" if others_with else "notice",
    )
    return (problem,), tuple(file.sha256 for file in others_with)


def _it(count: int) -> str:
    return "it" if count == 1 else "them"
