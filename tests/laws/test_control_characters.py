"""A text is looked through for control characters in pieces; where a piece ends makes no difference."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from finledger.read.opened import Opened, open_export

BORDERS = (4096, 4096 + (1 << 20))  # the first piece shows the encoding
# of two and more bytes, with the lead byte of U+0080 to U+009F and without, and the ones that may stand in a line
WORD = st.text(alphabet="a,\u0080\u0085\u009f\u00a0\u00c2é°≤🙂\x7f\x1f\t", min_size=1, max_size=4)


def held(text: str) -> bool:
    return any((character < " " and character not in "\t\r\n") or "\x7f" <= character <= "\x9f" for character in text)


@settings(max_examples=40)
@given(word=WORD, border=st.sampled_from(BORDERS), back=st.integers(min_value=0, max_value=8))
@example(word="\u0085", border=BORDERS[0], back=1)
@example(word="\u0085", border=BORDERS[1], back=1)
@example(word="≤", border=BORDERS[1], back=1)
def test_control_characters__are_found_wherever_a_piece_ends(word: str, border: int, back: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.csv"
        path.write_bytes(b"a" * (border - back) + word.encode() + b"\n")
        opened = open_export(path, path.name, Path(folder))
    assert isinstance(opened, Opened)
    assert opened.control == held(word)
