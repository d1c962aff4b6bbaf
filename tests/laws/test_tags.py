"""Tags that are cut out of their text as they stand say what they say when the text is read as JSON."""

from __future__ import annotations

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from finledger.read.columns import over
from finledger.read.tags import bound_tag_list, tag_list

WORD = st.text(alphabet='ab=,:"{}[] \\é\x7f\x85\n', max_size=4)
PAIR = st.tuples(WORD, st.sampled_from(['":"', '": "', '" :"', '":']), WORD).map(lambda each: f'"{"".join(each)}"')
OBJECT = st.tuples(st.lists(PAIR, max_size=4), st.sampled_from([",", ", ", " ,"])).map(lambda each: each[1].join(each[0]))
LIST = st.tuples(st.lists(WORD.map(lambda word: f'"{word}"'), max_size=3), st.sampled_from([",", ", "]))
TEXT = st.one_of(
    LIST.map(lambda each: f"[{each[1].join(each[0])}]"),
    OBJECT.map(lambda inside: f"{{{inside}}}"),
    OBJECT,
    WORD,
    st.just('{"a":"1","a":"2"}'),
    st.just('{"b":"1","a":""}'),
)


@settings(max_examples=40)
@given(texts=st.lists(TEXT, min_size=1, max_size=40))
def test_tags__cut_out_or_read(texts: list[str]) -> None:
    levels: list[tuple[str, str]] = []

    def bind(sql: str) -> str:
        levels.append((f"bound{len(levels)}", sql))
        return levels[-1][0]

    cut = bound_tag_list("given", bind)
    relation = over("(SELECT unnest(?::VARCHAR[]) AS given)", ([each] for each in levels))
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT given, {cut}, {tag_list('given')} FROM {relation}", [texts]).fetchall()
    assert [row for row in rows if row[1] != row[2]] == []
