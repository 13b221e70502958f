"""CustomInput: the text in `{"input": "..."}`, whole from any pieces."""

import json

from hypothesis import given
from hypothesis import strategies as st

from palmette.runtime.server.custom_input import CustomInput


@given(text=st.text(max_size=12), is_ascii=st.booleans(), size=st.integers(1, 5))
def test_any_text_in_any_pieces(text: str, is_ascii: bool, size: int) -> None:
    written = json.dumps({"input": text}, ensure_ascii=is_ascii)
    reader = CustomInput()
    read = [reader.feed(written[start : start + size]) for start in range(0, len(written), size)]
    assert "".join(read) == text
    for piece in read:
        piece.encode()  # raises where a pair of surrogates was cut
