"""judges.py - readers of what we emit that no package of Debian brings: a copy that an environment
variable names, or that lies in build/judges/.
"""
import os

from kit.check import skip
from kit.command import ROOT


def copy_of(variable, name, what):
    """The path of build/judges/<name>, or what `variable` names; skipped where there is neither."""
    for path in (os.environ.get(variable, ""), os.path.join(ROOT, "build", "judges", name)):
        if path and os.path.exists(path):
            return path
    skip(f"{what} is not here, and Debian has no package of it: put a copy to build/judges/{name}, or name one in {variable}")
