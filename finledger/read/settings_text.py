"""finledger.yaml, key by key: the models that check its text, and that its JSON Schema for editors is made from."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, WithJsonSchema

from finledger.core import drivers
from finledger.core.accounts import DEFAULT_ACCOUNTS, INTERCOMPANY
from finledger.core.gate_terms import GateTerms
from finledger.core.label import SETTABLE
from finledger.core.model import ENGINE_KINDS, STAGES
from finledger.core.units import UNITS
from finledger.core.usage import LABELS, NATIVE, TOKEN_BUCKETS
from finledger.read import values
from finledger.read.fields import (
    Amount,
    AnyText,
    Count,
    Currency,
    Day,
    Flag,
    MonthKey,
    Number,
    Share,
    TeamName,
    Text,
    TextKey,
    TextModel,
    Zone,
    editor_schema,
    one_of,
    or_list,
    parsed_by,
)

MATCHABLE = (*(column.name for column in NATIVE if column.kind == "text"), *LABELS)
MonthNumber = Annotated[
    int, parsed_by(values.month_number), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 12})
]
StageName = Annotated[str, *one_of(*STAGES)]
BUCKETS = tuple(bucket.removesuffix("_tokens") for bucket in TOKEN_BUCKETS)
METERS = tuple(name for name in drivers.names() if name not in ("shares", "weights"))
StorePlace = Annotated[
    str, parsed_by(values.bucket_folder), WithJsonSchema({"type": "string", "pattern": "^(s3|gs|abfss)://"})
]
Meter = Annotated[str, *one_of(*METERS)]
TargetUnit = Annotated[str, *one_of(*UNITS)]


def _dated(key: str, field: str) -> Any:
    """One value where a dated list can stand: it holds since ever."""
    refuse_mapping = or_list(field, f"[{{{key}: …, from: 2026-07-01}}]")
    return lambda value: [{key: value}] if isinstance(value, str) else refuse_mapping(value)


def _many(field: str) -> Any:
    """One value where a list of them can stand."""
    refuse_mapping = or_list(field, "[first, second]")
    return lambda value: [value] if isinstance(value, str) else refuse_mapping(value)


class DatedText(TextModel):
    start: Day | None = Field(None, alias="from", description="Its first day; only the first may leave it out.")


class DatedCode(DatedText):
    code: Text = Field(description="The cost centre.")


class DatedStage(DatedText):
    stage: StageName = Field(description="The rung of the ladder.")


class DatedOwner(DatedText):
    owner: Text = Field(description="Who answers for the team.")


class TeamText(TextModel):
    cost_center: Annotated[list[DatedCode], BeforeValidator(_dated("code", "cost_center"), str | list[DatedCode])] = Field(
        description="The team's cost centre, or a list of them by date."
    )
    stage: Annotated[list[DatedStage], BeforeValidator(_dated("stage", "stage"), StageName | list[DatedStage])] | None = (
        Field(None, description="How far the team is on the ladder from showback (when left out) to optimisation.")
    )
    owner: Annotated[list[DatedOwner], BeforeValidator(_dated("owner", "owner"), str | list[DatedOwner])] | None = Field(
        None, description="Who answers for the team: a person, a group, an address."
    )
    features: list[Text] = Field(default=[], description="The features the team is responsible for.")
    seats: dict[TextKey, Count] = Field(default={}, description="How many seats of each kind the team holds.")
    budget: dict[MonthKey, Amount] = Field(default={}, description="The budget by month: {2026-07: 20000.00}.")
    forecast: dict[MonthKey, Amount] = Field(default={}, description="The forecast by month: {2026-07: 18000.00}.")
    entity: Text | None = Field(None, description="The legal entity the team belongs to; the platform's when left out.")
    targets: dict[TextKey, dict[TargetUnit, Amount]] = Field(
        default={},
        description="What a unit may cost at most, by feature, or * for the whole team: {semantic-search: {per_1k_inferences: 9.00}}. "
        "From the stage optimisation on, a target that is missed is an alert.",
    )
    early_adoption: Flag = Field(
        default=False, description="Whether the team is still to experiment: it is not promoted to chargeback meanwhile."
    )


class PlatformText(TextModel):
    team: TeamName = Field(description="The team that runs the platform; its own use is its own cost.")
    cost_center: Text = Field(description="The platform's cost centre.")
    entity: Text | None = Field(None, description="The legal entity the platform belongs to.")


class DriverText(TextModel):
    meter: Meter | None = Field(None, description="What the pool is split by.")
    shares: dict[TextKey, Share] | None = Field(None, description="Fixed shares by team, which add up to 1.")
    weights: Text | None = Field(None, description="A CSV file with the columns team,weight, beside finledger.yaml.")


def _driver(value: Any) -> Any:
    return {"meter": value} if isinstance(value, str) else value


class PoolText(TextModel):
    amount: dict[MonthKey, Number] | None = Field(None, description="A fixed amount by month. Either this or `rows`.")
    rows: Text | None = Field(None, description="The team name of the rows that make the pool: pool:NAME.")
    driver: Annotated[DriverText, BeforeValidator(_driver, Meter | DriverText)] = Field(
        description=f"What the pool is split by: {', '.join(METERS)}, {{shares: …}} or {{weights: FILE}}."
    )
    to: Annotated[list[Text], BeforeValidator(_many("to"), str | list[str])] = Field(
        default=["teams"], description="`teams` for all of them, or a list of teams and of later pools, written pool:NAME."
    )


class SourceText(TextModel):
    role: Annotated[str, *one_of("charge", "reconcile")] = Field(
        default="charge", description="`reconcile`: the provider's view of usage that another source charges."
    )
    inclusive: Flag = Field(default=False, description="Whether the rows of a parent call hold what its children used.")
    beside: list[TextKey] = Field(
        default=[], description="Sources that report other usage than this one, where nothing in their rows tells it apart."
    )
    traces: Annotated[str, *one_of("root", "own")] = Field(
        default="root",
        description="Whose rows inside a trace are: its root's consumer's, or `own`, by their own labels, where the roots are "
        "not exported.",
    )


Globs = Annotated[list[AnyText], BeforeValidator(_many("field"), str | list[str])]


class RuleText(TextModel):
    when: dict[Annotated[str, *one_of(*MATCHABLE)], Globs] = Field(
        description="Globs by field, all of which have to match; of a list, one."
    )
    set: dict[Annotated[str, *one_of(*SETTABLE)], Text] = Field(description="What the rule fills in where it is empty.")
    start: Day | None = Field(None, alias="from", description="The first day of the rule.")
    until: Day | None = Field(None, description="The first day on which the rule does not hold any more.")


class AccountText(TextModel):
    name: Text = Field(description="The account's name.")
    number: Text | None = Field(None, description="The account's number.")


def _account(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class ToleranceText(TextModel):
    absolute: Amount = Field(default=Decimal(0), description="In the books' currency, for each SKU and month.")
    relative: Share = Field(default=Decimal(0), description="As a part of the metered cost: 0.1 % is 0.001.")


class SkuText(TextModel):
    model: Text | None = Field(None, description="A model of the price book; * stands for any text. Either this or `sku`.")
    bucket: Annotated[str, *one_of(*BUCKETS)] | None = Field(
        None, description="Which of the model's tokens; all, when left out."
    )
    sku: Text | None = Field(
        None, description="A GPU or egress SKU, or what the provider's own rows call it; * stands for any text."
    )


class ProviderText(TextModel):
    invoice: Annotated[str, *one_of("expected", "none")] = Field(
        default="expected", description="Whether the provider sends invoices; a month waits for one that is expected."
    )
    tolerance: ToleranceText = Field(
        default=ToleranceText(), description="What an invoice may differ by; the larger counts."
    )
    names: Annotated[list[Text], BeforeValidator(_many("names"), str | list[str])] = Field(
        default=[], description="What usage and invoices call the provider, beside the key; * stands for any text."
    )
    sources: Annotated[list[Text], BeforeValidator(_many("sources"), str | list[str])] = Field(
        default=[], description="Sources whose rows are this provider's where nothing in them says whose they are."
    )
    skus: dict[TextKey, SkuText] = Field(
        default={},
        description="What an invoice calls a SKU, with * for any text, and what it is of ours. The first that fits.",
    )


class FundText(TextModel):
    opening: Amount = Field(default=Decimal(0), description="What the bursting buffer holds when the books begin.")
    priced: Flag | None = Field(
        default=None, description="In finops_led and it_led: whether teams pay the buffer's surcharge; no, when left out."
    )


class DisputesText(TextModel):
    respond_days: Count = Field(
        default=5, description="Calendar days from a dispute's opening until somebody has looked at it."
    )
    resolve_days: Count = Field(default=20, description="Calendar days from a dispute's opening until it is resolved.")


class ReviewText(TextModel):
    variance_share: Share = Field(
        default=Decimal("0.10"), description="A team's variance over this part of its budget is an alert: 10 % is 0.10."
    )
    variance_amount: Amount = Field(
        default=Decimal(1000), description="The least variance that is an alert, in the books' currency; the larger counts."
    )
    cost_rise: Share = Field(
        default=Decimal("0.30"),
        description="A cost per correct task that is up by this part of the last quarter's, or more, opens a review.",
    )


_TERMS = GateTerms()


class AllocationGateText(TextModel):
    dispute_rate: Share = Field(
        default=_TERMS.dispute_rate, description="The largest share of its lines that a team disputes."
    )
    months: Count = Field(default=_TERMS.dispute_months, description="In how many of its last months.")


class ChargebackGateText(TextModel):
    unallocated: Share = Field(default=_TERMS.unallocated, description="The share that unallocated charges stay under.")
    months: Count = Field(default=_TERMS.closed_months, description="In how many of the last closed months.")
    baseline: Count = Field(
        default=_TERMS.baseline, description="How many closed months a team was charged or shown before."
    )
    sign_off: Text = Field(default=_TERMS.sign_off, description="The role of who signs the figures off.")


class OptimisationGateText(TextModel):
    acknowledged: Share = Field(
        default=_TERMS.acknowledged,
        description="In which share of months the team acknowledged its variance before the close.",
    )
    months: Count = Field(
        default=_TERMS.acknowledged_months, description="How many of its last closed months at chargeback are looked at."
    )


class GatesText(TextModel):
    allocation: AllocationGateText = Field(default=AllocationGateText(), description="From showback to allocation.")
    chargeback: ChargebackGateText = Field(default=ChargebackGateText(), description="From allocation to chargeback.")
    optimisation: OptimisationGateText = Field(
        default=OptimisationGateText(), description="From chargeback to optimisation."
    )


EngineName = Annotated[str, *one_of(*ENGINE_KINDS)]


class EngineText(TextModel):
    kind: EngineName = Field(
        default="duckdb",
        description="duckdb on this machine, reference (plain Python, slow), or spark. All give the same cents.",
    )
    master: Text | None = Field(
        None, description="Where Spark runs: local[4], spark://host:7077, yarn, k8s://…; this machine, when left out."
    )
    config: dict[TextKey, AnyText] = Field(
        default={}, description="Spark's own settings, as {spark.executor.memory: 4g}; what figures rest on stays as it is."
    )


def _engine(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


class SettingsText(TextModel):
    """finledger.yaml: the organisation whose AI usage these books allocate."""

    # UYW has the most decimal places: it lets every amount pass where the books' own currency is not known
    STANDINS: ClassVar[dict[str, Any]] = {
        "books": "books",
        "currency": "UYW",
        "timezone": "UTC",
        "platform": {"team": "platform", "cost_center": "platform"},
    }

    books: Text = Field(description="What these books are called on documents.")
    currency: Currency = Field(description="The currency of the books, by its ISO 4217 code.")
    timezone: Zone = Field(default="UTC", description="The time zone in which months begin and end, such as Europe/Berlin.")
    fiscal_year_start: MonthNumber = Field(
        default=1, description="The calendar month, 1 to 12, in which the fiscal year begins; quarters follow it."
    )
    operating_model: Annotated[str, *one_of("platform_led", "finops_led", "it_led")] = Field(
        default="platform_led",
        description="Who leads the charging, and so what is priced to teams and what centrally funded.",
    )
    platform: PlatformText = Field(description="The platform itself.")
    unallocated: Annotated[str, *one_of("hold", "proportional", "even")] = Field(
        default="hold", description="What happens to usage that nobody owns: the platform holds it, or the teams share it."
    )
    teams: dict[TeamName, TeamText] = Field(default={}, description="The teams, by the name that usage carries.")
    pools: dict[TeamName, PoolText] = Field(default={}, description="Shared pools, split in the order written.")
    sources: dict[TextKey, SourceText] = Field(default={}, description="What each source of usage is for.")
    rules: list[RuleText] = Field(default=[], description="Rules that label usage: the first that sets a field wins.")
    require_feature: Flag = Field(
        default=False,
        description="Whether calls of models without a feature, the row's own or one that a rule gives, are refused at load.",
    )
    store: StorePlace | None = Field(
        default=None,
        description="Where loaded usage is kept: a folder of a bucket, as s3://bucket/prefix; the books' own folder when left out.",
    )
    accounts: dict[
        Annotated[str, *one_of(*DEFAULT_ACCOUNTS, *INTERCOMPANY)],
        Annotated[AccountText, BeforeValidator(_account, str | AccountText)],
    ] = Field(
        default={},
        description="The controller's own names and numbers of accounts. The three intercompany accounts have no default: "
        "with all of them, charges to teams of other legal entities are posted.",
    )
    fund_presentation: Annotated[str, *one_of("liability", "pnl_contra")] = Field(
        default="liability",
        description="Where the bursting buffer and the reserves stand: among the liabilities, or as contra income.",
    )
    buffer: FundText = Field(default=FundText(), description="The bursting buffer: its first balance, and who pays for it.")
    passthrough_basis: Annotated[str, *one_of("effective", "billed")] = Field(
        default="effective", description="Which of a provider's costs is passed through."
    )
    compound_calls: Annotated[str, *one_of("root_pays", "owner_pays", "split")] = Field(
        default="root_pays",
        description="Who is charged for a call that one team caused and another operated (operator_team, or the team of a row "
        "inside a trace that another team began): who caused it, with the operator's part passed on in the journal, the operator, "
        "or both (`operator_share`).",
    )
    operator_share: Share = Field(
        default=Decimal("0.5"),
        description="What an operator bears of the calls that it operated for others, where they are split.",
    )
    providers: dict[TextKey, ProviderText] = Field(
        default={}, description="The providers whose invoices are held against what was metered."
    )
    disputes: DisputesText = Field(
        default=DisputesText(), description="How long a disputed line may wait for a first look, and for its outcome."
    )
    gates: GatesText = Field(
        default=GatesText(), description="What a team's next stage asks for: see `finledger stage status`."
    )
    journal: Annotated[list[Text], BeforeValidator(_many("journal"), str | list[str])] = Field(
        default=[], description="The formats in which the finance system takes journals: csv, beancount, hledger, or a list."
    )
    engine: Annotated[EngineText, BeforeValidator(_engine, EngineName | EngineText)] = Field(
        default=EngineText(master=None), description="What groups the usage of a month."
    )
    review: ReviewText = Field(
        default=ReviewText(), description="What the monthly review is alerted to, and which rise opens a review."
    )


def settings_schema() -> dict[str, Any]:
    """The JSON Schema of finledger.yaml, for editors."""
    return editor_schema(SettingsText, "finledger.yaml")
