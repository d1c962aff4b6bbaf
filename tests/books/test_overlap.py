"""Usage that two charged sources have: told by request id, or by day and key, and what is not told apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from finledger.books.overlap import Terms
from finledger.books.store import Against, Published, Store
from finledger.core.model import LoadedFile, Part, StagedFile
from finledger.core.problem import Refused
from finledger.read.stage import stage

DAY = "2026-07-01T09:00:00Z"


class Books:
    """A store and what lies in it, with the source's role and the format's grain by their first letters."""

    def __init__(self, folder: Path, beside: tuple[tuple[str, str], ...] = ()) -> None:
        self.folder = folder
        self.store = Store(folder / "store")
        self.parts: list[Part] = []
        self.files: dict[str, LoadedFile] = {}
        self.terms = Terms(
            charged=lambda source: not source.startswith("compared"),
            declared=frozenset({"compared"}),
            grains={"daily": "report", "console": "report", "bill": "cost", "invoice": "cost"},
            beside=frozenset(frozenset(pair) for pair in beside),
        )

    def export(self, source: str, format: str, *rows: str, head: str) -> StagedFile:
        path = self.folder / f"{source}-{format}-{len(list(self.folder.iterdir()))}.csv"
        path.write_text("\n".join((f"usage_id,ts,{head}", *rows, "")))
        staged = stage(path, shown_as=path.name, workspace=self.folder / f"work-{path.stem}", source=source)
        assert not staged.problems
        return replace(staged, format=format)

    def load(self, *staged: StagedFile) -> Published:
        names = {sha256: file.name for sha256, file in self.files.items()}
        found = self.store.publish(staged, self.parts, self.folder / "publish", names, Against(self.terms, self.files))
        for file, parts in found.files:
            self.files[file.sha256] = file
            self.parts += parts
        return found


def refused(books: Books, *staged: StagedFile) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as raised:
        books.load(*staged)
    return [(problem.code, problem.message.splitlines()[0]) for problem in raised.value.problems]


REQUESTS = "request_id,input_tokens,output_tokens"


@pytest.mark.parametrize("together", [True, False])
def test_request_ids__are_charged_once(tmp_path: Path, together: bool) -> None:
    books = Books(tmp_path)
    gateway = books.export("gateway", "log", f"g1,{DAY},r1,100,10", f"g2,{DAY},r2,200,20", f"g3,{DAY},,5,5", head=REQUESTS)
    traces = books.export("traces", "spans", f"t1,{DAY},R1,7,7", f"t2,{DAY},r2,190,30", f"t3,{DAY},,5,5", head=REQUESTS)
    message = "traces and gateway have the same requests (1), and both are charged: 220 tokens would be counted twice"
    if together:
        assert refused(books, gateway, traces) == [("usage-from-two-sources", message)]
    else:
        books.load(gateway)
        assert refused(books, traces) == [("usage-from-two-sources", message)]
        assert len(books.parts) == 1


def test_request_ids__in_another_month(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.load(books.export("gateway", "log", "g1,2026-07-31T23:59:59Z,r1,1,1", head=REQUESTS))
    later = books.export("traces", "spans", "t1,2026-08-01T00:00:01Z,r1,1,1", head=REQUESTS)
    assert [code for code, _ in refused(books, later)] == ["usage-from-two-sources"]


def test_request_ids__of_one_source_in_two_formats(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.load(books.export("openai", "log", f"g1,{DAY},r1,100,10", head=REQUESTS))
    ((code, message),) = refused(books, books.export("openai", "responses", f"t1,{DAY},r1,100,10", head=REQUESTS))
    assert (code, message.split(" have")[0]) == ("usage-from-two-sources", "openai (responses) and openai (log)")


def test_request_ids__of_a_row_that_names_its_source(tmp_path: Path) -> None:
    books = Books(tmp_path)
    head = "source,request_id,input_tokens"
    books.load(books.export("all", "log", f"g1,{DAY},gateway,r1,1", f"g2,{DAY},traces,r2,1", f"g3,{DAY},,r3,1", head=head))
    for number, source in enumerate(("gateway", "traces", "all"), start=1):
        staged = books.export("more", "spans", f"m{number},{DAY},,r{number},1", head=head)
        ((_, message),) = refused(books, staged)
        assert message.startswith(f"more and {source} have")


def test_request_ids__of_what_is_not_charged(tmp_path: Path) -> None:
    """The provider's own log may have the same ids, also as usage_id; a row that is a duplicate is no second use."""
    books = Books(tmp_path)
    books.load(books.export("gateway", "log", f"r1,{DAY},r1,100,10", f"r2,{DAY},,1,1", head=REQUESTS))
    books.load(books.export("compared", "responses", f"r1,{DAY},r1,101,11", head=REQUESTS))
    again = books.load(books.export("gateway", "other", f"r1,{DAY},r1,100,10", head=REQUESTS))
    assert [(file.accepted, file.duplicate) for file, _ in again.files] == [(0, 1)]


def test_usage_ids__of_two_charged_sources_are_a_conflict_with_its_way_out(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.load(books.export("gateway", "log", f"r1,{DAY},,100,10", head=REQUESTS))
    with pytest.raises(Refused) as raised:
        books.load(books.export("responses", "spans", f"r1,{DAY},,100,10", head=REQUESTS))
    (problem,) = raised.value.problems
    assert problem.code == "conflicting-usage"
    assert "`sources: {responses: {role: reconcile}}`" in problem.remedy


REPORT = "provider,model,input_tokens,api_key,project,user"
SAME = [
    (
        "usage-from-two-sources",
        "console and api report the same usage (1 day), and both are charged: 300 tokens would be counted twice",
    )
]
ALIKE = [
    (
        "usage-sources-alike",
        "console and api report usage of one provider on the same days (1), and nothing tells it apart: 300 tokens by console, "
        "300 tokens by api",
    )
]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("OpenAI,m,300,k1,p1,", "openai,m,300,k1,p1,", SAME),
        ("openai,m,300,k1,p1,", "openai,m,300,,p1,u1", SAME),
        ("openai,m,300,k1,,", "openai,m,300,,p1,", ALIKE),
        ("openai,m,300,,,", "openai,m,300,,,", ALIKE),
        ("openai,m,300,k1,p1,", "openai,m,300,k2,p1,", []),
        ("openai,m,300,k1,,", "openai,n,300,k1,,", []),
        ("openai,m,300,k1,,", "anthropic,m,300,k1,,", []),
        ("openai,m,300,k1,,", "openai,m,0,k1,,", []),
        (",m,300,k1,,", ",m,300,k1,,", []),
    ],
)
def test_reports__by_day_and_key(tmp_path: Path, first: str, second: str, expected: list[tuple[str, str]]) -> None:
    books = Books(tmp_path)
    books.load(books.export("api", "daily", f"a1,{DAY},{first}", head=REPORT))
    staged = books.export("console", "console", f"c1,2026-07-01T23:00:00Z,{second}", head=REPORT)
    if expected:
        assert refused(books, staged) == expected
    else:
        assert books.load(staged).notices == ()


def test_reports__a_key_that_one_row_lacks_is_another_key(tmp_path: Path) -> None:
    """Both reports name keys: what has none in the one is not what has one in the other."""
    books = Books(tmp_path)
    books.load(books.export("api", "daily", f"a1,{DAY},openai,m,300,k1,,", head=REPORT))
    books.load(books.export("console", "console", f"c1,{DAY},openai,m,40,,,", f"c2,{DAY},openai,m,1,k2,,", head=REPORT))


def test_reports__of_other_days_or_declared_to_be_other_usage(tmp_path: Path) -> None:
    books = Books(tmp_path, beside=(("console", "api"),))
    books.load(books.export("api", "daily", f"a1,{DAY},openai,m,300,,,", head=REPORT))
    books.load(books.export("other", "daily", "o1,2026-07-02T00:00:00Z,openai,m,300,,,", head=REPORT))
    assert books.load(books.export("console", "console", f"c1,{DAY},openai,m,300,,,", head=REPORT)).notices == ()


def notices(found: Published) -> list[tuple[str, str, str]]:
    return [(each.code, each.severity, each.message.splitlines()[0]) for each in found.notices]


def test_report_beside_requests__is_a_warning(tmp_path: Path) -> None:
    books = Books(tmp_path)
    head = "provider,model,input_tokens,output_tokens"
    books.load(
        books.export(
            "gateway", "log", *(f"g{n},{DAY},openai,m,100,5" for n in range(3)), f"g9,{DAY},openai,n,1,1", head=head
        )
    )
    found = books.load(books.export("api", "daily", f"a1,{DAY},OpenAI,m,400,20", f"a2,{DAY},openai,x,1,1", head=head))
    assert notices(found) == [
        (
            "report-beside-requests",
            "warning",
            "api and gateway have usage of the same models on the same days (1), and both are charged: 420 tokens by api, "
            "315 tokens by gateway",
        )
    ]


BILL = "provider,billed_cost,billed_currency,account,input_tokens"


def test_cost_beside_tokens__is_a_warning(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.load(books.export("gateway", "log", f"g1,{DAY},openai,,,,1000", head=BILL))
    found = books.load(
        books.export(
            "bill",
            "bill",
            "b1,2026-07-31T00:00:00Z,OpenAI,12.50,USD,a,",
            "b2,2026-08-01T00:00:00Z,OpenAI,1,USD,a,",
            head=BILL,
        )
    )
    assert notices(found) == [
        (
            "cost-beside-tokens",
            "warning",
            "the cost of bill is passed on for what gateway prices by its tokens: 12.5 USD by bill, 1,000 tokens by gateway",
        )
    ]


def test_cost_from_two_bills__is_a_warning_where_the_account_is_the_same(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.load(books.export("bill", "bill", f"b1,{DAY},aws,12.50,USD,a,", head=BILL))
    assert notices(books.load(books.export("other", "bill", f"o1,{DAY},aws,1,USD,b,", head=BILL))) == []
    found = books.load(books.export("cur", "invoice", f"c1,{DAY},AWS,12.5,USD,a,", head=BILL))
    assert [code for code, *_ in notices(found)] == ["cost-from-two-sources"]


ALIKE = (
    "report usage of one provider on the same days (1), and nothing tells it apart: 300 tokens by console, 300 tokens by api"
)


@pytest.mark.parametrize(
    ("of_api", "of_console"),
    [
        ("m,300,,,", "m-2026-06-01,300,,,"),
        ("acme/m,300,,,", "M@20260601,300,,,"),
        ("claude-haiku-4-5-20251001,300,,,", "Claude Haiku 4.5,300,,,"),
        ("m,300,,,", ",300,,,"),
        (",300,,,", "m,300,k1,,"),
        ("m,300,apikey_01,,", "m,300,h4sh,,"),
        ("m,300,,proj_a,", "m,300,,Search,"),
    ],
)
def test_reports__that_name_models_and_keys_otherwise(tmp_path: Path, of_api: str, of_console: str) -> None:
    """A gateway leaves out the day of a model, a console its id; a report may be cut by no model; an id is equal to no name."""
    books = Books(tmp_path)
    books.load(books.export("api", "daily", f"a1,{DAY},openai,{of_api}", head=REPORT))
    found = refused(books, books.export("console", "console", f"c1,{DAY},openai,{of_console}", head=REPORT))
    assert found == [("usage-sources-alike", f"console and api {ALIKE}")]


@pytest.mark.parametrize("of_console", ["n,300,,,", "m-large,300,,,", "m,300,k2,,", ",0,,,"])
def test_reports__of_other_models_and_keys(tmp_path: Path, of_console: str) -> None:
    books = Books(tmp_path)
    books.load(books.export("api", "daily", f"a1,{DAY},openai,m,300,k1,,", head=REPORT))
    assert notices(books.load(books.export("console", "console", f"c1,{DAY},openai,{of_console}", head=REPORT))) == []


def test_cost_from_two_bills__of_the_same_models_is_a_warning(tmp_path: Path) -> None:
    head = "provider,model,billed_cost,billed_currency,workspace"
    books = Books(tmp_path)
    books.load(books.export("api", "bill", f"a1,{DAY},anthropic,claude-haiku-4-5-20251001,12.5,USD,wrkspc_01", head=head))
    found = books.load(
        books.export("console", "invoice", f"c1,{DAY},anthropic,Claude Haiku 4.5,12.50,USD,Search", head=head)
    )
    message = "have costs of one provider for the same models on the same days (1), nothing tells them apart, and both are passed on"
    assert notices(found) == [
        ("cost-from-two-sources", "warning", f"console and api {message}: 12.5 USD by console, 12.5 USD by api")
    ]


def test_stored__only_what_is_certain(tmp_path: Path) -> None:
    """What was loaded while one source was only compared is found when both are charged."""
    books = Books(tmp_path)
    books.load(books.export("gateway", "log", f"g1,{DAY},r1,100,10", head=REQUESTS))
    books.load(books.export("compared", "spans", f"t1,{DAY},r1,100,10", head=REQUESTS))
    books.load(books.export("api", "daily", f"a1,{DAY},openai,m,300,k1,,", head=REPORT))
    books.load(books.export("compared", "console", f"c1,{DAY},openai,m,300,k1,,", f"c2,{DAY},openai,n,9,k1,,", head=REPORT))
    now = replace(books.terms, charged=lambda source: True)
    found = books.store.stored_overlaps(books.parts, Against(now, books.files), tmp_path / "look")
    assert {(each.sign, each.first.source, each.second.source, each.count) for each in found} == {
        ("request-id", "compared", "gateway", 1),
        ("key", "api", "compared", 1),
    }
