"""A load generator that keeps every answer: `python -m bench.watched_load HOST PORT CONNECTIONS REQUESTS STOP ANSWERS`.

It goes on until the file STOP is there; then ANSWERS gets one line an answer: when it was asked (epoch seconds), how
long it took (seconds), its HTTP status, and its first item.
"""

import asyncio
import json
import re
import sys
import time
from functools import partial
from pathlib import Path

import uvloop

from bench.load import Connection

FIRST = re.compile(rb'"itemId": ?"([^"]*)"')


class Watched(Connection):
    """Keeps what each request was answered, whatever it was."""

    def __init__(
        self, requests: list[bytes], first: int, answers: list[tuple[float, float, int, str]]
    ) -> None:
        super().__init__(requests, first)
        self.answers = answers

    def answered(self) -> None:
        took = self.seconds[-1]
        found = FIRST.search(self.buffer)
        status = int(self.buffer[9:12])
        item = "" if found is None else found[1].decode()
        self.answers.append((time.time() - took, took, status, item))


async def load(host: str, port: int, connections: int, requests: list[bytes], stop: Path, file: Path) -> None:
    answers: list[tuple[float, float, int, str]] = []
    made: list[Watched] = []
    spread = len(requests) // connections
    for n in range(connections):
        _, connection = await asyncio.get_running_loop().create_connection(
            partial(Watched, requests, n * spread, answers), host, port
        )
        made.append(connection)
    while not stop.exists():
        await asyncio.sleep(0.05)
    for connection in made:
        connection.stopped = True
    await asyncio.wait([connection.lost for connection in made], timeout=5)
    lost = [(time.time(), 0.0, 0, fault) for one in made for fault in one.faults if "lost" in fault]
    file.write_text("\n".join(json.dumps(answer) for answer in (*answers, *lost)))


if __name__ == "__main__":
    host, port, connections, requests_file, stop, file = sys.argv[1:]
    prepared = [text.encode() for text in json.loads(Path(requests_file).read_text())]
    uvloop.run(load(host, int(port), int(connections), prepared, Path(stop), Path(file)))
