"""Google Cloud's billing export from BigQuery, standard or detailed: JSON lines or list, Parquet, or a flat CSV.

Billed is `cost`, before credits, as a row of the invoice has it; effective is what is left with them: `cost` + the sum of
`credits[].amount`. Taxes, adjustments and rounding are rows of their own. Columns of a flat table are written with points or
underscores (`sku.description`, `sku_description`), lists in them as JSON. Gemini's tokens are taken from SKUs of text whose unit
is a count or a block of tokens; those of Gemini 1 counted characters.
"""

from __future__ import annotations

from collections.abc import Iterator

from finledger.read.columns import Field, decimal_sql
from finledger.read.documents import Places
from finledger.read.exact_json import exact_line
from finledger.read.usage._bill import NO_COST, in_template, needed, plus_list, takes_back, utc
from finledger.read.usage._declared import Column, Reader, blocks, fixed, sql
from finledger.read.usage._texts import Texts


def _row(body: str, *names: str, **more: str) -> Column:
    """A column from several: «0», «1», … in `body` are their texts."""
    return Column(names, in_template(body), **more)


def _items(text: str) -> str:
    """SQL: the items of a JSON list as text; NULL of anything else, also of what is no JSON."""
    items = "CAST(json_extract_string(t, '$[*]') AS VARCHAR[])"
    is_list = "CASE WHEN json_valid(t) THEN json_type(t) = 'ARRAY' ELSE false END"
    return f"list_transform([{text}], lambda t: CASE WHEN {is_list} THEN {items} END)[1]"


_LISTED = _items(f"list_transform([«0»], lambda line: {exact_line('line')})[1]")
_AMOUNT = "coalesce(CASE WHEN json_valid(credit) THEN credit->>'$.amount' END, 'a credit without amount')"
_AMOUNTS = f"coalesce(list_transform({_LISTED}, lambda credit: {_AMOUNT}), ['credits that are no list'])"
_CREDITS = f"CASE WHEN «0» IS NULL THEN [«2»] ELSE {_AMOUNTS} END"
_SUM = f"list_transform([list_concat([«1»], {_CREDITS})], lambda amounts: {plus_list('amounts')})[1]"
# what is no amount is said of the cost alone
# Credits as nearly all are: objects without another in them, whose amounts are plain numbers.
_PLAIN = "-?[0-9]{1,12}([.][0-9]{1,18})?"
_PLAIN_AMOUNT = '"amount":"?(-?[0-9]{1,12}(?:[.][0-9]{1,18})?)"?[,}]'
_OTHER = r'"[^"\\]*":("[^"\\]*"|[^]["\\{},]*)'
_CREDIT = f'[{{]({_OTHER},)*"amount":"?{_PLAIN}"?(,{_OTHER})*[}}]'
_PLAIN_CREDITS = rf"\[{_CREDIT}(,{_CREDIT})*\]"
_PLAIN_AMOUNTS = f"regexp_extract_all(«0», '{_PLAIN_AMOUNT}', 1)"
_ALONE = "(«0» = '[]' OR («0» IS NULL AND «2» IS NULL))"
_EFFECTIVE = (
    f"CASE WHEN {_ALONE} AND regexp_full_match(«1», '{_PLAIN}') THEN «1» "
    f"WHEN regexp_full_match(«1», '{_PLAIN}') AND regexp_full_match(«0», '{_PLAIN_CREDITS}') "
    f"AND len({_PLAIN_AMOUNTS}) = json_array_length(«0») "
    f"THEN CAST(list_sum(CAST(list_concat([«1»], {_PLAIN_AMOUNTS}) AS DECIMAL(38,18)[])) AS VARCHAR) "
    f"WHEN {decimal_sql('«1»')} IS NULL THEN NULL WHEN {_ALONE} THEN «1» ELSE {_SUM} END"
)

# `Gemini 2.5 Flash GA Text Input - Predictions`, `Gemini 2.5 Pro Input Text Caching (Long)`, `Gemini 3.8 Flash Global Text Output
# Priority - Predictions`; of the Gemini API `Generate content output token count gemini 2.5 flash short input text` (of output),
# `Generate_content text cached input token count for gemini 3 pro short`, `EmbedContent input token count for
# gemini-embedding-001`. Another ending may be no count of tokens: `Text Input Caching Storage` is token hours.
_TIER = "(?:batch|flex|priority)"
_MODEL = "(gemini [2-9][0-9.]*(?: [a-z0-9.-]*[a-z0-9])*?)"
_VERTEX = f"^{_MODEL}(?: ga| global| regional)*(?: thinking)? "
_ENDING = f"(?: {_TIER})?(?: [(](?:long|short|(?:non?[ -])?thinking(?: on| off)?)[)])*(?: {_TIER})?(?: - (?:{_TIER} )?predictions)?$"
_LENGTH = "(?: short| long)?"
_WORDED = f"{_LENGTH}(?: (?:in|out)put)?{_LENGTH} text(?: non-thinking| thinking)?"
_TEXT_AFTER = f"(?:{_WORDED}|(?: short| long) (?:in|out)put)(?: {_TIER})?"
_TEXT_BEFORE = f"{_LENGTH}(?: non-thinking| thinking)?(?: {_TIER})?"


def _of_api(bucket: str, ending: str = "") -> str:
    """A SKU of the Gemini API that counts these tokens: text stands before or after the model; neither is a SKU of all kinds."""
    counts = f"^(?:batch )?generate ?content (?:batch )?(?:%s) token count (?:for )?{_MODEL}%s{ending}$"
    named = f"text {bucket}|{bucket.replace('input', 'text input')}"
    return f"{counts % (bucket, _TEXT_AFTER)}|{counts % (named, _TEXT_BEFORE)}"


_EMBEDDED = "^embed ?content input token count (?:for )?(gemini-embedding-[a-z0-9.-]+)(?: text)?$"
_TOKENS = {
    "input_tokens": f"{_EMBEDDED}|{_VERTEX}(?:text input|input text){_ENDING}|{_of_api('input')}",
    "cached_input_tokens": f"{_VERTEX}(?:text input|input text)(?: {_TIER})? caching{_ENDING}|{_of_api('cached input')}|"
    + _of_api("input", " caching"),
    "output_tokens": f"{_VERTEX}(?:text output|output text){_ENDING}|{_of_api('output')}",
}
_SKU, _TYPE = "sku.description", "cost_type"
_GEMINI, _COUNT, _METERED, _FLAT = "@gemini", "@count", "@metered", "@flat"


def _gemini() -> Column:
    """The SKU in lower case where it may be one of Gemini, and the row is of use, not an adjustment of it; few rows are. Google
    writes some with a blank before them, two in them, or underscores between the words."""
    found = "contains(lower({0}), 'gemini') AND coalesce({1}, 'regular') = 'regular'"
    return sql(f"CASE WHEN {found} THEN trim(regexp_replace(lower({{0}}), '[\\s_]+', ' ', 'g')) END", _SKU, _TYPE)


def _metered() -> Column:
    """The SKU where it counts tokens of text."""
    return _row(f"CASE WHEN regexp_matches(«0», '{'|'.join(_TOKENS.values())}') THEN «0» END", _GEMINI)


def _count() -> Column:
    """The amount used, or that in pricing units, whichever of the two is in a count or in blocks of tokens; empty where a
    correction takes money and some back."""
    cases = []
    for amount, unit in ((0, 1), (2, 3)):
        counted = blocks("", "").template.replace("{1}", f"«{unit}»").replace("{0}", f"«{amount}»")
        cases.append(f"WHEN regexp_full_match(lower(«{unit}»), 'counts?|tokens?') THEN «{amount}»")
        cases.append(f"WHEN regexp_full_match(lower(«{unit}»), '10* ?[kmb]?( ?(counts?|tokens?))?') THEN {counted}")
    names = ("usage.amount", "usage.unit", "usage.amount_in_pricing_units", "usage.pricing_unit", _METERED, "cost")
    return _row(f"CASE WHEN «4» IS NOT NULL AND NOT {takes_back('«0»', '«5»')} THEN CASE {' '.join(cases)} END END", *names)


def _tokens(bucket: str) -> Column:
    return _row(f"CASE WHEN regexp_matches(«1», '{_TOKENS[bucket]}') THEN «0» END", _COUNT, _METERED)


def _model() -> Column:
    """As the SKU writes it, in lower case with hyphens: gemini-2.5-flash."""
    after = f" token count (?:for )?{_MODEL}(?: (?:short|long|(?:in|out)put|text|non-thinking|thinking|{_TIER}|caching))*$"
    found = [
        f"nullif(regexp_extract(«0», '{each}', 1), '')"
        for each in (f"{_VERTEX}(?:text (?:in|out)put|(?:in|out)put text)", after, _EMBEDDED)
    ]
    return _row(f"replace(coalesce({', '.join(found)}), ' ', '-')", _METERED)


# Labels as nearly all are: a list of keys and values that are plain texts, without a blank between them.
_TEXT = r'[^"\\,:}[:cntrl:]\x{80}-\x{9f}][^"\\[:cntrl:]\x{80}-\x{9f}]*'
_LABEL = f'[{{]"key":"{_TEXT}","value":"({_TEXT})?"[}}]'
_LABELS = f"{_LABEL}(,{_LABEL})*"


def _labelled(key: str) -> Column:
    """The value of a key among the labels."""
    is_key = f"CASE WHEN json_valid(label) THEN coalesce((label->>'$.key') = '{key}', false) ELSE false END"
    found = f"list_filter({_items('«0»')}, lambda label: {is_key})[1]->>'$.value'"
    quick = f'regexp_extract(«0», \'[{{]"key":"{key}","value":"([^"]*)"\', 1)'
    flat = f'contains(«0», \'{{"key":"{key}",\') AND «1»'
    return _row(
        f"CASE WHEN NOT contains(«0», '\"{key}\"') THEN NULL WHEN {flat} THEN {quick} ELSE {found} END", "labels", _FLAT
    )


_LISTS = ("labels", "system_labels", "project.labels", "tags")


def _tags(texts: Texts) -> str:
    """SQL of the labels of the resource, the system and the project, the organisation's tags, and the invoice's month, as a list."""
    keys, values = (f"CAST(json_extract_string(t, '$[*].{name}') AS VARCHAR[])" for name in ("key", "value"))
    pairs = "list_transform(list_zip(p.keys, p.values), lambda each: each[1] || '=' || coalesce(each[2], ''))"
    # what is no list of keys and values stays as it is written
    are_pairs = "json_type(t) = 'ARRAY' AND len(p.keys) = json_array_length(t) AND len(p.values) = json_array_length(t)"
    both = f"[struct_pack(keys := {keys}, values := {values})]"
    once = f"list_transform({both}, lambda p: CASE WHEN {are_pairs} THEN {pairs} ELSE [t] END)[1]"
    listed = f"CASE WHEN t IS NULL OR t = '[]' THEN [] WHEN NOT json_valid(t) THEN [t] ELSE {once} END"
    found = ", ".join(texts.of(name) for name in _LISTS)
    month = f"[['invoice.month=' || {texts.of('invoice.month')}]]"
    every = f"flatten(list_transform([{found}], lambda t: {listed}) || {month})"
    kept = f"list_sort(list_filter({every}, lambda each: each IS NOT NULL))"
    written = f'\'{{"key":"invoice.month","value":"\' || {texts.of("invoice.month")} || \'"}}\''
    bare = ", ".join(f"nullif(nullif({texts.of(name)}, '[]')[2:-2], '')" for name in _LISTS)
    lists = " AND ".join(f"coalesce(starts_with({texts.of(name)}, '['), true)" for name in _LISTS)
    all_ = texts.bind(f"CASE WHEN {lists} THEN concat_ws(',', {bare}, {written}) END")
    flat = texts.bind(f"regexp_full_match({all_}, '{_LABELS}')")
    pairs = f"replace(replace(replace({all_}, '{{\"key\":\"', '\"'), '\",\"value\":\"', '='), '\"}}', '\"')[2:-2]"
    quick = f"'[\"' || array_to_string(list_sort(string_split({pairs}, '\",\"')), '\",\"') || '\"]'"
    return texts.bind(f"CASE WHEN {flat} THEN {quick} ELSE nullif(CAST(to_json({kept}) AS VARCHAR), '[]') END")


class _Gcp(Reader):
    """Tags lie in four columns, and are made one list at once: nearly all rows have some."""

    def fields(self, texts: Texts) -> Iterator[Field]:
        yield from Reader.fields(self, texts)
        yield Field("tag", _tags(texts), "labels")


_KINDS = (
    "CASE lower({0}) WHEN 'regular' THEN 'Usage' WHEN 'tax' THEN 'Tax' "
    "WHEN 'adjustment' THEN 'Adjustment' WHEN 'rounding_error' THEN 'Adjustment' ELSE {0} END"
)

READER = _Gcp(
    title="Google Cloud billing export, standard or detailed (JSON lines, Parquet, CSV)",
    grain="cost",
    places=Places(("", "data[]")),
    needs=(
        "cost",
        "currency",
        "usage_start_time",
        "billing_account_id",
        "sku.description|sku.id",
        "invoice.month|cost_type",
    ),
    steps={
        _GEMINI: _gemini(),
        _METERED: _metered(),
        _COUNT: _count(),
        _FLAT: _row(f"regexp_full_match(«0», '\\[{_LABELS}\\]')", "labels"),
    },
    columns={
        "ts": utc("usage_start_time"),
        "provider": fixed("google"),
        "model": _model(),
        "requests": fixed("0"),
        **{bucket: _tokens(bucket) for bucket in _TOKENS},
        "billed_cost": needed("cost"),
        "effective_cost": _row(_EFFECTIVE, "credits", "cost", "credits.amount", reason=NO_COST),
        "billed_currency": "currency",
        "account": "billing_account_id",
        "sub_account_id": "project.id",
        "sub_account_name": "project.name",
        "project": "project.id",
        "service": "service.description|service.id",
        "sku": "sku.description|sku.id",
        "resource": "resource.global_name|resource.name",
        "region": "location.region|location.location",
        "namespace": _labelled("k8s-namespace"),
        "cluster": _labelled("goog-k8s-cluster-name"),
        "charge_category": sql(_KINDS, _TYPE),
        "charge_class": sql(
            "coalesce({0}, CASE WHEN {1} = 'rounding_error' THEN {1} END)",
            "adjustment_info.type|adjustment_info.mode",
            _TYPE,
        ),
        "service_tier": sql("nullif(regexp_extract({0}, '[( ](batch|flex|priority|long)(?:[) ]|$)', 1), '')", _METERED),
    },
    m5="Gemini's SKUs of text are rows of their own: input without the cache, cached input, output with its thinking, as metered; "
    "any other SKU and a correction below 0 give a cost and no tokens.",
)
