"""A page of another origin in a real browser, if this machine has one, against a server that verifies nobody."""

import json
import shutil
import subprocess
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from api.conftest import Client
from api.schemas import schema
from sartor.demo.server import Server

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
#: Every way in which a page may send something without asking first, and two in which it must ask.
PAGE = """<script>
const events = "@SERVER@/events", back = "@SERVER@/sartor/v1/datasets/@DATASET@/rollback", to = '{"to": 0}';
const put = @EVENTS@, json = {"content-type": "application/json"};
const form = (action, name, value) => {
  const [made, field, frame] = ["form", "input", "iframe"].map((name) => document.createElement(name));
  Object.assign(made, {method: "POST", enctype: "text/plain", action, target: frame.name = "frame"});
  Object.assign(field, {name, value}); made.append(field); document.body.append(frame, made); made.submit();
};
const post = (url, options) => fetch(url, {method: "POST", ...options}).catch(() => 0);
onload = async () => {
  navigator.sendBeacon(events, put); navigator.sendBeacon(events, new Blob([put]));
  navigator.sendBeacon(events, new Blob([put], {type: "application/json"}));
  for (const [url, text] of [[events, put], [back, to]]) {
    await post(url, {mode: "no-cors", body: text}); await post(url, {mode: "no-cors", body: new Blob([text])});
    await post(url, {headers: json, body: text});
  }
  form(back, '{"to": 0, "x": "', '"}');
};
</script>"""


#: What Amplify does: it signs an event by itself and sends it to another origin, here with WebCrypto.
SIGNING_PAGE = """<body><script>
const server = "@SERVER@", key = "@KEY@", secret = "@SECRET@", body = @EVENTS@;
const text = new TextEncoder(), digits = (one) => one.toString(16).padStart(2, "0");
const hex = (raw) => [...new Uint8Array(raw)].map(digits).join("");
const sha = async (value) => hex(await crypto.subtle.digest("SHA-256", text.encode(value)));
const hmac = async (with_, value) => {
  const made = await crypto.subtle.importKey("raw", with_, {name: "HMAC", hash: "SHA-256"}, false, ["sign"]);
  return crypto.subtle.sign("HMAC", made, text.encode(value));
};
onload = async () => {
  const moment = new Date().toISOString().replace(/[-:]|\\.\\d+/g, ""), day = moment.slice(0, 8);
  const host = new URL(server).host, signed = "content-type;host;x-amz-date";
  const scope = `${day}/us-east-1/personalize/aws4_request`;
  const lines = `content-type:application/json\\nhost:${host}\\nx-amz-date:${moment}\\n`;
  const request = ["POST", "/events", "", lines, signed, await sha(body)].join("\\n");
  let signing = text.encode("AWS4" + secret);
  for (const word of scope.split("/")) signing = await hmac(signing, word);
  const signature = hex(await hmac(signing, ["AWS4-HMAC-SHA256", moment, scope, await sha(request)].join("\\n")));
  const authorization = `AWS4-HMAC-SHA256 Credential=${key}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
  const headers = {"content-type": "application/json", "x-amz-date": moment, authorization};
  try {
    const answer = await fetch(server + "/events", {method: "POST", headers, body});
    document.body.textContent = `status ${answer.status} id ${answer.headers.get("x-amzn-requestid")}`;
  } catch (error) { document.body.textContent = "blocked"; }
};
</script></body>"""


class Page(BaseHTTPRequestHandler):
    """Shows the page."""

    text = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(self.text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_page_of_another_origin_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    options = ("--auth", "open", "--quotas", "off")
    with Server(tmp_path / "data", {"training": tmp_path / "bucket"}, options) as server:
        client = Client(server, tmp_path / "bucket")
        columns = (("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
        dataset = client.dataset(schema("Interactions", *columns), "Interactions")
        assert (
            client.imported(dataset, client.write("in.csv", "USER_ID,ITEM_ID,TIMESTAMP\nu,i,1\n"))["status"]
            == "ACTIVE"
        )
        event = {"eventType": "e", "itemId": "i", "sentAt": 1}
        put = {
            "trackingId": client.tracker(dataset),
            "userId": "evil",
            "sessionId": "s",
            "eventList": [event],
        }
        history = f"/sartor/v1/datasets/{dataset}/history"
        before = server.get(history)
        words = {"SERVER": server.url, "DATASET": dataset, "EVENTS": json.dumps(json.dumps(put))}
        text = PAGE
        for word, value in words.items():
            text = text.replace(f"@{word}@", value)
        Page.text = text.encode()
        with ThreadingHTTPServer(("127.0.0.1", 0), Page) as pages:
            threading.Thread(target=pages.serve_forever, daemon=True).start()
            show(f"http://evil.test:{pages.server_port}/", tmp_path / "profile")
            pages.shutdown()
        refused = [line for line in metrics(server) if 'operation="unknown",status="403"' in line]
        assert refused, "the page did reach the server"
        assert server.get(history) == before
        assert server.get(f"/sartor/v1/datasets/{dataset}/records?id=evil")["records"] == []


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_page_of_an_origin_that_was_named_puts_an_event_that_it_signs_itself(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as pages:
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{pages.server_port}"
        options = ("--cors", here, "--quotas", "off")
        with Server(tmp_path / "data", {"training": tmp_path / "bucket"}, options) as server:
            client = Client(server, tmp_path / "bucket")
            columns = (("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long"))
            dataset = client.dataset(schema("Interactions", *columns), "Interactions")
            event = {"eventType": "e", "itemId": "i", "sentAt": 1}
            put = {
                "trackingId": client.tracker(dataset),
                "userId": "u",
                "sessionId": "s",
                "eventList": [event],
            }
            words = {
                "SERVER": server.url,
                "KEY": server.environment["AWS_ACCESS_KEY_ID"],
                "SECRET": server.environment["AWS_SECRET_ACCESS_KEY"],
                "EVENTS": json.dumps(json.dumps(put)),
            }
            text = SIGNING_PAGE
            for word, value in words.items():
                text = text.replace(f"@{word}@", value)
            Page.text = text.encode()
            assert "status 200 id " in show(f"{here}/", tmp_path / "profile")
            found = server.get(f"/sartor/v1/datasets/{dataset}/records?id=u")["records"]
            assert len(found) == 1
        pages.shutdown()


def show(url: str, profile: Path) -> str:
    """Let the browser load a page, and what the page sends; return the page as it is then."""
    words = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={profile}",
    ]
    words += ["--host-resolver-rules=MAP *.test 127.0.0.1", "--virtual-time-budget=5000", "--dump-dom", url]
    words += ["--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"]
    done = subprocess.run([str(BROWSER), *words], capture_output=True, timeout=90, check=True)
    return done.stdout.decode(errors="replace")


def metrics(server: Server) -> list[str]:
    """Return the lines of the server's figures."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=20) as answered:
        return list(answered.read().decode().splitlines())
