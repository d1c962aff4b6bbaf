"""NVIDIA's DCGM exporter: how busy GPUs were, from Prometheus (a `query_range` answer, JSON) or scrapes with times (text).

A sample holds for one step from its time on: busy hours = share × step / 3600 s, to 18 places. The step is the commonest spacing of
the file's samples, to a tenth of a second; time without a sample is not busy. A percentage and a ratio are told apart by the
metric's name. Hours that are billed come from elsewhere: these rows have busy hours only. Where a GPU has both metrics at one
moment, the ratio (`DCGM_FI_PROF_GR_ENGINE_ACTIVE`) counts. An id is the GPU and its step, counted from 1970, so that the same
time is known in a later answer: begin queries at a multiple of the step.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb

from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read.columns import Field, Layout, literal
from finledger.read.documents import Places
from finledger.read.header import Header
from finledger.read.opened import Opened
from finledger.read.usage._declared import Reader, fixed, sql
from finledger.read.usage._samples import WRITTEN, labels_as_json, samples

_PERCENT, _RATIO = "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_PROF_GR_ENGINE_ACTIVE"
_REASON = f"is no share of a GPU's time: 0 to 100 of {_PERCENT}, or 0 to 1 of {_RATIO}, once a step"
_REMEDY = (
    "ask Prometheus for a range, and load its answer: /api/v1/query_range?query=DCGM_FI_DEV_GPU_UTIL&start=…&end=…&step=60"
)
# What a series says of whose time it is. Where Prometheus has labels of its own by these names, the exporter's are `exported_…`;
# without these, a pod may be that of the exporter, which uses no GPU.
_WORK = ("namespace", "pod", "container")
_OF_SCRAPING = (
    "__name__", "instance", "job", "endpoint", "service", "prometheus", "prometheus_replica", "replica", "exported_job",
    "exported_instance", "DCGM_FI_DRIVER_VERSION",
)  # fmt: skip
_COLUMNS = ("team", "cluster", "region", "modelName", "UUID", "GPU_I_ID", "GPU_I_PROFILE", "namespace", "exported_namespace")
_UNTAGGED = (*_OF_SCRAPING, *_COLUMNS, "exported_pod", "exported_container")


def _label(name: str) -> str:
    return f"nullif(json_extract_string(said, {literal('$.' + name)}), '')"


def _series_sql(path: str) -> str:
    """Each set of labels once, with what it says."""
    exported = f"coalesce({', '.join(_label('exported_' + name) for name in _WORK)}) IS NOT NULL"
    scraper = " OR ".join(f"contains(coalesce({_label(name)}, ''), 'dcgm-exporter')" for name in ("pod", "container"))
    work = [
        f"CASE WHEN {exported} THEN {_label('exported_' + name)} WHEN NOT ({scraper}) THEN {_label(name)} END AS {name}"
        for name in _WORK
    ]
    board = f"coalesce({_label('UUID')}, {_label('Hostname')} || ' ' || coalesce({_label('gpu')}, {_label('device')}))"
    pairs = "coalesce(TRY(map_entries(CAST(CAST(said AS JSON) AS MAP(VARCHAR, VARCHAR)))), [])"  # a name may stand twice
    skipped = ", ".join(literal(name) for name in (*_UNTAGGED, "pod", "container"))
    others = f"list_filter({pairs}, lambda each: coalesce(each.value, '') <> '' AND each.key NOT IN ({skipped}))"
    own = "list_filter(['pod=' || pod, 'container=' || container], lambda each: each IS NOT NULL)"
    return (
        f"SELECT *, CAST(to_json(list_sort(list_transform({others}, lambda each: each.key || '=' || each.value) || {own})) "
        "AS VARCHAR) AS tags FROM ("
        f"SELECT labels, said, {board} || coalesce(' ' || {_label('GPU_I_ID')}, '') AS gpu, {', '.join(work)}, "
        f"{_label('team')} AS team, {_label('cluster')} AS cluster, {_label('region')} AS region, {_label('UUID')} AS uuid, "
        f"{_label('modelName')} || coalesce(' ' || {_label('GPU_I_PROFILE')}, '') AS model "
        f"FROM (SELECT labels, {labels_as_json('labels')} AS said FROM "
        f"(SELECT DISTINCT labels FROM read_parquet({path}) WHERE labels IS NOT NULL)))"
    )


def _rows_sql(path: str, both: bool) -> str:
    """The samples in the order of the file, each with the samples of its GPU before and after it. Times in milliseconds."""
    whole = "CASE WHEN regexp_full_match(time, '[0-9]{12,13}') THEN CAST(time AS BIGINT) "
    seconds = "CAST(floor(TRY_CAST(time AS DECIMAL(20, 9)) * 1000) AS BIGINT)"
    moment = (
        f"{whole} WHEN regexp_full_match(time, '[0-9]{{9,10}}([.][0-9]*)?|[0-9][.]?[0-9]*[eE][+]?0?9') THEN {seconds} END"
    )
    read = f"SELECT record, labels, metric, time, value, {moment} AS ms FROM read_parquet({path})"
    joined = (
        f"SELECT s.* EXCLUDE (labels), l.* EXCLUDE (labels, said), l.said IS NULL AS unlabelled "
        f"FROM ({read}) s LEFT JOIN ({_series_sql(path)}) l USING (labels)"
    )
    if both:
        # one that measured nothing takes the place of no percentage
        ratio = f"bool_or(metric = '{_RATIO}' AND TRY_CAST(value AS DECIMAL(24, 21)) <= 1) OVER (PARTITION BY gpu, ms)"
        joined = (
            f"SELECT * EXCLUDE (ratio) FROM (SELECT *, {ratio} AS ratio FROM ({joined})) "
            f"WHERE metric IS DISTINCT FROM '{_PERCENT}' OR ms IS NULL OR gpu IS NULL OR NOT coalesce(ratio, false)"
        )
    work = "concat_ws(' ', namespace, pod, container)"
    near = ", ".join(
        f"{side}({what}) OVER near AS {side}_{name}"
        for side in ("lag", "lead")
        for what, name in (("ms", "ms"), (work, "work"))
    )
    return (
        f"SELECT * EXCLUDE (record), {work} AS work, {near} FROM ({joined}) "
        f"WINDOW near AS (PARTITION BY gpu ORDER BY ms, {work}, record) ORDER BY record"
    )


def table(opened: Opened, shown_as: str, connection: duckdb.DuckDBPyConnection, workspace: Path) -> Opened | Problem | None:
    """The samples as a table, if the text is an answer of Prometheus or holds scrapes."""
    if not opened.sha256:
        return None  # looked at while it is hashed: the table is made once, afterwards
    found = samples(opened, shown_as, connection, workspace, (_PERCENT, _RATIO))
    if not isinstance(found, Path):
        return found
    path, target = literal(str(found)), workspace / f"{opened.sha256[:16]}.dcgm.parquet"
    counted = connection.execute(
        f"SELECT count(*), count(time), count(DISTINCT metric) FILTER (metric IN ('{_PERCENT}', '{_RATIO}')) FROM read_parquet({path})"
    ).fetchone()
    rows, timed, metrics = counted or (0, 0, 0)
    if not rows:
        message = f"the file holds no sample of {_PERCENT} or {_RATIO}"
        return Problem("no-rows", message, SourceRef(shown_as), remedy=_REMEDY)
    if not timed:
        message = f"the samples say no time (samples: {rows:,}): how busy a GPU was at one moment is no hours"
        return Problem("samples-without-step", message, SourceRef(shown_as), remedy=_REMEDY)
    connection.execute(f"COPY ({_rows_sql(path, metrics == 2)}) TO {literal(str(target))} ({WRITTEN})")
    found.unlink()
    return replace(opened, path=target, unfolded=True)


class _Dcgm(Reader):
    """What a sample stands for depends on how far apart the file's samples are."""

    def layout(self, header: Header, shown_as: str, map_file: Path | None = None) -> Outcome[Layout | None]:
        found = Reader.layout(self, header, shown_as, map_file)
        if found.rows is None or "lag_ms" not in header.names:
            return found
        step = _step_of(header, shown_as)
        if isinstance(step, Problem):
            return Outcome(None, (step,))
        slot = f"ms // {step}"
        named = f"left(sha256(concat_ws(chr(31), 'dcgm', gpu, ({slot}) * {step})), 32)"
        fields = (
            # a sample that is refused for its time or GPU needs no id as well
            Field("usage_id", f"CASE WHEN gpu IS NOT NULL AND ms IS NOT NULL THEN {named} ELSE '-' END", "usage_id"),
            *found.rows.fields,
            Field("gpu_busy_hours", _busy(step), "value", reason=_REASON),
            Field("tag", "nullif(tags, '[]')", "labels"),
        )
        return Outcome(replace(found.rows, fields=fields, row_hash=""))


def _step_of(header: Header, shown_as: str) -> int | Problem:
    """The commonest spacing of a GPU's samples, in milliseconds, to a tenth of a second: scrapes are never quite on time."""
    tenths = "(ms - lag_ms + 50) // 100 * 100"
    gaps = f"(SELECT gpu, greatest({tenths}, least(ms - lag_ms, 100)) AS gap FROM {header.relation} WHERE ms > lag_ms)"
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '200MB'")  # beside the connection that reads
        found = connection.execute(f"SELECT gap FROM {gaps} GROUP BY gap ORDER BY count(*) DESC, gap LIMIT 1").fetchone()
        if found is None:
            message = "no GPU has samples of two times: how long one stands for, nobody can say"
            return Problem("samples-without-step", message, SourceRef(shown_as), remedy=_REMEDY)
        step = int(found[0])
        # always the same spacing, and another one: not gaps in samples of the file's step
        other = connection.execute(
            f"SELECT min(gap), gpu FROM {gaps} GROUP BY gpu HAVING count(*) >= 3 AND min(gap) = max(gap) AND min(gap) <> {step} "
            "ORDER BY gpu LIMIT 1"
        ).fetchone()
    if other is None:
        return step
    message = f"samples are {_seconds(step)} apart, but those of {other[1]} {_seconds(int(other[0]))}: a sample stands for one step"
    remedy = "ask for all GPUs with one step (query_range), or load them as files of their own"
    return Problem("samples-of-two-steps", message, SourceRef(shown_as), remedy=remedy)


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds // 1000} s" if milliseconds % 1000 == 0 else f"{milliseconds} ms"


def _busy(step: int) -> str:
    """SQL of the busy hours, in whole numbers all the way, to 18 places; of what is none, a text that says why."""
    share = "TRY_CAST(value AS DECIMAL(24, 21))"
    # units of 10^-21 × ms, over an hour's ms, for 18 places; half of the last place is rounded up
    hour = f"(CASE metric WHEN '{_PERCENT}' THEN {3_600_000 * 100_000} ELSE {3_600_000 * 1000} END)"
    units = f"((CAST(replace(CAST({share} AS VARCHAR), '.', '') AS HUGEINT) * {step} + {hour} // 2) // {hour})"
    digits = f"lpad(CAST({units} AS VARCHAR), 19, '0')"
    hours = f"left({digits}, length({digits}) - 18) || '.' || right({digits}, 18)"
    most = f"CASE metric WHEN '{_PERCENT}' THEN 100 ELSE 1 END"
    near = [f"({side}_ms // {step} = ms // {step} AND {side}_work <> work)" for side in ("lag", "lead")]
    cases = (
        ("metric IS NULL AND time IS NULL", "value || ' (no sample)'"),
        ("unlabelled", "value || ' of labels that cannot be read'"),
        ("metric IS NULL", "value || ' of a series without its name (__name__)'"),
        (f"metric NOT IN ('{_PERCENT}', '{_RATIO}')", "value || ' of ' || metric"),
        ("gpu IS NULL", "value || ' of no GPU: neither UUID, nor Hostname and gpu'"),
        (
            f"NOT regexp_full_match(value, '[0-9]+([.][0-9]*)?([eE][+-]?[0-9]+)?') OR {share} IS NULL",
            "value || ' of ' || metric",
        ),
        (f"{share} > {most}", "value || ' of ' || metric"),
        (" OR ".join(near), "value || ' beside that of another pod: each has the whole GPU'"),
        (f"lag_ms // {step} = ms // {step} AND lag_ms < ms", f"value || ' once more in the step of {_seconds(step)}'"),
    )
    return f"CASE {' '.join(f'WHEN {when} THEN {then}' for when, then in cases)} ELSE {hours} END"


READER = _Dcgm(
    title="NVIDIA DCGM exporter: GPU use from Prometheus (query_range JSON, scrapes as text)",
    grain="report",
    needs=("ms", "lag_ms", "value", "metric"),
    places=Places(()),
    columns={
        "ts": sql(
            "CASE WHEN {1} IS NULL THEN {0} ELSE strftime(make_timestamp(CAST({1} AS BIGINT) * 1000), '%Y-%m-%dT%H:%M:%S.%fZ') END",
            "time",
            "ms",
        ),
        "requests": fixed("0"),
        "team": "team",
        "gpu_sku": "model",
        "cluster": "cluster",
        "namespace": "namespace",
        "region": "region",
        "resource": "uuid",
        "sku": "model",
    },
    nulls=(),
    m5="No tokens and no hours that are billed: busy GPU hours only, share × step.",
)
