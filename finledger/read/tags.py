"""Tags in all the shapes that exports write them in, as the JSON list of texts that the store keeps."""

from __future__ import annotations

import re
from collections.abc import Callable

_TEXT = r'[^"\\:,[:cntrl:]\x{80}-\x{9f}][^"\\[:cntrl:]\x{80}-\x{9f}]*'  # not `,`, which would end a pair
_PAIR = f'"{_TEXT}": ?"({_TEXT})?"'
_FLAT = f"[{{]{_PAIR}(, ?{_PAIR})*[}}]"  # an object of plain texts, as nearly all are
_MAP = r"[{][^{}=,\"]+=[^{}=,]*(, [^{}=,\"]+=[^{}=,]*)*[}]"  # as Athena and Trino write a map in a CSV
_QUOTED = r"''[^''\"\\=]*''"
_DICT = rf"[{{]{_QUOTED}: {_QUOTED}(, {_QUOTED}: {_QUOTED})*[}}]"  # as pandas writes one, or its pairs
_TUPLES = rf"\[[(]{_QUOTED}, {_QUOTED}[)](, [(]{_QUOTED}, {_QUOTED}[)])*\]"
_WORD = r'"[^"\\[:cntrl:]\x{80}-\x{9f}]*"'
_LIST = rf"\[({_WORD}(,{_WORD})*)?\]"  # a list of them, as it is kept


def tag_list(text: str) -> str:
    """Tags as a JSON list of text: a list stays one, an object becomes key=value, anything else a list of one.

    A list of {key, value} is an object; so are Azure's `"k": "v"` without braces, Athena's `{k=v, l=w}`, and `{'k': 'v'}` and
    `[('k', 'v')]` of pandas. An object that names a key twice is no mapping: it stays as it is written, a list of one.
    """
    braced = "CASE WHEN starts_with(t, '\"') AND json_valid('{' || t || '}') THEN '{' || t || '}' ELSE t END"
    pairs = (
        "to_json(list_sort(list_transform(map_entries(CAST(CAST(b AS JSON) AS MAP(VARCHAR, VARCHAR))), "
        "lambda entry: entry.key || '=' || coalesce(entry.value, ''))))"
    )
    listed = (
        "to_json(list_sort(list_transform(CAST(CAST(b AS JSON) AS JSON[]), "
        "lambda entry: coalesce(entry->>'key', '') || '=' || coalesce(entry->>'value', ''))))"
    )
    named = (
        "CASE WHEN nullif(b, '') IS NULL THEN NULL WHEN NOT regexp_matches(b, '^\\s*[\\[{]') THEN CAST(to_json([b]) AS VARCHAR) "
        f"WHEN NOT json_valid(b) THEN CAST(to_json({_pairs('b')}) AS VARCHAR) "
        f"WHEN regexp_matches(b, '^\\s*[{{]') THEN CAST(coalesce(TRY({pairs}), to_json([b])) AS VARCHAR) "
        "WHEN json_type(b, '$[0]') = 'OBJECT' AND json_exists(b, '$[0].key') THEN "
        f"CAST({listed} AS VARCHAR) "
        "ELSE CAST(to_json(CAST(CAST(b AS JSON) AS VARCHAR[])) AS VARCHAR) END"
    )
    # a lambda of one value names it once: the text may be a long expression, and it is looked at many times
    found = f"list_transform([{text}], lambda t: list_transform([{braced}], lambda b: {named})[1])[1]"
    return f"CASE WHEN {text} IS NOT NULL THEN {found} END" if re.fullmatch(r"\w+", text) else found


def _pairs(text: str) -> str:
    """SQL of the list of a text that is no JSON: key=value where it is written as one of these tools write pairs, else itself."""
    pair, between = "replace(found, '{0}', '=')", "string_split({1}, '{2}')"
    cut = f"list_transform({between}, lambda found: {pair})"
    dicts = cut.format("'': ''", f"{text}[3:-3]", "'', ''")
    tuples = cut.format("'', ''", f"{text}[4:-4]", "''), (''")
    return (
        f"CASE WHEN regexp_full_match({text}, '{_MAP}') THEN list_sort(string_split({text}[2:-2], ', ')) "
        f"WHEN regexp_full_match({text}, '{_DICT}') THEN list_sort({dicts}) "
        f"WHEN regexp_full_match({text}, '{_TUPLES}') THEN list_sort({tuples}) ELSE [{text}] END"
    )


def bound_tag_list(text: str, bind: Callable[[str], str]) -> str:
    """The same, quicker for a list of plain texts, and for an object of them, whose pairs are cut out of it as they stand.

    `bind` gives SQL a name, below: what stands in a CASE or a lambda is worked out row by row, also where the texts are few.
    """
    given = bind(text)
    flat = bind(f"regexp_full_match({given}, '{_FLAT}')")
    joined = f"replace(replace(replace({given}, '\": \"', '\":\"'), '\", \"', '\",\"'), '\":\"', '=')"
    pairs = bind(f"'[\"' || array_to_string(list_sort(string_split({joined}[3:-3], '\",\"')), '\",\"') || '\"]'")
    listed = bind(f"regexp_full_match({given}, '{_LIST}')")
    once = f"list_unique(json_keys({given})) = len(json_keys({given}))"
    return bind(
        f"CASE WHEN {flat} AND {once} THEN {pairs} WHEN {listed} THEN {given} WHEN {given} IS NOT NULL THEN {tag_list(given)} END"
    )
