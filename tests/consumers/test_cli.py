"""What `make install` puts beside the command, used by the programs it is for: bash, zsh and
fish complete, mandoc reads the manual pages.
"""
import os
import pty
import re
import select
import shlex
import shutil
import signal
import time

from kit import vmlab_cli
from kit.check import check, check_equal, skip
from kit.command import ROOT, run
from kit.scope import Scope, needs

scope = Scope("cli")
where = {}


def share(*names):
    return os.path.join(where["root"], "usr", "share", *names)


def env(**more):
    path = os.path.join(where["root"], "usr", "bin") + ":" + os.environ["PATH"]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("VMLAB_")}
    return dict(inherited, PATH=path, HOME=where["dir"], VMLAB_IMAGES=where["vms"], **more)


def here(program):
    if not shutil.which(program):
        skip(f"{program} is not installed")


def test_make_install_into_a_folder():
    where["dir"] = scope.tempdir()
    where["root"] = os.path.join(where["dir"], "root")
    where["vms"] = os.path.join(where["dir"], "vms")
    os.makedirs(where["vms"])
    os.makedirs(os.path.join(where["dir"], "other lab", "vms"))
    for name in ("vms/web1", "vms/web2", "vms/db1", "other lab/vms/far1", "other lab/vms/far2"):
        with open(os.path.join(where["dir"], name + ".json"), "w") as f:
            f.write("{}")
    # As root's shell may have it: what is installed is for all users.
    run(["sh", "-c", 'umask 077; exec make --no-print-directory install "$@"', "sh", f"DESTDIR={where['root']}",
        "PREFIX=/usr"], cwd=ROOT, timeout=600)
    closed = [path for folder, folders, files in os.walk(os.path.join(where["root"], "usr")) for path in
        (os.path.join(folder, name) for name in folders + files) if os.stat(path).st_mode & 0o44 != 0o44]
    check_equal(closed, [], "installed, and not readable for all")
    check(os.access(os.path.join(where["root"], "usr", "bin", "vmlab"), os.X_OK), "the command is not there")


INSTALLED = test_make_install_into_a_folder


@needs(INSTALLED)
def test_a_manual_page_for_every_command_and_mandoc_finds_nothing_wrong_with_them():
    here("mandoc")
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
    words = re.findall(r"=|(?:[^\s=\\]|\\.)+", line) + [""] * line.endswith((" ", "=")) # "=" breaks a word, too
    script = f"""
source {share('bash-completion', 'completions', 'vmlab')}
COMP_LINE={shlex.quote(line)}; COMP_POINT=${{#COMP_LINE}}
COMP_WORDS=({" ".join(map(shlex.quote, words))})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ echo FILES; }}
_vmlab vmlab; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    return sorted(run(["bash", "-c", script], env=env(), cwd=where["dir"]).stdout.split())


def by_fish(line):
    script = f"source {share('fish', 'vendor_completions.d', 'vmlab.fish')}; complete -C {line!r}"
    return sorted(word.split("\t")[0] for word in run(["fish", "--no-config", "-c", script], env=env(),
        cwd=where["dir"]).stdout.splitlines())


def by_zsh(line):
    """zsh completes only at a prompt: one in a pseudo-terminal, where ^D lists what there is."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(where["dir"])
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
    ("vmlab up --t", ["--timeout"]), ("vmlab -C other\\ lab ssh ", ["far1", "far2"]),
    ("vmlab --vms ~/other\\ lab/vms console f", ["far1", "far2"]), ("vmlab --vms=other\\ lab/vms down f", ["far1", "far2"]),
    ("vmlab --lab x down --vms other\\ lab/vms f", ["far1", "far2"])]


@needs(INSTALLED)
def test_bash_completes_commands_names_options_and_their_values():
    for line, expected in CASES:
        check_equal(by_bash(line), expected, line)
    check_equal(by_bash("vmlab image build x --arch=a"), ["amd64", "arm64"], "a value behind =")
    for line in ("vmlab image import mine ", "vmlab -C ", "vmlab --vms=", "vmlab down --vms "):
        check_equal(by_bash(line), ["FILES"], f"{line}: a file is wanted")


@needs(INSTALLED)
def test_fish_completes_the_same():
    here("fish")
    for line, expected in [*CASES, ("vmlab image build x --arch=a", ["--arch=amd64", "--arch=arm64"])]:
        check_equal(by_fish(line), expected, line)


@needs(INSTALLED)
def test_zsh_completes_the_same():
    here("zsh")
    for line, expected in [*CASES[:2], *CASES[5:7], ("vmlab wait --for=", ["--for=installed", "--for=ready"])]:
        seen = by_zsh(line)
        check(all(word in seen for word in expected), f"{line}: {expected} not in {seen}")
