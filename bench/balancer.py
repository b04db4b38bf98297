"""What stands before several servers: `python -m bench.balancer PORT BACKEND…`, the ports of the servers.

Each connection goes to the next server that takes it, and ends with it: clients try again, as with any load balancer.
"""

import asyncio
import itertools
import sys
from collections.abc import Iterator
from contextlib import suppress


async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on bytes until one of both ends."""
    with suppress(OSError):
        while some := await source.read(2**16):
            target.write(some)
            await target.drain()
    target.close()


async def connected(turns: Iterator[int], ports: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the next server that is there."""
    for port in itertools.islice(turns, ports):
        with suppress(OSError):
            return await asyncio.open_connection("127.0.0.1", port)
    raise ConnectionRefusedError("no server is there")


async def main(port: int, backends: list[int]) -> None:
    turns = itertools.cycle(backends)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await connected(turns, len(backends))
        except ConnectionRefusedError:
            writer.close()
            return
        await asyncio.gather(carry(reader, to_server), carry(from_server, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), [int(word) for word in sys.argv[2:]]))
