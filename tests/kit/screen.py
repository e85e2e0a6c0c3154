"""screen.py - the serial console of a VM, as `vmlab console` shows it: read and typed at."""
import contextlib
import os
import pty
import re

from kit import vmlab_cli
from kit.check import eventually
from kit.command import tail

DOWN = b"\x1b[B"


class Screen:
    def __init__(self, lab, name):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(vmlab_cli.BINARY, [vmlab_cli.BINARY, "console", name], lab.env)
        os.set_blocking(self.terminal, False)
        self.text = ""

    def shows(self, pattern, timeout):
        def seen():
            try:
                self.text += os.read(self.terminal, 65536).decode(errors="replace")
            except BlockingIOError:
                pass
            return re.search(pattern, self.text)
        eventually(seen, timeout, f"the console shows {pattern!r}; it ends with {tail(self.text, 800)!r}", every=0.2)
        self.text = ""

    def types(self, keys):
        os.write(self.terminal, keys)

    def leave(self):
        self.types(b"\x1d")
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


@contextlib.contextmanager
def screen_of(lab, name):
    screen = Screen(lab, name)
    try:
        yield screen
    finally:
        screen.leave()
