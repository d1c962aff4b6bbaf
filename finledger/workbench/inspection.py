"""What a month's evaluation came to, and what looks arranged in it (rules U9, U10). Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import localcontext
from fractions import Fraction

from finledger.core.buffer import forecasts
from finledger.core.calls import PROMPT, Calls, calls_of, prompted_share
from finledger.core.eval_budget import EvalUse, eval_use
from finledger.core.gaming import Checked, Evidence, inspect
from finledger.core.history import History
from finledger.core.label import own
from finledger.core.model import MonthCharges
from finledger.core.money import EXACT
from finledger.core.period import Month
from finledger.core.pricebook import book_at
from finledger.core.problem import Refused
from finledger.core.quality import Evals
from finledger.engines import DEFAULT
from finledger.pipeline import MonthInputs, frozen_forecasts, query
from finledger.workbench import Workbench

PROMPTS_LIMIT = 1_000_000  # groups of a month by prompt


@dataclass(frozen=True, slots=True)
class EvalMonth:
    """A month's charges with its evaluation by feature, and the share of calls that run a registered prompt."""

    charges: MonthCharges
    use: tuple[EvalUse, ...]
    prompted: dict[str, Fraction | None]
    prompted_overall: Fraction | None


def evals_of(bench: Workbench, month: Month, *, engine_name: str = DEFAULT) -> EvalMonth:
    """Planned against run, coverage and prompts of every feature. Raises Refused where the month cannot be charged."""
    inputs = bench.month_inputs(month, engine_name=engine_name)
    charges, _ = bench.run(inputs)
    with localcontext(EXACT):
        use = eval_use(charges.disclosures, bench.eval_budgets, inputs.books, month, charges.currency)
    calls = _calls(inputs)
    features = sorted({each.feature for each in calls} | {each.feature for each in use})
    prompted = {name: prompted_share(each for each in calls if each.feature == name) for name in features}
    return EvalMonth(charges, use, prompted, prompted_share(calls))


def gaming(bench: Workbench, month: Month, *, engine_name: str = DEFAULT) -> tuple[Checked, ...]:
    """Every check of rule U9 on a month. Raises Refused where the month cannot be charged."""
    inputs = bench.month_inputs(month, engine_name=engine_name)
    charges, _ = bench.run(inputs)
    organisation = inputs.organisation
    history = inputs.history or History(organisation.currency)
    earlier = None
    if bench.ledger.parts(month.before):
        earlier = bench.month_inputs(month.before, engine_name=engine_name, history=History(organisation.currency))
    with localcontext(EXACT):
        return inspect(
            Evidence(
                month=month,
                organisation=organisation,
                books=inputs.books,
                decisions=charges.buffer.decisions,
                forecasts=forecasts(frozen_forecasts(inputs), organisation.teams, history, month),
                history=history,
                evals=Evals(inputs.evals),
                calls=_calls(inputs),
                before=None if earlier is None else _calls(earlier),
            )
        )


def _calls(inputs: MonthInputs) -> tuple[Calls, ...]:
    """The month's calls as the rules label them; the prompt is one more thing that the usage is grouped by."""
    asked = query(inputs)
    asked = replace(asked, labels=tuple(sorted({*asked.labels, PROMPT})), group_limit=PROMPTS_LIMIT)
    groups = inputs.group(asked)
    owned = own(groups.rows, inputs.organisation, asked.intervals)
    problems = (*groups.problems, *owned.problems)
    if any(problem.is_error for problem in problems):
        raise Refused(problems)
    return calls_of(owned.rows, book_at(inputs.books, inputs.month.first_day), inputs.organisation)
