"""Lines of questions: every one of them once, whatever the size of the stretches and whatever is in the file."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.data import json_lines
from sartor.data.json_lines import MOST_LINE_BYTES, STRETCH_BYTES, Answered, Block, Line, UnreadableLine

#: Ends without a line end, has empty lines, line ends of Windows, and one line that is far too long.
HOSTILE = (
    b'\xef\xbb\xbf{"userId":"1"}\r\n\n  \n{"userId":"2"}\n\xff\xfe\n['
    + b"x" * (3 * MOST_LINE_BYTES)
    + b"\n"
    + b" " * 40
    + b'{"userId":"3"}\n{"userId":"4"}'
)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    (tmp_path / "in.json").write_bytes(HOSTILE)
    return tmp_path / "in.json"


def lines_of(file: Path, stretch_bytes: int, most: int = 2) -> list[Line]:
    return [
        line
        for stretch in json_lines.stretches(file, stretch_bytes)
        for block in json_lines.blocks(file, stretch, most)
        for line in block.lines()
    ]


@pytest.mark.parametrize("stretch_bytes", [1, 7, 16, 17, 100, 2**19, STRETCH_BYTES])
def test_the_stretches_of_a_file_have_every_line_once_with_its_number(
    hostile: Path, stretch_bytes: int
) -> None:
    found = lines_of(hostile, stretch_bytes)
    assert [line.number for line in found] == [1, 4, 5, 6, 7, 8]
    assert [line.text for line in found if len(line.text) < 100] == [
        b'{"userId":"1"}',
        b'{"userId":"2"}',
        b"\xff\xfe",
        b'{"userId":"3"}',
        b'{"userId":"4"}',
    ]


@pytest.mark.parametrize("stretch_bytes", [1, 50, 2**20])
def test_stretches_lie_side_by_side_and_count_all_lines(hostile: Path, stretch_bytes: int) -> None:
    stretches = list(json_lines.stretches(hostile, stretch_bytes))
    assert stretches[0].begin == 0
    assert stretches[-1].end == len(HOSTILE)
    assert all(one.end == two.begin for one, two in itertools.pairwise(stretches))
    assert all(one.first + one.lines == two.first for one, two in itertools.pairwise(stretches))
    assert sum(stretch.lines for stretch in stretches) == 8


def test_of_a_line_that_is_too_long_little_more_than_the_limit_is_read(hostile: Path) -> None:
    (line,) = [one for one in lines_of(hostile, STRETCH_BYTES) if one.number == 6]
    assert len(line.text) == MOST_LINE_BYTES + 1
    with pytest.raises(UnreadableLine, match="more than 1,048,576 bytes"):
        json_lines.read(line)


def test_a_line_of_exactly_the_longest_length_is_read(tmp_path: Path) -> None:
    text = b'{"userId":"%b"}' % (b"u" * (MOST_LINE_BYTES - len(b'{"userId":""}')))
    (tmp_path / "in.json").write_bytes(text + b"\n" + b'{"userId":"2"}\n')
    first, second = lines_of(tmp_path / "in.json", STRETCH_BYTES)
    assert len(json_lines.read(first)["userId"]) == MOST_LINE_BYTES - 13
    assert json_lines.read(second) == {"userId": "2"}


def test_a_file_without_lines_has_no_stretches(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_bytes(b"")
    assert list(json_lines.stretches(tmp_path / "in.json", 1)) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"userId":"1"', "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"USER_ID", "not valid JSON"),
        (b'["1"]', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"a":' * 5000, "not valid JSON"),
    ],
)
def test_what_is_no_object_is_refused_in_words(text: bytes, words: str) -> None:
    with pytest.raises(UnreadableLine, match=words):
        json_lines.read(Line(1, text))


def test_an_answer_is_one_line_of_json_with_the_question_as_it_came() -> None:
    written = json_lines.answer(Answered(Line(3, b'{"userId": "\\u00e9"}'), b'{"recommendedItems":["a"]}'))
    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    assert json.loads(written) == {
        "input": {"userId": "é"},
        "output": {"recommendedItems": ["a"]},
        "error": None,
    }


@pytest.mark.parametrize("text", [b"\xff not json", b"x" * 5000, b'{"userId": "1"}'])
def test_a_line_without_an_answer_is_json_in_both_files(text: bytes) -> None:
    refused = Answered(Line(3, text), None, "no such thing")
    written, fault = json.loads(json_lines.answer(refused)), json.loads(json_lines.fault(refused))
    assert (written["output"], written["error"]) == (None, "no such thing")
    assert (fault["line"], fault["error"], fault["input"]) == (3, "no such thing", written["input"])
    assert len(str(written["input"])) <= 200


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([b'{"userId":"1"}', b'{ "userId" :\t"\xc3\xbc b,}" }'], ["1", "ü b,}"]),
        ([b'{"userId":"1"}', b'{"userId":"2","filterValues":{}}'], None),
        ([b'{"userId":"1"}', b'{"itemId":"2"}'], None),
        ([b'{"userId":"1"}', b'{"userId":"\\u0041"}'], None),
        ([b'{"userId":"1"}', b'{"userId":""}'], None),
        ([b'{"userId":"1"}', b'{"userId":"\xff"}'], None),
        ([b'{"userId":"1"}', b'{"userId":"a\tb"}'], None),
        ([b'{"userId":"1"}', b'{"userId":"1"}{"userId":"1"}'], None),
    ],
)
def test_lines_of_one_text_each_are_read_at_once_and_all_others_one_by_one(
    texts: list[bytes], expected: list[str] | None
) -> None:
    for end in (b"", b"\n"):
        block = Block(1, b"\n".join(texts) + end)
        assert json_lines.texts_of(block, "userId") == expected
    if expected is not None:
        assert [json_lines.read(line)["userId"] for line in block.lines()] == expected


def test_answers_to_plain_lines_are_written_as_to_any_others() -> None:
    block = Block(3, b'{"userId":"1"}\n{ "userId":"2" }\n')
    outputs = [b'{"recommendedItems":["a"]}', b'{"recommendedItems":[]}']
    answered = [Answered(line, output) for line, output in zip(block.lines(), outputs, strict=True)]
    pieces = np.array([[output[:5], output[5:]] for output in outputs], object)
    assert json_lines.written_plainly(block, pieces) == json_lines.written(answered)


@given(
    st.lists(
        st.sampled_from([b"", b" ", b'{"userId":"1"}', b"\xef\xbb\xbf", b"x" * 30, b'"\r']), max_size=12
    ),
    st.booleans(),
    st.integers(1, 60),
    st.integers(1, 5),
)
def test_blocks_have_the_lines_of_a_file(
    tmp_path_factory: pytest.TempPathFactory, texts: list[bytes], ended: bool, stretch_bytes: int, most: int
) -> None:
    file = tmp_path_factory.mktemp("lines") / "in.json"
    content = b"\n".join(texts) + b"\n" * ended
    file.write_bytes(content)
    plain = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    expected = [(number, text.strip()) for number, text in enumerate(plain, 1) if text.strip()]
    assert [tuple(line) for line in lines_of(file, stretch_bytes, most)] == expected
