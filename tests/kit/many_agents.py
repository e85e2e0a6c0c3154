"""many_agents.py - agents by the thousand, as a server sees them: each waits for an order with one open request."""
import select
import socket
import time

from kit.check import check
from kit.lab import SERVER


def mac(n):
    return f"52:54:00:a9:{n // 256:02x}:{n % 256:02x}"


class ManyAgents:
    """In the network namespace that the thread is in."""

    def __init__(self, count, wait_s):
        self.wait_s = wait_s
        self.calls = {n: socket.create_connection((SERVER, 80), timeout=wait_s + 20) for n in range(count)}
        for n in self.calls:
            self.ask(n)

    def ask(self, n):
        self.calls[n].sendall(f"GET /api/device-action-poll?mac={mac(n)}&wait={self.wait_s} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def wait(self, seconds):
        """Whoever is answered asks again; how many were."""
        count, until = 0, time.monotonic() + seconds
        by_fd = {s.fileno(): n for n, s in self.calls.items()}
        poller = select.poll()
        for fd in by_fd:
            poller.register(fd, select.POLLIN)
        while (left := until - time.monotonic()) > 0:
            for fd, _ in poller.poll(left * 1000):
                n = by_fd[fd]
                text = self.calls[n].recv(4096)
                check(text.startswith(b"HTTP/1.1 204"), f"{mac(n)}: {text[:200]}")
                self.ask(n)
                count += 1
        return count

    def end(self):
        for s in self.calls.values():
            s.close()
