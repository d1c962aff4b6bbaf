"""From an export to a staged file: what is refused as a whole, what is refused by row, and that every record is counted."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard

from finledger.core.model import StagedFile
from finledger.core.period import Month
from finledger.read.stage import content_hash, stage

HEAD = "usage_id,ts,team,requests,input_tokens,gpu_sku,gpu_hours,billed_cost,billed_currency\n"
GOOD = "a,2026-07-01T00:00:00Z,search,1,5,,,,\n"


def staged(folder: Path, content: str | bytes, name: str = "usage.csv", **options: Any) -> StagedFile:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return stage(path, shown_as=name, workspace=folder / "work", **options)


def rejects(file: StagedFile) -> list[tuple[Any, ...]]:
    if not file.rejects:
        return []
    query = f"SELECT record, line, \"column\", value, reason, month FROM read_parquet('{file.rejects}') ORDER BY 1, 3"
    return duckdb.sql(query).fetchall()


def accepted(file: StagedFile, column: str) -> list[Any]:
    return [
        row[0] for row in duckdb.sql(f"SELECT {column} FROM read_parquet('{file.rows}') WHERE faults IS NULL").fetchall()
    ]


def problems(file: StagedFile) -> list[tuple[str, str]]:
    return [(problem.code, str(problem.source)) for problem in file.problems]


# ── one value ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["5", "5.0", "5e0", "+5", " 5", "50e-1", "05"])
def test_count__whole_numbers_however_written(text: str, tmp_path: Path) -> None:
    file = staged(tmp_path, HEAD + f"a,2026-07-01T00:00:00Z,search,{text},,,,,\n")
    assert accepted(file, "requests") == [5]


@pytest.mark.parametrize(
    "text", ["1.5", "-1", "1_000", " 5x", "NaN", "inf", "1e400", "0x10", "9223372036854775808", "NULL", "1e-1", "-0.5", "٣"]
)
def test_count__anything_else_is_refused_with_its_text(text: str, tmp_path: Path) -> None:
    file = staged(tmp_path, HEAD + GOOD + f"b,2026-07-01T00:00:00Z,search,{text},,,,,\n")
    reason = "is not a whole number of 0 or more"
    assert rejects(file) == [(2, 3, "requests", text, reason, "2026-07")]
    assert (file.read, file.rejected, file.problems) == (2, 1, ())


@pytest.mark.parametrize(
    "text, value",
    [
        ("0.000000000000000001", "1e-18"), ("1E-18", "1e-18"), ("1000e-20", "1e-17"), ("-2.5", "-2.5"), (".5", "0.5"),
        ("1.6800000000000000000000", "1.68"), ("0E-30", "0"), ("1.50e3", "1500"),
        ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
        ("0.1234567890123456", "0.1234567890123456"),
        ("2.3999999999999998e-05", "0.000024"), ("0.000021428571428571428", "0.000021428571428571"),
    ],
)  # fmt: skip
def test_cost__exact_to_eighteen_places(text: str, value: str, tmp_path: Path) -> None:
    file = staged(tmp_path, HEAD + f"a,2026-07-01T00:00:00Z,search,,,,,{text},USD\n")
    assert accepted(file, "billed_cost") == [Decimal(value)]


@pytest.mark.parametrize(
    "text",
    [
        "0.0000000000000000001",
        "1e-19",
        "1.5e-18",
        "123456789012345678901",
        "1e20",
        "12,5",
        "1.2.3",
        "$1",
        "0.1234567890123456789",
    ],
)
def test_cost__a_digit_that_would_be_lost_is_refused(text: str, tmp_path: Path) -> None:
    file = staged(tmp_path, HEAD + GOOD + f'b,2026-07-01T00:00:00Z,search,,,,,"{text}",USD\n')
    assert [(row[0], row[2], row[3]) for row in rejects(file)] == [(2, "billed_cost", text)]


@pytest.mark.parametrize(
    "text, utc",
    [
        ("2026-07-01T00:00:00Z", "2026-07-01 00:00:00"),
        ("2026-07-01t00:00:00z", "2026-07-01 00:00:00"),
        ("2026-07-01 00:00:00", "2026-06-30 22:00:00"),
        ("2026-07-01T00:00:00+05:30", "2026-06-30 18:30:00"),
        ("2026-07-01T00:00:00.123456789Z", "2026-07-01 00:00:00.123456"),
        ("2026-07-01 00:00:00.9999999+00", "2026-07-01 00:00:00.999999"),
        ("2026-12-01T00:00:00", "2026-11-30 23:00:00"),
    ],
)
def test_time__offset_zone_and_fraction(text: str, utc: str, tmp_path: Path) -> None:
    """Without an offset the books' zone holds: Berlin is two hours ahead in July, one in December."""
    file = staged(tmp_path, HEAD + f"a,{text},search,,,,,,\n", timezone="Europe/Berlin")
    assert accepted(file, "ts::VARCHAR") == [utc]


@pytest.mark.parametrize(
    "text", ["2026-07-01", "2026-06-31T00:00:00Z", "1999-12-31T23:59:59Z", "2101-01-01T00:00:00Z", "1.7.26"]
)
def test_time__what_is_no_time_is_refused(text: str, tmp_path: Path) -> None:
    file = staged(tmp_path, HEAD + GOOD + f"b,{text},search,,,,,,\n")
    assert [(row[2], row[3], row[5]) for row in rejects(file)] == [("ts", text, None)]


# ── one row ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "row, column, reason",
    [
        (",2026-07-01T00:00:00Z,search,,,,,,", "usage_id", "is missing"),
        ("  ,2026-07-01T00:00:00Z,search,,,,,,", "usage_id", "is missing"),
        ("b,,search,,,,,,", "ts", "is missing"),
        ("b,2026-07-01T00:00:00Z,search,,,,2,,", "gpu_hours", "has no gpu_sku"),
        ("b,2026-07-01T00:00:00Z,search,,,,,2,", "billed_cost", "has no currency"),
        ("b,2026-07-01T00:00:00Z,search,,,,,2,XXX", "billed_currency", "is not an ISO 4217 currency"),
        ("b,2026-07-01T00:00:00Z,sea\trch,,,,,,", "team", "holds a control character"),
        ("b,2026-07-01T00:00:00Z,sea\x85rch,,,,,,", "team", "holds a control character"),
    ],
)
def test_row__refused_with_column_and_reason(row: str, column: str, reason: str, tmp_path: Path) -> None:
    file = staged(tmp_path, HEAD + GOOD + row + "\n")
    assert [(found[0], found[1], found[2], found[4]) for found in rejects(file)] == [(2, 3, column, reason)]


def test_row__every_fault_of_it_is_named(tmp_path: Path) -> None:
    file = staged(tmp_path, HEAD + GOOD + "b,yesterday,search,1.5,-2,,,,\n")
    assert [found[2] for found in rejects(file)] == ["input_tokens", "requests", "ts"]
    assert file.rejected == 1


def test_row__reasoning_within_output_and_known_workloads(tmp_path: Path) -> None:
    head = "usage_id,ts,workload_type,output_tokens,reasoning_tokens\n"
    rows = "a,2026-07-01T00:00:00Z,inference,10,10\nb,2026-07-01T00:00:00Z,,10,11\nc,2026-07-01T00:00:00Z,Inference,1,1\n"
    file = staged(tmp_path, head + rows)
    assert [(found[0], found[2]) for found in rejects(file)] == [(2, "reasoning_tokens"), (3, "workload_type")]


def test_row__of_another_month_than_expected_is_held(tmp_path: Path) -> None:
    """Midnight in Berlin is 22:00 UTC: the first row is July's there, the second is June's."""
    rows = "a,2026-06-30T22:00:00Z,s,,,,,,\nb,2026-06-30T21:59:59Z,s,,,,,,\n"
    file = staged(tmp_path, HEAD + rows, timezone="Europe/Berlin", month=Month(2026, 7))
    (held,) = rejects(file)
    assert held[0] == 2 and "2026-07: held for review" in held[4] and held[5] == "2026-06"


def test_order__a_record_is_the_row_of_its_line_in_a_file_of_many_buffers(tmp_path: Path) -> None:
    """Rows that DuckDB's threads finish out of turn would be explained by other people's lines."""
    count = 200_000
    head = "BilledCost,EffectiveCost,BillingCurrency,ChargePeriodStart,ChargeCategory,ResourceId,ServiceName,Tags\n"
    row = '1.{0:06d},1,USD,2026-07-01T00:00:00Z,Usage,r-{0},svc,"{{""a"":""{0}""}}"\n'
    file = staged(tmp_path, head + "".join(row.format(number) for number in range(count)), "focus.csv")
    counted = duckdb.sql(
        f"SELECT count(*) FROM read_parquet('{file.rows}', file_row_number = true) WHERE resource = 'r-' || file_row_number"
    ).fetchall()
    assert counted == [(count,)]


@pytest.mark.parametrize(
    ("column", "refused"),
    [
        ("ResourceType", []),  # no column of ours is made of it
        ("ServiceName", [(2, 3, "ServiceName", "a\nb", "holds a control character", "2026-07")]),
        ("Tags", []),  # kept as JSON, which writes it as two characters
    ],
)
def test_line_end_in_a_value__matters_where_the_column_is_read(
    column: str, refused: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    head = ["BilledCost", "EffectiveCost", "BillingCurrency", "ChargePeriodStart", "ChargeCategory", "ResourceType"]
    head += ["ServiceName", "Tags"]
    row = dict.fromkeys(head, "") | {"ChargePeriodStart": "2026-07-01T00:00:00Z", "ChargeCategory": "Usage"}
    row |= {"BilledCost": "1.5", "EffectiveCost": "1.5", "BillingCurrency": "USD"}
    rows = [row, row | {column: "a\nb", "BilledCost": "2.5"}, row | {"BilledCost": "3.5"}]
    lines = ["".join([",".join(f'"{each[name]}"' for name in head), "\n"]) for each in rows]
    file = staged(tmp_path, ",".join(head) + "\n" + "".join(lines))
    assert rejects(file) == refused
    kept = ["1.5", "3.5"] if refused else ["1.5", "2.5", "3.5"]
    assert accepted(file, "billed_cost") == [Decimal(each) for each in kept]


# ── one file ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "content, name, expected",
    [
        ("", "usage.csv", [("empty-file", "usage.csv")]),
        (HEAD, "usage.csv", [("no-rows", "usage.csv")]),
        (gzip.compress(b"", mtime=0), "usage.csv.gz", [("empty-file", "usage.csv.gz")]),
        (gzip.compress((HEAD + GOOD * 50).encode(), mtime=0)[:-20], "usage.csv.gz", [("truncated-file", "usage.csv.gz")]),
        (zstandard.compress((HEAD + GOOD * 50).encode())[:-20], "usage.csv.zst", [("truncated-file", "usage.csv.zst")]),
        (b"no gzip at all", "usage.csv.gz", [("truncated-file", "usage.csv.gz")]),
        ((HEAD + GOOD).encode() + b"b,2026-07-01T00:00:00Z,caf\xe9,,,,,,\n", "usage.csv", [("not-utf8", "usage.csv:3")]),
        ("usage_id,ts,team,team\n", "usage.csv", [("duplicate-header", "usage.csv:1")]),
        ("usage_id,ts,teem\na,2026-07-01T00:00:00Z,s\n", "usage.csv", [("unknown-column", "usage.csv:1")]),
        ("id,when\n1,2\n", "usage.csv", [("unknown-format", "usage.csv:1")]),
        (HEAD + "a,never,s,,,,,,\n", "usage.csv", [("all-rows-rejected", "usage.csv:2")]),
        (HEAD + GOOD + 'b,2026-07-01T00:00:00Z,"s,,,,,,\n' + GOOD, "usage.csv", [("unclosed-quote", "usage.csv:3")]),
        ("not json\n[1]\n", "usage.jsonl", [("not-json", "usage.jsonl:1")]),
        (b"PAR1 is not enough", "usage.parquet", [("bad-parquet", "usage.parquet")]),
    ],
    ids=range(14),  # packed bytes hold the time of packing: no name for a test
)
def test_file__refused_as_a_whole(content: str | bytes, name: str, expected: list[tuple[str, str]], tmp_path: Path) -> None:
    file = staged(tmp_path, content, name)
    assert problems(file) == expected
    assert all(problem.remedy for problem in file.problems)
    assert file.sha256 == content_hash(tmp_path / name)


def test_file__a_quote_that_closes_in_a_later_row_swallows_nothing(tmp_path: Path) -> None:
    """Legal CSV, two rows and one record: the quote in line 3 closes at the quote that was meant to open in line 5."""
    rows = GOOD + 'b,2026-07-01T00:00:00Z,"s,1,,,,,\nc,2026-07-01T00:00:00Z,s,1,,,,,\nd,2026-07-01T00:00:00Z,s",1,,,,,\n'
    assert problems(staged(tmp_path, HEAD + rows)) == [("unclosed-quote", "usage.csv:3")]


def test_file__bom_blank_lines_and_mixed_line_ends_are_read(tmp_path: Path) -> None:
    content = "\ufeff" + HEAD + GOOD + "\r\n\n" + "b,2026-07-01T00:00:00Z,s,1.5,,,,,\r\n" + "c,2026-07-01T00:00:00Z,s,,,,,,"
    file = staged(tmp_path, content)
    assert accepted(file, "usage_id") == ["a", "c"]
    assert [(found[0], found[1]) for found in rejects(file)] == [(2, 5)]


def test_file__a_record_of_the_wrong_width_is_one_reject(tmp_path: Path) -> None:
    file = staged(
        tmp_path,
        HEAD + GOOD + "b,2026-07-01T00:00:00Z\n" + "c,2026-07-01T00:00:00Z,s,,,,,,,x,y\n" + GOOD.replace("a", "d", 1),
    )
    assert [(found[0], found[1], found[2], found[4]) for found in rejects(file)] == [
        (2, 3, "(record)", "has 2 fields where the header has 9"),
        (3, 4, "(record)", "has 11 fields where the header has 9"),
    ]
    assert accepted(file, "usage_id") == ["a", "d"] and file.read == 4


def test_file__parquet_types_that_hold_the_column_and_those_that_do_not(tmp_path: Path) -> None:
    good = tmp_path / "good.parquet"
    duckdb.sql(
        "SELECT 'a' AS usage_id, TIMESTAMP '2026-07-01' AS ts, 5.0::DOUBLE AS requests, 0.1::DOUBLE AS gpu_hours, "
        "'h' AS gpu_sku, 1.25::DECIMAL(9,2) AS billed_cost, 'USD' AS billed_currency"
    ).write_parquet(str(good))
    file = stage(good, shown_as="good.parquet", workspace=tmp_path / "w1")
    assert accepted(file, "(requests, gpu_hours, billed_cost)") == [(5, Decimal("0.1"), Decimal("1.25"))]
    bad = tmp_path / "bad.parquet"
    duckdb.sql("SELECT 'a' AS usage_id, DATE '2026-07-01' AS ts, [1] AS requests, 'x'::BLOB AS team").write_parquet(str(bad))
    assert [code for code, _ in problems(stage(bad, shown_as="bad.parquet", workspace=tmp_path / "w2"))] == [
        "unfit-type"
    ] * 3
    duckdb.sql("SELECT 'a' AS usage_id, 1 AS requests").write_parquet(str(bad))
    (problem,) = stage(bad, shown_as="bad.parquet", workspace=tmp_path / "w3", format="native").problems
    assert problem.code == "missing-column" and "'ts'" in problem.message


def test_file__json_numbers_keep_every_digit(tmp_path: Path) -> None:
    """A float keeps 17 digits; the line below has 38."""
    cost = "12345678901234567890.123456789012345678"
    line = f'{{"usage_id": "a", "ts": "2026-07-01T00:00:00Z", "billed_cost": {cost}, "billed_currency": "USD"}}'
    file = staged(tmp_path, line + "\n", "usage.jsonl")
    assert accepted(file, "billed_cost") == [Decimal(cost)]


# ── rows that belong together ───────────────────────────────────────────────────────────────────────────────────────────


def test_copies__equal_ones_are_duplicates_however_they_are_written(tmp_path: Path) -> None:
    rows = "a,2026-07-01T00:00:00Z,s,5,,,,1.50,USD\na,2026-07-01T02:00:00+02:00,s,5.0,,,,1.5,USD\n" + GOOD.replace(
        "a", "b", 1
    )
    file = staged(tmp_path, HEAD + rows)
    assert (file.read, file.duplicate, file.rejected, file.problems) == (3, 1, 0, ())


def test_copies__one_id_for_two_uses_names_both_lines(tmp_path: Path) -> None:
    file = staged(tmp_path, HEAD + GOOD + "\n" + GOOD.replace("search", "support"))
    (problem,) = file.problems
    assert problem.code == "conflicting-usage"
    assert str(problem.source) == "usage.csv:4 (usage_id)" and "usage.csv:2" in problem.message
    assert problem.excerpt.startswith("a,2026-07-01T00:00:00Z,support")


SPANS = "usage_id,ts,trace_id,span_id,parent_span_id,input_tokens,output_tokens\n"


def spans(*rows: str) -> str:
    return SPANS + "".join(f"{row[0]}{row[2:4]},2026-07-01T00:00:00Z,{row}\n" for row in rows)


@pytest.mark.parametrize("inclusive", [(), ("native",)])
def test_spans__a_parent_that_repeats_its_children_is_an_aggregate(inclusive: tuple[str, ...], tmp_path: Path) -> None:
    """100 = 60 + 40 and 20 = 15 + 5; the middle one's leaves are looked through to the run: 60 + 30 + 10."""
    file = staged(
        tmp_path,
        spans("t,r0,,100,20", "t,a1,r0,60,15", "t,b2,r0,40,5", "t,c3,b2,30,3", "t,d4,b2,10,2", "u,x5,r0,7,7"),
        inclusive=inclusive,
    )
    assert (file.read, file.aggregate, file.rejected) == (6, 2, 0)


def test_spans__more_than_the_children_is_a_remainder_or_refused_with_the_sums(tmp_path: Path) -> None:
    rows = spans("t,r0,,100,20", "t,a1,r0,60,15", "t,w2,r0,,", "t,c3,w2,30,3")
    plain = staged(tmp_path, rows)
    (refused,) = rejects(plain)
    assert refused[:2] == (1, 2) and "100 + 0 + 0 + 20 against 90 + 0 + 0 + 18" in refused[4]
    inclusive = staged(tmp_path, rows, inclusive={"native"})
    marks = duckdb.sql(f"SELECT record, fate, input_tokens, output_tokens FROM read_parquet('{inclusive.marks}')").fetchall()
    assert marks == [(1, "remainder", 10, 2)] and inclusive.rejected == 0


@pytest.mark.parametrize(("own", "found"), [("150,,,70", "aggregate"), ("150,,,69", "rejected"), ("149,,,70", "rejected")])
def test_spans__a_sum_that_does_not_say_what_was_cached_is_an_aggregate(own: str, found: str, tmp_path: Path) -> None:
    """110 + 30 + 10 of input and 70 of output."""
    header = (
        "usage_id,ts,trace_id,span_id,parent_span_id,input_tokens,cached_input_tokens,cache_write_tokens,output_tokens\n"
    )
    rows = (f"t,r0,,{own}", "t,a1,r0,60,30,10,50", "t,b2,r0,50,,,20")
    lines = "".join(f"{number},2026-07-01T00:00:00Z,{row}\n" for number, row in enumerate(rows))
    file = staged(tmp_path, header + lines)
    assert (file.aggregate, file.rejected) == ((1, 0) if found == "aggregate" else (0, 1))


def test_spans__less_than_the_children_is_refused_and_no_tokens_are_an_ordinary_row(tmp_path: Path) -> None:
    file = staged(tmp_path, spans("t,r0,,50,20", "t,a1,r0,60,15", "u,r2,,,", "u,a3,r2,1,1"), inclusive={"native"})
    assert [found[0] for found in rejects(file)] == [1]
    assert file.aggregate == 0


def test_spans__a_circle_ends(tmp_path: Path) -> None:
    file = staged(tmp_path, spans("t,a0,b1,5,0", "t,b1,a0,6,0"))
    assert file.read == 2 and file.rejected == 2
