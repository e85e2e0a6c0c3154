"""many_dashboards.py - open pages of /machines by the hundred, as a server sees them: each follows the stream of events
and asks for what has changed of its rows as often as boot_handler/pages/script.js does.
"""
import asyncio
import contextlib
import os
import re
import socket
import threading
import time

EVERY_S, MOVING_S = 0.25, 1.0  # ROWS_EVERY_MS, EVERY_MS
OPENED_EVERY_S = 0.1


def connected(path):
    """A socket, however long the path."""
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    try:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    finally:
        os.close(folder)
    made.setblocking(False)
    return made


@contextlib.asynccontextmanager
async def connection(path):
    reader, writer = await asyncio.open_unix_connection(sock=connected(path), limit=1 << 22)
    try:
        yield reader, writer
    finally:
        writer.close()


class Dashboard:
    def __init__(self, path, cookie):
        self.path, self.cookie = path, cookie
        self.heard, self.version, self.bytes, self.asked = 0, 0, 0, 0
        self.news = asyncio.Event()

    async def ask(self, reader, writer, target):
        writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {self.cookie}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"{target}: {head[:200]}")
        return head

    async def answer(self, reader, writer, target):
        head = await self.ask(reader, writer, target)
        return await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))

    async def follow(self):
        """A chunk is a batch or a part of one; its last line is its id."""
        async with connection(self.path) as (reader, writer):
            await self.ask(reader, writer, "/api/v1/stream")
            while line := await reader.readline():
                self.bytes += len(line)
                if line.startswith(b"id: "):
                    self.heard = int(line[4:])
                    self.news.set()

    async def update(self):
        async with connection(self.path) as (reader, writer):
            page = await self.answer(reader, writer, "/machines")
            self.version = int(re.search(rb'data-version="(\d+)"', page)[1])
            while True:
                try:
                    await asyncio.wait_for(self.news.wait(), MOVING_S)
                except asyncio.TimeoutError:
                    pass
                self.news.clear()
                answer = await self.answer(reader, writer, f"/machines.json?after={self.version}&heard={self.heard}")
                self.version = int(re.search(rb'"version":(\d+)', answer)[1])
                self.bytes += len(answer)
                self.asked += 1
                await asyncio.sleep(EVERY_S)

    async def run(self):
        await asyncio.gather(self.follow(), self.update())


class ManyDashboards:
    """In a thread, until close(); `path` is the dashboard's socket, `cookie` of a session that all share."""

    def __init__(self, path, cookie, count):
        self.path = path
        self.loop = asyncio.new_event_loop()
        self.all = [Dashboard(path, cookie) for _ in range(count)]
        self.failed = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.tasks = [self.loop.create_task(self.guarded(d, n * OPENED_EVERY_S)) for n, d in enumerate(self.all)]  # else garbage
        self.loop.run_forever()

    async def guarded(self, dashboard, after_s):
        """People do not open their pages all at once."""
        await asyncio.sleep(after_s)
        try:
            await dashboard.run()
        except (OSError, EOFError, TypeError) as e:
            self.failed.append(repr(e))

    def sums(self):
        """Moment, bytes and answers of all so far."""
        return time.monotonic(), sum(d.bytes for d in self.all), sum(d.asked for d in self.all)

    async def end(self):
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def close(self):
        asyncio.run_coroutine_threadsafe(self.end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()
