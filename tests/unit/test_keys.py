"""KeyFile in a file that several processes read and change."""

import json
import stat
import time
from pathlib import Path

import pytest

from sartor.errors import Unavailable
from sartor.keys import STALE_SECONDS, AccessKey, KeyFile, KeysError

ACCOUNT = "111122223333"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys.json"


def test_only_its_owner_may_read_the_file(place: Path) -> None:
    keys = KeyFile(place)
    key = keys.add(ACCOUNT)
    keys.add(ACCOUNT)
    keys.revoke(key.access_key_id)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_secret_never_shows_in_a_repr() -> None:
    assert "hidden" not in repr(AccessKey("AKIA", "hidden", ACCOUNT))


DAMAGED = [
    *("", "{", "[]", "[" * 100_000, '{"keys": [{"access_key_id": "A", "secret": "hidden"}]}'),
    '{"keys": [{"access_key_id": "A", "secret_access_key": 5, "account": "111122223333"}]}',
]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_file_is_refused_without_showing_what_it_has(place: Path, text: str) -> None:
    place.parent.mkdir()
    place.write_text(text)
    with pytest.raises(KeysError, match="is damaged") as refused:
        KeyFile(place).get("A")
    assert "hidden" not in str(refused.value)
    with pytest.raises(KeysError):
        KeyFile(place).add(ACCOUNT)
    assert place.read_text() == text, "what can perhaps be mended is not overwritten"


@pytest.mark.parametrize("text", [None, *DAMAGED], ids=range(1 + len(DAMAGED)))
def test_a_key_is_refused_from_the_moment_when_its_file_is_gone_or_damaged(
    place: Path, text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    server = KeyFile(place)
    key = server.first(ACCOUNT)
    assert server.get(key.access_key_id) == key
    kept = place.read_text()
    place.unlink() if text is None else place.write_text(text)
    for _ in range(5):  # close together, so that a memory of the key would serve
        now += 2 * STALE_SECONDS
        for _ in range(2):
            with pytest.raises(Unavailable, match="put back a copy"):
                server.get(key.access_key_id)
    place.write_text(kept)
    assert server.get(key.access_key_id) == key


def test_a_file_that_was_made_and_is_gone_is_not_made_anew(place: Path) -> None:
    key = KeyFile(place).first(ACCOUNT)
    place.unlink()
    for use in (
        KeyFile(place).all,
        lambda: KeyFile(place).first(ACCOUNT),
        lambda: KeyFile(place).add(ACCOUNT),
    ):
        with pytest.raises(KeysError, match="is gone: put back a copy"):
            use()
    assert not place.exists()
    place.with_name("keys.json.lock").unlink()  # as the message says
    assert KeyFile(place).first(ACCOUNT) != key


def test_the_file_is_json_that_can_be_copied_to_another_server(place: Path) -> None:
    key = KeyFile(place).add(ACCOUNT)
    assert json.loads(place.read_text()) == {
        "keys": [
            {
                "access_key_id": key.access_key_id,
                "secret_access_key": key.secret_access_key,
                "account": ACCOUNT,
            }
        ]
    }


def test_a_folder_says_where_its_keys_lie_instead(place: Path) -> None:
    keys = KeyFile(place)
    assert keys.database is None
    keys.point_to(None)
    assert not place.exists()
    key = keys.add(ACCOUNT)
    keys.point_to("postgresql://user:secret@host/sartor")
    assert KeyFile(place).database == "postgresql://user:secret@host/sartor"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    other = keys.add(ACCOUNT)
    assert KeyFile(place).database == "postgresql://user:secret@host/sartor"
    keys.point_to(None)
    assert (keys.database, keys.all()) == (None, [key, other])
