"""What people would use instead, as texts for `python -c`: bare DuckDB, Polars (streaming) and pandas, each as its manual has it.

They read the files that finledger reads and come to the same groups, and no further: no prices, no checks, no ledger. pandas sums
quantities and costs as floats, since sums of its exact decimals take minutes; the others are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.allocate import PLAIN_SUMS
from finledger.core.usage import GROUP_KEYS

QUIET = "import duckdb; duckdb.execute('SET enable_progress_bar = false'); "
KEYS, SUMS = list(GROUP_KEYS), list(PLAIN_SUMS)
EXACT = ["gpu_hours", "egress_gb", "billed_cost", "effective_cost"]  # decimals among the sums
ROOT = ["root_team", "root_feature"]


def group(paths: Sequence[Path]) -> dict[str, str]:
    """The month's rows by the keys of a line, with their sums."""
    files = [str(path) for path in paths]
    return {
        "bare DuckDB": QUIET + f"duckdb.sql({_group_sql(_read(files), KEYS)!r}).fetchall()",
        "Polars": f"import polars as pl; pl.scan_parquet({files!r}).group_by({KEYS!r})"
        f".agg(pl.len(), pl.col({SUMS!r}).sum()).collect(engine='streaming').rows()",
        "pandas": f"import pandas as pd; found = pd.read_parquet({files!r}, columns={KEYS + SUMS!r})\n"
        f"for name in {EXACT!r}: found[name] = found[name].astype('float64')\n"
        f"grouped = found.groupby({KEYS!r}, dropna=False)\ngrouped.size(); grouped[{SUMS!r}].sum()",
    }


def traces(paths: Sequence[Path]) -> dict[str, str]:
    """The same by what the root of each row's trace says: a left join, so that orphans stay."""
    files, keys = [str(path) for path in paths], [*KEYS, *ROOT]
    rows = _read(files)
    joined = (
        f"(SELECT * FROM {rows} LEFT JOIN (SELECT trace_id, min(team) AS root_team, min(feature) AS root_feature FROM {rows} "
        "WHERE parent_span_id IS NULL GROUP BY trace_id) roots USING (trace_id))"
    )
    names = ["trace_id", "parent_span_id", *KEYS, *SUMS]
    return {
        "bare DuckDB": QUIET + f"duckdb.sql({_group_sql(joined, keys)!r}).fetchall()",
        "Polars": f"import polars as pl; rows = pl.scan_parquet({files!r})\n"
        "roots = rows.filter(pl.col('parent_span_id').is_null()).group_by('trace_id')"
        ".agg(root_team=pl.col('team').min(), root_feature=pl.col('feature').min())\n"
        f"rows.join(roots, on='trace_id', how='left').group_by({keys!r})"
        f".agg(pl.len(), pl.col({SUMS!r}).sum()).collect(engine='streaming').rows()",
        "pandas": f"import pandas as pd; rows = pd.read_parquet({files!r}, columns={names!r})\n"
        f"for name in {EXACT!r}: rows[name] = rows[name].astype('float64')\n"
        "roots = rows[rows.parent_span_id.isna()].groupby('trace_id')[['team', 'feature']].min()"
        f".set_axis({ROOT!r}, axis=1)\n"
        f"grouped = rows.join(roots, on='trace_id').groupby({keys!r}, dropna=False)\ngrouped.size(); grouped[{SUMS!r}].sum()",
    }


def load(export: Path, target: Path) -> dict[str, str]:
    """CSV into Parquet, types guessed, nothing validated, no ids compared."""
    copy = f"COPY (SELECT * FROM read_csv('{export}')) TO '{target}' (FORMAT parquet)"
    return {
        "bare DuckDB": QUIET + f"duckdb.execute({copy!r})",
        "Polars": f"import polars as pl; pl.scan_csv({str(export)!r}).sink_parquet({str(target)!r})",
        "pandas": f"import pandas as pd; pd.read_csv({str(export)!r}).to_parquet({str(target)!r})",
    }


def dedup(export: Path, stored: Path, target: Path) -> dict[str, str]:
    """The same, without the rows whose id is stored; their contents are not compared."""
    copy = (
        f"COPY (SELECT * FROM read_csv('{export}') ANTI JOIN (SELECT usage_id FROM '{stored}') USING (usage_id)) "
        f"TO '{target}' (FORMAT parquet)"
    )
    return {
        "bare DuckDB": QUIET + f"duckdb.execute({copy!r})",
        "Polars": f"import polars as pl; known = pl.scan_parquet({str(stored)!r}).select('usage_id')\n"
        f"pl.scan_csv({str(export)!r}).join(known, on='usage_id', how='anti').sink_parquet({str(target)!r})",
        "pandas": f"import pandas as pd; known = pd.read_parquet({str(stored)!r}, columns=['usage_id'])\n"
        f"rows = pd.read_csv({str(export)!r}); rows[~rows.usage_id.isin(known.usage_id)].to_parquet({str(target)!r})",
    }


def _group_sql(rows: str, keys: Sequence[str]) -> str:
    sums = ", ".join(["count(*)", *(f"sum({name})" for name in SUMS)])
    return f"SELECT {', '.join(keys)}, {sums} FROM {rows} GROUP BY ALL"


def _read(files: Sequence[str]) -> str:
    return f"read_parquet({list(files)!r})"
