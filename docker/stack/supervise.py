#!/usr/bin/python3
"""supervise.py - supervisord, looking at its children ten times a second and cleaning what they log.

supervisord notices an ended child or a signal only when its poll returns, up to one second later:
too slow for a container that is to end within two. Shorter polls also start the daemons at once.

The daemons' lines hold words of machines on the network, and are read at a terminal: what would
steer it there becomes '?', by the rule of lib/text.h, whichever daemon forgot to.
"""

import codecs
import sys

from supervisor import dispatchers, poller, supervisord

POLL_S = 0.1
CONTROLS = [*range(0x20), 0x7f, *range(0x80, 0xa0), 0x61c, 0x200e, 0x200f, *range(0x2028, 0x202f),
            *range(0x2066, 0x2070), 0xfeff, *range(0xfff9, 0xfffc)]
CLEAN = {c: "?" for c in CONTROLS if chr(c) not in "\n\t"}
CLEAN[0xfffd] = "?"


class QuickPoller(poller.Poller):
    def poll(self, timeout):
        return super().poll(min(timeout, POLL_S))


class CleanOutput(dispatchers.POutputDispatcher):
    def __init__(self, *args):
        super().__init__(*args)
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def _log(self, data):
        super()._log(self.decoder.decode(data).translate(CLEAN).encode())


poller.Poller = QuickPoller
dispatchers.POutputDispatcher = CleanOutput
sys.exit(supervisord.main())
