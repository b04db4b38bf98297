"""Keys in a file that several processes read and change."""

import json
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sartor.errors import Unavailable
from sartor.keys import STALE_SECONDS, AccessKey, Keys, KeysError

ACCOUNT = "111122223333"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys.json"


def test_a_new_key_looks_like_one_of_amazons_and_signs_for_its_account(place: Path) -> None:
    key = Keys(place).add(ACCOUNT)
    assert key.account == ACCOUNT
    assert len(key.access_key_id) == 20
    assert key.access_key_id.startswith("AKIA")
    assert len(key.secret_access_key) == 40
    assert Keys(place).get(key.access_key_id) == key


def test_only_its_owner_may_read_the_file(place: Path) -> None:
    keys = Keys(place)
    key = keys.add(ACCOUNT)
    keys.add(ACCOUNT)
    keys.revoke(key.access_key_id)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_key_that_another_process_adds_is_known_at_once(place: Path) -> None:
    server = Keys(place)
    server.first(ACCOUNT)
    for _ in range(20):
        added = Keys(place).add(ACCOUNT)
        assert server.get(added.access_key_id) == added


def test_a_key_that_another_process_revokes_is_soon_unknown(place: Path) -> None:
    server = Keys(place)
    key = server.first(ACCOUNT)
    assert server.get(key.access_key_id) == key
    assert Keys(place).revoke(key.access_key_id)
    time.sleep(STALE_SECONDS)
    assert server.get(key.access_key_id) is None


def test_revoking_a_key_that_is_not_there_says_so(place: Path) -> None:
    assert not Keys(place).revoke("AKIANOBODY")


def test_the_first_key_is_made_once_for_an_account_and_then_kept(place: Path) -> None:
    first = Keys(place).first(ACCOUNT)
    assert Keys(place).first(ACCOUNT) == first
    other = Keys(place).first("000000000000")
    assert other.account == "000000000000"
    assert Keys(place).all() == [first, other]


def test_processes_that_start_together_agree_on_the_first_key(place: Path) -> None:
    first = f"Keys(Path({str(place)!r})).first({ACCOUNT!r})"
    code = f"from pathlib import Path; from sartor.keys import Keys; print({first})"
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(6)]
    assert len({process.communicate()[0] for process in started}) == 1
    assert not any(process.returncode for process in started)
    assert len(Keys(place).all()) == 1


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
        Keys(place).get("A")
    assert "hidden" not in str(refused.value)
    with pytest.raises(KeysError):
        Keys(place).add(ACCOUNT)
    assert place.read_text() == text, "what can perhaps be mended is not overwritten"


@pytest.mark.parametrize("text", [None, *DAMAGED], ids=range(1 + len(DAMAGED)))
def test_a_key_is_refused_from_the_moment_when_its_file_is_gone_or_damaged(
    place: Path, text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    server = Keys(place)
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
    key = Keys(place).first(ACCOUNT)
    place.unlink()
    for use in (Keys(place).all, lambda: Keys(place).first(ACCOUNT), lambda: Keys(place).add(ACCOUNT)):
        with pytest.raises(KeysError, match="is gone: put back a copy"):
            use()
    assert not place.exists()
    place.with_name("keys.json.lock").unlink()  # as the message says
    assert Keys(place).first(ACCOUNT) != key


def test_the_file_is_json_that_can_be_copied_to_another_server(place: Path) -> None:
    key = Keys(place).add(ACCOUNT)
    assert json.loads(place.read_text()) == {
        "keys": [
            {
                "access_key_id": key.access_key_id,
                "secret_access_key": key.secret_access_key,
                "account": ACCOUNT,
            }
        ]
    }
