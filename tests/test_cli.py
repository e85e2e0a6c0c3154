#!/usr/bin/python3
"""test_cli.py - what `make install` puts beside the command, used by the programs it is for: bash, zsh and
fish complete, mandoc reads the manual pages.
"""
import os
import pty
import re
import select
import shutil
import signal
import sys
import time

import vmlab_cli
from harness import ROOT, Suite, check, check_equal, run, skip

suite = Suite("cli", __doc__)
INSTALLED = "`make install` into a folder"
where = {}


def share(*names):
    return os.path.join(where["root"], "usr", "share", *names)


def env(**more):
    path = os.path.join(where["root"], "usr", "bin") + ":" + os.environ["PATH"]
    return dict(os.environ, PATH=path, HOME=where["dir"], VMLAB_VMS=where["vms"], VMLAB_IMAGES=where["vms"], **more)


def needs(program):
    if not shutil.which(program):
        skip(f"{program} is not installed")


@suite.test(INSTALLED)
def _():
    where["dir"] = suite.tempdir()
    where["root"] = os.path.join(where["dir"], "root")
    where["vms"] = os.path.join(where["dir"], "vms")
    os.makedirs(where["vms"])
    for name in ("web1", "web2", "db1"):
        with open(os.path.join(where["vms"], name + ".json"), "w") as f:
            f.write("{}")
    run(["make", "--no-print-directory", "install", f"DESTDIR={where['root']}", "PREFIX=/usr"], cwd=ROOT, timeout=600)
    check(os.access(os.path.join(where["root"], "usr", "bin", "vmlab"), os.X_OK), "the command is not there")


@suite.test("a manual page for every command, and mandoc finds nothing wrong with them", needs=[INSTALLED])
def _():
    needs("mandoc")
    pages = sorted(os.listdir(share("man", "man1")))
    overview = run([vmlab_cli.BINARY, "--help"]).stdout
    commands = {line.split()[0] for line in overview.splitlines() if line.startswith("  ") and line[2:3].isalpha()
        and not line.startswith("  vmlab ")}
    check_equal({p for p in pages}, {f"vmlab-{c}.1" for c in commands} | {"vmlab.1"}, "pages")
    for page in pages:
        done = run(["mandoc", "-Tlint", "-Wwarning", share("man", "man1", page)], check_rc=False)
        check(done.returncode == 0, f"{page}: {done.stdout}")
        text = run(["mandoc", "-Tutf8", "-Owidth=80", share("man", "man1", page)]).stdout
        check("S\bSY\bYN\bNO\bO" in text, f"{page} does not read as a page:\n{text[:500]}")


def by_bash(line):
    script = f"""
source {share('bash-completion', 'completions', 'vmlab')}
COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}
read -ra COMP_WORDS <<<"$COMP_LINE"; [[ $COMP_LINE != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ echo FILES; }}
_vmlab vmlab; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    return sorted(run(["bash", "-c", script], env=env()).stdout.split())


def by_fish(line):
    script = f"source {share('fish', 'vendor_completions.d', 'vmlab.fish')}; complete -C {line!r}"
    return sorted(word.split("\t")[0] for word in run(["fish", "--no-config", "-c", script], env=env()).stdout.splitlines())


def by_zsh(line):
    """zsh completes only at a prompt: one in a pseudo-terminal, where ^D lists what there is."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], env(TERM="dumb", COLUMNS="200", PS1="", ZDOTDIR=where["dir"]))
    try:
        def said_until(mark, seconds):
            text, end = "", time.monotonic() + seconds
            while mark not in text and time.monotonic() < end:
                if select.select([terminal], [], [], 0.1)[0]:
                    text += os.read(terminal, 65536).decode(errors="replace")
            return text
        os.write(terminal, f"fpath=({share('zsh', 'site-functions')} $fpath); autoload -U compinit; compinit -u -D; "
            "PROMPT=; LISTMAX=1000; zstyle ':completion:*' verbose no; echo BE''GIN\n".encode())
        check("BEGIN" in said_until("BEGIN\r", 20), "zsh shows no prompt")
        said_until("no mark", 1) # its editor takes the terminal over: before that ^D is another key
        os.write(terminal, line.encode() + b"\x04")
        return set(re.split(r"[\s\x07]+", said_until("no mark", 2)))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


CASES = [("vmlab re", ["reference", "reinstall", "restart", "resume"]), ("vmlab console w", ["web1", "web2"]),
    ("vmlab wait --for ", ["installed", "ready"]), ("vmlab image build debian-1", ["debian-12", "debian-13"]),
    ("vmlab up --t", ["--timeout"])]


@suite.test("bash completes commands, names, options and their values", needs=[INSTALLED])
def _():
    for line, expected in CASES:
        check_equal(by_bash(line), expected, line)
    check_equal(by_bash("vmlab image import mine "), ["FILES"], "a file is wanted")


@suite.test("fish completes the same", needs=[INSTALLED])
def _():
    needs("fish")
    for line, expected in CASES:
        check_equal(by_fish(line), expected, line)


@suite.test("zsh completes the same", needs=[INSTALLED])
def _():
    needs("zsh")
    for line, expected in CASES[:4]:
        seen = by_zsh(line)
        check(all(word in seen for word in expected), f"{line}: {expected} not in {seen}")


if __name__ == "__main__":
    sys.exit(suite.main())
