"""scope.py - what a test file makes and leaves nothing of: `scope = Scope("dhcp")` at its top.

conftest.py ends it with the file's last test, also after SIGTERM: everything given to cleanup() is
run, last first, and the directory is removed.
"""
import os
import shutil
import tempfile
import warnings

import pytest

from kit.command import PREFIX


def needs(*tests):
    """A test that goes on from others, given as functions: skipped, naming them, unless they passed."""
    return pytest.mark.needs(tests)


def begun(request, kind):
    """A lab of that kind for the tests of one file; what a module's fixture returns."""
    folder, file = request.path.parent.name, request.path.stem.removeprefix("test_")
    request.module.scope = Scope(f"{folder}-{file}")
    lab = kind(request.module.scope)
    lab.begin()
    return lab


class Scope:
    _all = []

    def __init__(self, name):
        self.name = name
        self._on_failure = []
        self._cleanups = []
        self._directory = None
        Scope._all.append(self)

    def cleanup(self, function, *args):
        self._cleanups.append((function, args))

    def log_on_failure(self, function):
        """function() returns text, which goes to the log of a test that failed."""
        self._on_failure.append(function)

    def tempdir(self):
        """A directory that lives as long as the file's tests; world readable, as daemons drop root."""
        if self._directory is None:
            self._directory = tempfile.mkdtemp(prefix=f"{PREFIX}{self.name}-")
            os.chmod(self._directory, 0o755)
        return self._directory

    def logs(self):
        found = []
        for function in self._on_failure:
            try:
                found.append(function())
            except Exception as e:
                found.append(f"(no log: {e})")
        return "\n".join(found)

    def end(self):
        """Cleans up, whatever comes in between."""
        while self._cleanups:
            function, args = self._cleanups.pop()
            try:
                function(*args)
            except Exception as e:
                warnings.warn(f"{self.name}, cleaning up: {e}")
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    @classmethod
    def end_all(cls):
        for scope in cls._all:
            scope.end()
