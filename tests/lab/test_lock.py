"""One command at a time changes a lab, and a port of the host is one lab's. Starts no VM."""
import fcntl
import os
import re
import socket
import subprocess
import sys
import time

from kit import folder, http_client
from kit.check import check, check_equal
from kit.command import docker
from kit.folder import NAME
from kit.scope import Scope, needs

scope = Scope("lock")
HOME = os.path.join(scope.tempdir(), "home")
state = {}


def Folder(where):
    return folder.Folder(scope, where)


def test_a_second_command_waits_says_for_whom_and_goes_on_when_that_one_ends():
    folder = state["locked"] = Folder(f"locked/l-{NAME}")
    folder.vmlab("up", "--no-wait")
    folder.define("web1", mac="52:54:00:7e:59:02")
    lock = state["lock"] = os.path.join(HOME, "labs", folder.lab(), "lock")
    for argv in (["up", "--no-wait"], ["down"], ["rm", "-y", "web1"], ["reinstall", "-y", "web1"], ["down", "web1"]):
        if argv[0] == "up":
            os.unlink(os.path.join(folder.vms, "web1.json"))
        with open(lock, "r+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            held.truncate(0)
            held.write("`vmlab up \x1b[31mdb1` (process 4711)\n")
            held.flush()
            command = folder.start(*argv)
            began = time.monotonic()
            time.sleep(1)
            check(command.poll() is None, f"{argv} did not wait: {command.stdout.read() if command.poll() is not None else ''}")
        out, _ = command.communicate(timeout=60)
        check(time.monotonic() - began < 30, f"{argv} took long")
        check("waits for `vmlab up ?[31mdb1` (process 4711), which works on lab" in out, f"{argv}: {out!r}")
        check(command.returncode in (0, 1), f"{argv}: {command.returncode} {out}")
        if argv[0] == "up":
            check_equal(command.returncode, 0, out)
            folder.define("web1", mac="52:54:00:7e:59:02")
    # What only looks does not wait.
    with open(lock, "r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        check_equal(folder.vmlab("ls", timeout=20).returncode, 0, "ls while the lab is held: status")


LOCK = test_a_second_command_waits_says_for_whom_and_goes_on_when_that_one_ends


@needs(LOCK)
def test_two_up_of_a_new_lab_at_once_both_succeed_one_lab_is_there():
    folder = Folder(f"both/b-{NAME}")
    commands = [folder.start("up", "--no-wait") for _ in range(3)]
    outs = [c.communicate(timeout=120)[0] for c in commands]
    check_equal([c.returncode for c in commands], [0, 0, 0], f"status of the three: {outs}")
    check(sum("lab: waits for `vmlab up --no-wait` (process" in o for o in outs) >= 1, f"none waited: {outs}")
    check_equal(sum("lab: network up" in o for o in outs), 1, f"who made the network: {outs}")
    check_equal(sorted(folder.containers()), [f"{folder.lab()}-net", f"{folder.lab()}-stack"], "containers")


@needs(LOCK)
def test_who_holds_the_lab_and_dies_leaves_it_free():
    folder = state["locked"]
    holder = subprocess.Popen([sys.executable, "-c", "import fcntl, sys, time\nf = open(sys.argv[1], 'r+')\n"
        "fcntl.flock(f, fcntl.LOCK_EX)\nprint('held', flush=True)\ntime.sleep(100)\n", state["lock"]],
        stdout=subprocess.PIPE, text=True)
    check_equal(holder.stdout.readline(), "held\n", "the holder says")
    command = folder.start("down")
    time.sleep(0.5)
    check(command.poll() is None, "down did not wait")
    holder.kill()
    holder.wait()
    out, _ = command.communicate(timeout=60)
    check_equal(command.returncode, 0, out)


def test_port_auto_a_free_port_the_same_one_after_down_and_up_with_a_token_another_when_it_is_taken():
    folder = Folder(f"port/p-{NAME}")
    def port():
        text = docker("port", f"{folder.lab()}-net").stdout
        return int(re.search(r"-> 127\.0\.0\.1:(\d+)", text)[1])
    folder.vmlab("--port", "auto", "up", "--no-wait")
    first, where = port(), os.path.join(HOME, "labs", folder.lab())
    with open(os.path.join(where, "token")) as f:
        token = f.read().strip()
    check_equal(http_client.request("127.0.0.1", "/healthz", port=first).status, 401, "without the token: status")
    check_equal(http_client.request("127.0.0.1", "/healthz", port=first,
        headers={"Authorization": f"Bearer {token}"}).status, 200, "with the token: status")
    # A command that says nothing of a port leaves the running lab as it is.
    before = folder.ids()
    folder.vmlab("up", "--no-wait")
    folder.vmlab("--port", "auto", "up", "--no-wait")
    check_equal(folder.ids(), before, "containers after up")
    folder.vmlab("down")
    folder.vmlab("--port", "auto", "up", "--no-wait")
    check_equal(port(), first, "the port after down and up")
    folder.vmlab("down")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", first))
        taken.listen()
        done = folder.vmlab("--port", str(first), "up", "--no-wait", check_rc=False)
        check(done.returncode == 1 and f"port {first}" in done.stderr and "taken" in done.stderr, str(done))
        folder.vmlab("--port", "auto", "up", "--no-wait")
        check(port() != first, "the taken port was chosen")
    folder.vmlab("down", "--volumes", "-y")
