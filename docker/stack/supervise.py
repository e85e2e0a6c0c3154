#!/usr/bin/python3
"""supervise.py - supervisord, looking at its children ten times a second and cleaning what they log.

supervisord notices an ended child or a signal only when its poll returns, up to one second later:
too slow for a container that is to end within two. Shorter polls also start the daemons at once.

The daemons' lines hold words of machines on the network, and are read at a terminal: what would
steer it there becomes '?', by the rule of lib/base/text.h, whichever daemon forgot to.

dnsmasq tells of each file that it has sent by TFTP, and of each word of DHCP: hundreds of machines at once
would fill the log. That is for boot_handler, which makes events of it; the log has what went wrong. A
dhcp-script for the files, which dnsmasq would start for each, took a tenth of the processor in a storm.

The socket to which nginx logs is kept open here, and handed to boot_handler each time that it is started:
nginx's workers stay connected to it, each of which would lose the first line after that, and what comes
meanwhile waits there.
"""

import codecs
import collections
import fcntl
import os
import re
import socket
import sys
import time

from supervisor import dispatchers, poller, process, supervisord

POLL_S = 0.1
CONTROLS = [*range(0x20), 0x7f, *range(0x80, 0xa0), 0x61c, 0x200e, 0x200f, *range(0x2028, 0x202f),
            *range(0x2066, 0x2070), 0xfeff, *range(0xfff9, 0xfffc), 0xfffe, 0xffff]
CLEAN = {c: "?" for c in CONTROLS if chr(c) not in "\n\t"}
CLEAN[0xfffd] = "?"
# A word of DHCP with an address and a MAC address, and no more; of an answer that was taken, the name, too.
DROPPED = {"dnsmasq": re.compile(
    r"(?m)^dnsmasq-tftp(\[\d+\])?: sent [^\n]* to [0-9a-f.:]+\n|"
    r"^dnsmasq-dhcp(\[\d+\])?: (?:(?:DHCP(?:DISCOVER|OFFER|REQUEST|RELEASE|INFORM)\([^)\n]*\)(?: [0-9a-f.:-]+){1,2} *"
    r"|(?:DHCPACK|PXE)\([^)\n]*\)[^\n]*)\n)")}
DROPPED["tftp"] = DROPPED["dnsmasq"]  # another dnsmasq
TOLD = re.compile(r"(?m)^dnsmasq-dhcp(?:\[\d+\])?: (DHCP(?:DISCOVER|OFFER|NAK|DECLINE)\([^\n]*)\n"
                  r"|^dnsmasq-tftp(?:\[\d+\])?: sent ([^\n]*) to ([0-9a-f.:]+)\n")
LINE_MAX = 16384  # of one that has no end yet
PIPE_BYTES = 1 << 20
FILES, FILES_PATH = 100, "/run/boot_handler/files.sock"  # the number is known to handler-sockets


class Teller:
    """Passes on to boot_handler what dnsmasq says (boot_handler/sources/lease.h). What it does not take at once
    waits, as while it starts anew; lost is what is more than 5,000 lines in a second, or as many datagrams."""
    PATH = "/run/boot_handler/lease.sock"
    BYTES = 32000
    LINES = WAITING = 5000

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.second = self.lines = 0
        self.waiting = collections.deque(maxlen=self.WAITING)

    def tell(self, said):
        """Matches of TOLD."""
        now = int(time.monotonic())
        if now != self.second:
            self.second, self.lines = now, 0
        said = said[:self.LINES - self.lines]
        self.lines += len(said)
        log, size = [], 0
        for line, file, address in said:
            if file:
                self.waiting.append(f"tftp - {address} {size_of(file)} {file}")
                continue
            if size + len(line) > self.BYTES:
                self.waiting.append("\n".join(["log", *log]))
                log, size = [], 0
            log.append(line)
            size += len(line) + 1
        if log:
            self.waiting.append("\n".join(["log", *log]))
        self.pass_on()

    def pass_on(self):
        while self.waiting:
            try:
                self.socket.sendto(self.waiting[0].encode(errors="replace"), self.PATH)
            except OSError:
                return
            self.waiting.popleft()


def size_of(file):
    try:
        return os.stat(file).st_size
    except OSError:
        return 0  # it is gone since


TELLER = Teller()


class QuickPoller(poller.Poller):
    def poll(self, timeout):
        TELLER.pass_on()
        return super().poll(min(timeout, POLL_S))


class CleanOutput(dispatchers.POutputDispatcher):
    def __init__(self, *args):
        super().__init__(*args)
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.dropped = DROPPED.get(self.process.config.name)
        self.begun = ""  # of a line of which the end is to come
        # A daemon that says more than the pipe holds stands still until it is read.
        try:
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        except OSError:
            pass  # it is as large as it was

    def _log(self, data):
        text = self.decoder.decode(data)
        if self.dropped:
            text = self.whole_lines(text, last=not data)
        super()._log(text.translate(CLEAN).encode())

    def whole_lines(self, text, last):
        """What there is up to the last line's end, without what is dropped."""
        text = self.begun + text
        end = text.rfind("\n") + 1
        if last or len(text) - end > LINE_MAX:
            end = len(text)
        self.begun = text[end:]
        told = TOLD.findall(text[:end])
        if told:
            TELLER.tell(told)
        return self.dropped.sub("", text[:end])


def keep_files():
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    os.fchmod(made.fileno(), 0o666)  # its file gets that mode
    made.bind(FILES_PATH)
    os.chmod(FILES_PATH, 0o666)
    os.dup2(made.fileno(), FILES)
    made.close()


def prepare_descriptors(child, usual=process.Subprocess._prepare_child_fds):
    """In a child that is about to become a daemon: all that it is not to have is closed."""
    options = child.config.options
    close = options.close_fd
    if child.config.name == "boot_handler":
        options.close_fd = lambda fd: None if fd == FILES else close(fd)
    usual(child)


keep_files()
process.Subprocess._prepare_child_fds = prepare_descriptors
poller.Poller = QuickPoller
dispatchers.POutputDispatcher = CleanOutput
sys.exit(supervisord.main())
