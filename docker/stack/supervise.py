#!/usr/bin/python3
"""supervise.py - supervisord, looking at its children ten times a second.

supervisord notices an ended child or a signal only when its poll returns, up to one second later:
too slow for a container that is to end within two. Shorter polls also start the daemons at once.
"""

import sys

from supervisor import poller, supervisord

POLL_S = 0.1


class QuickPoller(poller.Poller):
    def poll(self, timeout):
        return super().poll(min(timeout, POLL_S))


poller.Poller = QuickPoller
sys.exit(supervisord.main())
