"""A load generator: a few connections, each with one request in flight, signed before the clock starts.

Run as `python -m bench.load HOST PORT CONNECTIONS SECONDS REQUESTS_FILE`; prints the rate and the
latencies as JSON. The file holds whole HTTP requests as a JSON list of strings.
"""

import asyncio
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import cast

import uvloop

#: Requests before the clock starts.
WARM_UP_SECONDS = 0.5


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is whole."""

    def __init__(self, requests: list[bytes], first: int) -> None:
        self.requests = requests
        self.next = first
        self.seconds: list[float] = []
        self.faults: list[str] = []
        self.buffer = b""
        self.needed = 0
        self.begun = 0.0
        self.stopped = False
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.send()

    def send(self) -> None:
        request = self.requests[self.next % len(self.requests)]
        self.next += 1
        self.begun = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.needed:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].lower()
            at = head.index(b"content-length:") + len(b"content-length:")
            length_end = head.find(b"\r\n", at)
            length = int(head[at : length_end if length_end > 0 else None])
            self.needed = end + 4 + length
        if len(self.buffer) < self.needed:
            return
        self.seconds.append(time.perf_counter() - self.begun)
        self.answered()
        if not self.buffer.startswith(b"HTTP/1.1 200"):
            self.faults.append(self.buffer[:600].decode(errors="replace"))
        self.buffer = b""
        self.needed = 0
        if self.stopped:
            self.transport.close()
        else:
            self.send()

    def answered(self) -> None:
        """See the whole answer, which lies in the buffer."""

    def connection_lost(self, error: Exception | None) -> None:
        if not self.stopped:
            self.faults.append(f"connection lost: {error}")
        self.lost.set_result(None)


async def load(
    host: str, port: int, connections: int, seconds: float, requests: list[bytes]
) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    spread = len(requests) // connections
    made: list[Connection] = []
    for n in range(connections):
        _, connection = await loop.create_connection(partial(Connection, requests, n * spread), host, port)
        made.append(connection)
    await asyncio.sleep(WARM_UP_SECONDS)
    for connection in made:
        connection.seconds.clear()
    begun = time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - begun
    latencies = sorted(second for connection in made for second in connection.seconds)
    for connection in made:
        connection.stopped = True
    await asyncio.wait([connection.lost for connection in made], timeout=5)
    faults = [fault for connection in made for fault in connection.faults]
    if faults or not latencies:
        raise SystemExit(f"{len(faults)} requests were not answered with 200, such as: {faults[:1]}")
    return {
        "rate": len(latencies) / took,
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[int(len(latencies) * 0.99)],
    }


if __name__ == "__main__":
    host, port, connections, seconds, file = sys.argv[1:]
    prepared = [text.encode() for text in json.loads(Path(file).read_text())]
    print(json.dumps(uvloop.run(load(host, int(port), int(connections), float(seconds), prepared))))
