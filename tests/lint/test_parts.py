"""Every part of the tests that a target or a page names is there: a renamed file leaves none behind."""
import glob
import os
import re
import shlex

from kit.check import check
from kit.command import ROOT, part_of
import main

NAMING = [("Makefile", r"tests/main\.py ([^\n]*)"), ("Makefile", r"^  test T=(\S+)"),
    ("*.md", r"make test T=(\"[^\"]*\"|[^\s`]+)"), ("*/README.md", r"make test T=(\"[^\"]*\"|[^\s`]+)")]


def named():
    for files, pattern in NAMING:
        for path in glob.glob(os.path.join(ROOT, files)):
            with open(path) as f:
                for words in re.findall(pattern, f.read(), re.MULTILINE):
                    for word in " ".join(shlex.split(re.sub(r"\$\(.*", "", words))).split():
                        if not word.startswith(("-", "$")):
                            yield os.path.basename(path), word


def test_parts_that_targets_and_pages_name_are_there():
    names = list(named())
    check(len(names) >= 4, f"only {names} found: does the pattern still fit?")
    for path, part in names:
        check(main.chosen([part_of(part)], main.parts()), f"{path} names the part {part!r} of the tests, which is not there")
