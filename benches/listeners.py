"""Follows a job with many event streams until it has ended: ADDRESS JOB COUNT."""

import asyncio
import re
import sys
from urllib.parse import urlsplit

ENDED = re.compile(rb'event: job\ndata: {"id":"[^"]*","name":"[^"]*","status":"complete"')


async def listen(host, port, job):
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 24)
    writer.write(f"GET /api/events?job={job} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode())
    tail = b""
    while True:
        part = await reader.read(1 << 16)
        text = tail + part
        ended = bool(ENDED.search(text))
        if ended or not part:
            break
        tail = text[-2000:]
    writer.close()
    return ended


async def main(address, job, count):
    place = urlsplit(address)
    streams = [listen(place.hostname, place.port, job) for _ in range(int(count))]
    if not all(await asyncio.gather(*streams)):
        sys.exit("a stream ended before the job")


asyncio.run(main(*sys.argv[1:]))
