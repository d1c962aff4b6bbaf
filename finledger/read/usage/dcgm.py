"""NVIDIA's DCGM exporter: how busy GPUs were, from Prometheus or VictoriaMetrics (JSON), or scrapes and dumps with times (text).

A sample holds for one step from its time on: busy hours = share × step / 3600 s, to 18 places. The step is the commonest spacing of
the file's samples, to a tenth of a second; time without a sample is not busy. A percentage and a ratio are told apart by the
metric's name. Hours that are billed come from elsewhere: these rows have busy hours only. Where a GPU has both metrics at one
moment, the ratio (`DCGM_FI_PROF_GR_ENGINE_ACTIVE`) counts. An id is the GPU and its step, counted from 1970, so that the same
time is known in a later answer: begin queries at a multiple of the step.

Where pods share a GPU (time-slicing, MPS), the exporter says the GPU's value once for each of them: its busy hours count once, and are
split evenly, the last places going to the pods that come first (M3). The first of them has the GPU's own id, the others have one with
their name. Values that differ at one moment say nobody's share, and are refused.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb

from finledger.core.problem import Outcome, Problem, SourceRef
from finledger.read.columns import Field, Layout, is_control, literal, time_sql
from finledger.read.documents import Places
from finledger.read.header import Header
from finledger.read.opened import Opened
from finledger.read.usage._cut_samples import WRITTEN
from finledger.read.usage._declared import Column, Reader, fixed
from finledger.read.usage._samples import labels_as_json, samples

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
_FACTS = ("gpu", "namespace", "team", "cluster", "region", "uuid", "model", "tags")
_UNTAGGED = (*_OF_SCRAPING, *_COLUMNS, "exported_pod", "exported_container")
_SHARE = "TRY_CAST(value AS DECIMAL(24, 21))"
_HOURS = "left(digits, length(digits) - 18) || '.' || right(digits, 18)"
_DECIMAL = "TRY_CAST({text} AS DECIMAL(38, 18))"


def _label(name: str) -> str:
    return f"nullif(json_extract_string(said, {literal('$.' + name)}), '')"


def _known_sql() -> str:
    """Each series once: what its labels say, and the GPU and whose work it is as numbers, in the order of their texts."""
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
    tags = f"to_json(list_sort(list_transform({others}, lambda each: each.key || '=' || each.value) || {own}))"
    return (
        "SELECT *, CASE WHEN gpu IS NOT NULL THEN dense_rank() OVER (ORDER BY gpu) END AS board, "
        "dense_rank() OVER (ORDER BY concat_ws(' ', namespace, pod, container)) AS work, "
        "concat_ws(' ', namespace, pod, container) AS who, "
        f"nullif(CAST({tags} AS VARCHAR), '[]') AS tags FROM ("
        f"SELECT series, metric, said, {board} || coalesce(' ' || {_label('GPU_I_ID')}, '') AS gpu, {', '.join(work)}, "
        f"{_label('team')} AS team, {_label('cluster')} AS cluster, {_label('region')} AS region, {_label('UUID')} AS uuid, "
        f"{_label('modelName')} || coalesce(' ' || {_label('GPU_I_PROFILE')}, '') AS model "
        f"FROM (SELECT series, metric, {labels_as_json('labels')} AS said FROM series))"
    )


def _rows_sql(path: str, both: bool, shared: bool) -> str:
    """The samples in the order of the file, each with the samples of its GPU before and after it. Times in milliseconds.

    `shared`: pods have samples of one GPU at the same moment; then each says how many there are, and its place among them.
    """
    whole = "TRY_CAST(time AS BIGINT)"
    seconds = "CAST(floor(TRY_CAST(time AS DECIMAL(20, 9)) * 1000) AS BIGINT)"
    moment = (
        f"CASE WHEN regexp_full_match(time, '[0-9]{{12,13}}') THEN {whole} WHEN regexp_full_match(time, '[0-9]{{9,10}}') THEN "
        f"{whole} * 1000 WHEN regexp_full_match(time, '[0-9]{{9,10}}[.][0-9]*|[0-9][.]?[0-9]*[eE][+]?0?9') THEN {seconds} END"
    )
    read = f"SELECT file_row_number AS record, series, time, value, {moment} AS ms FROM read_parquet({path}, file_row_number = true)"
    joined = f"SELECT s.*, metric, board, work, who FROM ({read}) s LEFT JOIN known USING (series)"
    if both:
        # one that measured nothing takes the place of no percentage
        ratio = f"bool_or(metric = '{_RATIO}' AND {_SHARE} <= 1) OVER (PARTITION BY board, ms)"
        joined = (
            f"SELECT * EXCLUDE (ratio) FROM (SELECT *, {ratio} AS ratio FROM ({joined})) "
            f"WHERE metric IS DISTINCT FROM '{_PERCENT}' OR ms IS NULL OR board IS NULL OR NOT coalesce(ratio, false)"
        )
    near = ", ".join(
        f"{side}(ms) OVER near AS {side}_ms, {side}(work) OVER near <> work AS {side}_other" for side in ("lag", "lead")
    )
    pods, place = "CAST(NULL AS BIGINT)", "CAST(NULL AS BIGINT)"
    if shared:
        moment, counts = "PARTITION BY board, ms", f"(who <> '' AND {_SHARE} IS NOT NULL)"
        every = [f"{{0}}(CASE WHEN {counts} THEN {each} END) OVER ({moment})" for each in (_SHARE, "metric")]
        same = " AND ".join(f"{each.format('min')} = {each.format('max')}" for each in every)
        pods = f"CASE WHEN {counts} AND {same} THEN count(DISTINCT CASE WHEN {counts} THEN work END) OVER ({moment}) END"
        place = f"dense_rank() OVER ({moment} ORDER BY NOT {counts}, work) - 1"
    return (
        f"SELECT n.metric, time, value, ms, {', '.join(_FACTS)}, said IS NULL AS unlabelled, lag_ms, lag_other, lead_ms, lead_other, "
        "pods, place, who "
        f"FROM (SELECT record, series, metric, time, value, ms, {near}, {pods} AS pods, {place} AS place FROM ({joined}) "
        "WINDOW near AS (PARTITION BY board ORDER BY ms, work, record)) n LEFT JOIN known USING (series) ORDER BY record"
    )


def table(opened: Opened, shown_as: str, connection: duckdb.DuckDBPyConnection, workspace: Path) -> Opened | Problem | None:
    """The samples as a table, if the text is an answer of Prometheus or holds scrapes."""
    if not opened.sha256:
        return None  # looked at while it is hashed: the table is made once, afterwards
    found = samples(opened, shown_as, connection, workspace, (_PERCENT, _RATIO))
    if not isinstance(found, Path):
        return found
    path, target = literal(str(found)), workspace / f"{opened.sha256[:16]}.dcgm.parquet"
    rows, timed = connection.execute(f"SELECT count(*), count(time) FROM read_parquet({path})").fetchone() or (0, 0)
    if not rows:
        message = f"the file holds no sample of {_PERCENT} or {_RATIO}"
        return Problem("no-rows", message, SourceRef(shown_as), remedy=_REMEDY)
    if not timed:
        message = f"the samples say no time (samples: {rows:,}): how busy a GPU was at one moment is no hours"
        return Problem("samples-without-step", message, SourceRef(shown_as), remedy=_REMEDY)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE known AS {_known_sql()}")
    metrics = {metric for (metric,) in connection.execute("SELECT DISTINCT metric FROM known").fetchall()}
    both, written = metrics >= {_PERCENT, _RATIO}, literal(str(target))
    connection.execute(f"COPY ({_rows_sql(path, both, shared=False)}) TO {written} ({WRITTEN})")
    together = f"SELECT coalesce(bool_or(lag_ms = ms AND lag_other), false) FROM read_parquet({written})"
    if connection.execute(together).fetchone() == (True,):
        connection.execute(f"COPY ({_rows_sql(path, both, shared=True)}) TO {written} ({WRITTEN})")
    found.unlink()
    texts = f"concat({', '.join(_FACTS)})"
    said = f"SELECT coalesce(bool_or({is_control(texts)}), false) FROM known"
    (control,) = connection.execute(said).fetchone() or (True,)
    return replace(opened, path=target, unfolded=True, control=control, tabs=False)


class _Dcgm(Reader):
    """What a sample stands for depends on how far apart the file's samples are."""

    def layout(self, header: Header, shown_as: str, map_file: Path | None = None) -> Outcome[Layout | None]:
        found = Reader.layout(self, header, shown_as, map_file)
        if found.rows is None or "lag_ms" not in header.names:
            return found
        step = _step_of(header, shown_as)
        if isinstance(step, Problem):
            return Outcome(None, (step,))
        other = "CASE WHEN pods > 1 AND place > 0 THEN who END"
        named = f"left(sha256(concat_ws(chr(31), 'dcgm', gpu, (ms // {step}) * {step}, {other})), 32)"
        fields = (
            # a sample that is refused for its time or GPU needs no id as well
            Field("usage_id", f"CASE WHEN gpu IS NOT NULL AND ms IS NOT NULL THEN {named} ELSE '-' END", "usage_id"),
            *found.rows.fields,
            Field("gpu_busy_hours", f"coalesce(refused, {_HOURS})", "value", _DECIMAL, reason=_REASON),
            Field("tag", "tags", "labels"),
        )
        texts = {each.text: "" for each in fields if each.name != "ts"}  # none of them is a word that means empty
        bound = (*found.rows.bound, (("refused", _refused(step)), ("digits", _digits(step))))
        return Outcome(replace(found.rows, fields=fields, row_hash="", bound=bound, clean={**found.rows.clean, **texts}))


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


def _refused(step: int) -> str:
    """SQL: why a sample is none, as a text; NULL of a good one."""
    near = [
        f"({side}_ms // {step} = ms // {step} AND {side}_other AND NOT ({side}_ms = ms AND coalesce(pods, 0) > 0))"
        for side in ("lag", "lead")
    ]
    cases = (
        ("metric IS NULL AND time IS NULL", "value || ' (no sample)'"),
        ("unlabelled", "value || ' of labels that cannot be read'"),
        ("metric IS NULL", "value || ' of a series without its name (__name__)'"),
        (f"metric NOT IN ('{_PERCENT}', '{_RATIO}')", "value || ' of ' || metric"),
        ("gpu IS NULL", "value || ' of no GPU: neither UUID, nor Hostname and gpu'"),
        (
            f"NOT regexp_full_match(value, '[0-9]+([.][0-9]*)?([eE][+-]?[0-9]+)?') OR {_SHARE} IS NULL",
            "value || ' of ' || metric",
        ),
        (f"{_SHARE} > 100 OR ({_SHARE} > 1 AND metric = '{_RATIO}')", "value || ' of ' || metric"),
        (
            " OR ".join(near),
            "value || CASE WHEN who = '' THEN ' of nobody, beside that of a pod' ELSE ' beside another value of another pod: '"
            " || 'whose it is, nobody can say' END",
        ),
        (f"lag_ms // {step} = ms // {step} AND lag_ms < ms", f"value || ' once more in the step of {_seconds(step)}'"),
    )
    return f"CASE {' '.join(f'WHEN {when} THEN {then}' for when, then in cases)} END"


def _digits(step: int) -> str:
    """SQL of the busy hours in units of 10^-18, in whole numbers all the way, with at least 19 digits."""
    # units of 10^-21 × ms, over an hour's ms, for 18 places; half of the last place is rounded up
    units = f"CAST(replace(CAST({_SHARE} AS VARCHAR), '.', '') AS HUGEINT) * {step}"
    percent, ratio = (f"({units} + {hour // 2}) // {hour}" for hour in (3_600_000 * 100_000, 3_600_000 * 1000))
    whole = f"CASE metric WHEN '{_PERCENT}' THEN {percent} ELSE {ratio} END"
    split = f"CASE WHEN pods > 1 THEN ({whole}) // pods + CAST(place < ({whole}) % pods AS INTEGER) ELSE {whole} END"
    return f"lpad(CAST({split} AS VARCHAR), 19, '0')"


# A moment of the years 2000 to 2100 stays a number; any other is a text that is shown, and refused.
_IN_RANGE = "BETWEEN 946684800000 AND 4133980799999"
_WHOLE = "TRY_CAST({text} AS BIGINT)"
_TIME = Column(
    ("time", "ms"),
    f"CASE WHEN ms {_IN_RANGE} THEN CAST(ms AS VARCHAR) WHEN ms IS NULL THEN {{0}} "
    "ELSE strftime(make_timestamp(ms * 1000), '%Y-%m-%dT%H:%M:%S.%fZ') END",
    f"CASE WHEN CAST({_WHOLE} AS VARCHAR) = {{text}} AND {_WHOLE} {_IN_RANGE} THEN make_timestamp({_WHOLE} * 1000) "
    f"ELSE {time_sql('{text}')} END",
)

READER = _Dcgm(
    title="NVIDIA DCGM exporter: GPU use from Prometheus (query_range JSON, scrapes and dumps as text)",
    grain="report",
    needs=("ms", "lag_ms", "value", "metric"),
    places=Places(()),
    columns={
        "ts": _TIME,
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
    m5="No tokens and no hours that are billed: busy GPU hours only, share × step, split evenly among pods that share a GPU.",
)
