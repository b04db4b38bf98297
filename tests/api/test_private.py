"""What a server keeps is its owner's alone; what it shows to everybody has a port of its own."""

import stat
import urllib.error
import urllib.request
from pathlib import Path

from api.conftest import Client
from api.schemas import schema
from sartor.demo.server import Server


def test_nobody_else_may_look_into_the_data_folder_and_exports_follow_their_bucket(tmp_path: Path) -> None:
    data, bucket = tmp_path / "data", tmp_path / "bucket"
    (data / "buckets" / "old").mkdir(parents=True)
    (data / "buckets" / "old" / "users.csv").write_text("USER_ID\n")
    (data / "buckets" / "old").chmod(0o777)
    (data / "buckets" / "old" / "users.csv").chmod(0o666)
    (tmp_path / "elsewhere.csv").write_text("a")
    (tmp_path / "elsewhere.csv").chmod(0o644)
    (data / "link.csv").symlink_to(tmp_path / "elsewhere.csv")
    data.chmod(0o755)
    bucket.mkdir()
    bucket.chmod(0o755)
    with Server(data, {"training": bucket}, ("--quotas", "off")) as server:
        client = Client(server, bucket)
        columns = (("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
        dataset = client.dataset(schema("Interactions", *columns), "Interactions")
        key = client.write("in.csv", "USER_ID,ITEM_ID,TIMESTAMP\nu,i,1\n")
        assert client.imported(dataset, key)["status"] == "ACTIVE"
        event = {"eventType": "e", "itemId": "i", "sentAt": 1}
        client.events.put_events(trackingId=client.tracker(dataset), sessionId="s", eventList=[event])
        client.exported(dataset)
        open_to_others = [
            path
            for path in data.rglob("*")
            if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
        ]
        assert open_to_others == []
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "elsewhere.csv").stat().st_mode) == 0o644, "no link is followed"
    exports = list((bucket / "exports").rglob("*"))
    assert {stat.S_IMODE(one.stat().st_mode) for one in exports if one.is_file()} == {0o644}
    assert {stat.S_IMODE(one.stat().st_mode) for one in exports if one.is_dir()} == {0o755}


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as answered:
            return int(answered.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_metrics_have_a_port_of_their_own_that_answers_nothing_else(tmp_path: Path) -> None:
    with Server(tmp_path, {}, ("--workers", "0", "--metrics-port", "0")) as server:
        (line,) = [line for line in server.log.read_text().splitlines() if "metrics are at" in line]
        url = line.rpartition(" ")[2]
        assert status(url) == 200
        root = url.removesuffix("/metrics")
        assert [status(root + path) for path in ("/", "/health/ready", "/sartor/v1/openapi.json")] == [
            404
        ] * 3
        assert status(f"{server.url}/metrics") == 403
        assert status(f"{server.url}/health/ready") == 200
