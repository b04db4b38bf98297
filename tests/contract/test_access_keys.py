"""Access keys, in a file or in the database: what another process changes is known to all."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from contract.conftest import empty_database
from sartor.keys import AccessKey, KeyFile, KeyRefused, Keys, new_role
from sartor.resources import key_table
from sartor.resources.key_table import KeyTable
from sartor.resources.store import Store

ACCOUNT, OTHER = "111122223333", "000000000000"
#: Prints the first key of an account, of the keys that the arguments name.
FIRST = """
import sys
from pathlib import Path
from sartor.keys import KeyFile
from sartor.resources.key_table import KeyTable
from sartor.resources.store import Store
kind, place, account = sys.argv[1:]
if kind == "file":
    print(KeyFile(Path(place)).first(account))
else:
    store = Store.open(place)
    print(KeyTable(store.database).first(account))
    store.close()
"""
Opened = Callable[[], Keys]


@pytest.fixture(params=["file", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Give where no keys are yet, and of which sort that is."""
    if request.param == "file":
        yield "file", str(tmp_path / "data" / "keys.json")
        return
    with empty_database(request.param, request, tmp_path) as url:
        yield request.param, url


@pytest.fixture
def opened(place: tuple[str, str]) -> Iterator[Opened]:
    """Give what opens the keys as one more process would."""
    stores: list[Store] = []

    def of_another_process() -> Keys:
        if place[0] == "file":
            return KeyFile(Path(place[1]))
        stores.append(Store.open(place[1]))
        return KeyTable(stores[-1].database)

    yield of_another_process
    for store in stores:
        store.close()


def test_a_new_key_looks_like_one_of_amazons_and_signs_for_its_account(opened: Opened) -> None:
    key = opened().add(ACCOUNT)
    assert key.account == ACCOUNT
    assert len(key.access_key_id) == 20
    assert key.access_key_id.startswith("AKIA")
    assert len(key.secret_access_key) == 40
    assert opened().get(key.access_key_id) == key


def test_a_pair_that_exists_is_taken_as_it_is_and_no_other_takes_its_place(opened: Opened) -> None:
    mine = AccessKey("AKIAMINE", "my-own-secret", ACCOUNT)
    opened().take(mine)
    opened().take(mine)
    assert opened().all() == [mine]
    for other in (
        AccessKey("AKIAMINE", "another-one", ACCOUNT),
        AccessKey("AKIAMINE", "my-own-secret", OTHER),
    ):
        with pytest.raises(KeyRefused, match="There is a key AKIAMINE already"):
            opened().take(other)
    assert opened().get("AKIAMINE") == mine


def test_a_key_that_another_process_adds_is_known_at_once(opened: Opened) -> None:
    server, other = opened(), opened()
    server.first(ACCOUNT)
    for _ in range(20):
        added = other.add(ACCOUNT)
        assert server.get(added.access_key_id) == added


def test_a_key_that_another_process_revokes_is_soon_unknown(opened: Opened) -> None:
    server = opened()
    key = server.first(ACCOUNT)
    assert server.get(key.access_key_id) == key
    assert opened().revoke(key.access_key_id)
    time.sleep(key_table.STALE_SECONDS)
    assert server.get(key.access_key_id) is None


def test_revoking_a_key_that_is_not_there_says_so(opened: Opened) -> None:
    assert not opened().revoke("AKIANOBODY")


def test_the_first_key_is_made_once_for_an_account_and_then_kept(opened: Opened) -> None:
    first = opened().first(ACCOUNT)
    opened().add(ACCOUNT)
    assert opened().first(ACCOUNT) == first
    other = opened().first(OTHER)
    assert other.account == OTHER
    assert [key.account for key in opened().all()] == [ACCOUNT, ACCOUNT, OTHER]
    assert opened().all()[0] == first


def test_processes_that_start_together_agree_on_the_first_key(place: tuple[str, str], opened: Opened) -> None:
    command = [sys.executable, "-c", FIRST, *place, ACCOUNT]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    assert len({process.communicate()[0] for process in started}) == 1
    assert not any(process.returncode for process in started)
    assert len(opened().all()) == 1


def test_a_machines_own_keys_are_taken_over_once_and_none_comes_back(store: Store, tmp_path: Path) -> None:
    own, keys = KeyFile(tmp_path / "keys.json"), KeyTable(store.database)
    first, second = own.add(ACCOUNT), own.add(OTHER, (POLICY,))
    own.add_role(new_role(ROLE, POLICY, (POLICY,), 3600))
    keys.take_over(own)
    assert keys.all() == [first, second]
    assert keys.roles() == own.roles()
    assert keys.first(ACCOUNT) == first
    keys.revoke(first.access_key_id)
    keys.take_over(own)
    assert keys.all() == [second]


def test_who_asks_with_unknown_keys_makes_few_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, moment, reads = KeyTable(store.database), 100.0, []
    monkeypatch.setattr(key_table, "time", SimpleNamespace(monotonic=lambda: moment))
    rows = store.database.rows
    monkeypatch.setattr(store.database, "rows", lambda *asked: (reads.append(1), rows(*asked))[1])
    for number in range(1000):
        assert keys.get(f"AKIA{number}") is None
    assert len(reads) <= 2 * (key_table._LOOKS_A_SECOND + 1), "keys, and roles"
    moment = 101.0
    added = KeyTable(store.database).add(ACCOUNT)
    assert keys.get(added.access_key_id) == added


POLICY, OTHER_POLICY = '{"Statement": []}', '{"Statement": [1]}'
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/reader"


def test_a_role_that_another_process_makes_is_known_with_its_policies(opened: Opened) -> None:
    server, other = opened(), opened()
    role = new_role(ROLE, POLICY, (POLICY, OTHER_POLICY), 7200)
    assert server.role(ROLE) is None
    other.add_role(role)
    assert server.role(ROLE) == role
    assert server.roles() == [role]
    with pytest.raises(KeyRefused, match="Role with name reader already exists"):
        opened().add_role(new_role(ROLE, POLICY, (), 3600))
    assert opened().remove_role(ROLE)
    time.sleep(key_table.STALE_SECONDS)
    assert server.role(ROLE) is None
    assert not opened().remove_role(ROLE)
    opened().add_role(new_role(ROLE, POLICY, (), 3600))
    found = opened().role(ROLE)
    assert found is not None
    assert found.policies == (), "those of the role before it are gone"
    assert found.role_id != role.role_id


def test_a_role_gets_another_trust_and_stays_the_same_role(opened: Opened) -> None:
    role = new_role(ROLE, POLICY, (POLICY,), 3600)
    opened().add_role(role)
    assert opened().set_trust(ROLE, OTHER_POLICY)
    assert opened().roles() == [replace(role, trust=OTHER_POLICY)]
    assert not opened().set_trust(f"{ROLE}-other", POLICY)


def test_the_policies_of_a_key_are_soon_known_and_go_with_it(opened: Opened) -> None:
    server = opened()
    key = server.add(ACCOUNT, (POLICY,))
    assert server.get(key.access_key_id) == key
    assert key.policies == (POLICY,)
    assert opened().set_policies(key.access_key_id, (OTHER_POLICY,))
    time.sleep(key_table.STALE_SECONDS)
    changed = server.get(key.access_key_id)
    assert changed is not None
    assert changed.policies == (OTHER_POLICY,)
    assert opened().revoke(key.access_key_id)
    assert not opened().set_policies(key.access_key_id, (POLICY,))
    opened().take(AccessKey(key.access_key_id, key.secret_access_key, ACCOUNT))
    again = opened().get(key.access_key_id)
    assert again is not None
    assert again.policies == ()
