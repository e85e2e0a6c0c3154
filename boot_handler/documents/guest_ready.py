#!/bin/sh
''''exec "$(command -v python3 || echo /usr/libexec/platform-python)" "$0" # '''
# Tells the lab, at each boot, what cloud-init made of its documents. cloud-init runs it first as a
# vendor's script, once: vendor-data's own scripts for each boot land where nothing runs them. So it
# copies itself to where scripts-per-boot looks, a module of the same stage that comes later. Run
# from there, a child of it stays until the last stage has ended, and then calls.
import glob
import http.client
import json
import os
import pwd
import re
import shutil
import sys
import time
import urllib.request

URL = "@URL@"
STATUS = "/run/cloud-init/status.json"
RESULT = "/run/cloud-init/result.json"
LOG = "/var/log/cloud-init.log"
SCRIPT = "/var/lib/cloud/scripts/per-boot/vmlab-ready"
TOLD = "/var/lib/cloud/instance/vmlab-told"
LOG_BYTES = 1 << 20
TEXTS = 20
TEXT = 700
# The lab does not blame the machine when it could not be reached itself.
OURS = ("Failed posting event", "Multiple consecutive failures in WebHookHandler")


def load(path):
    with open(path) as f:
        return json.load(f)


def stages():
    """status.json's stages in their order, or None while cloud-init has not ended."""
    try:
        status = load(STATUS)["v1"]
        if status.get("stage") or not os.path.exists(RESULT):
            return None
    except (OSError, ValueError, KeyError):
        return None
    found = [(name, stage) for name, stage in status.items() if isinstance(stage, dict)]
    return sorted(found, key=lambda item: item[1].get("start") or 0)


def plain(text):
    """A module's failure is the repr of a tuple: ('module', Error("why\\n..."))."""
    found = re.match(r"\('([\w-]+)', \w+\(([\"'])(.*)\2,?\)\)$", text, re.DOTALL)
    if found:
        text = found.group(1) + ": " + found.group(3).replace("\\n", " ").replace("\\'", "'")
    return re.sub(r"\s+", " ", text).strip()[:TEXT]


def logged():
    """What this boot's log complains of: cloud-init before 23.4 counts it nowhere."""
    try:
        with open(LOG, "rb") as f:
            f.seek(max(0, os.path.getsize(LOG) - LOG_BYTES))
            lines = f.read().decode(errors="replace").splitlines()
    except OSError:
        return {}
    begin = max((i for i, line in enumerate(lines) if "running 'init-local'" in line), default=0)
    found = {}
    for line in lines[begin:]:
        match = re.match(r"\S+ \S+ - \S+\[(WARNING|ERROR|CRITICAL)\]: (.*)", line)
        if match:
            found.setdefault(match.group(1), []).append(match.group(2))
    return found


def recoverable(found):
    counted = [stage["recoverable_errors"] for _, stage in found if "recoverable_errors" in stage]
    merged = {}
    for errors in counted or [logged()]:
        for level, texts in errors.items():
            texts = [plain(t) for t in texts if not t.startswith(OURS)]
            merged.setdefault(level, []).extend(t for t in texts if t not in merged.get(level, []))
    return {level: texts[:TEXTS] for level, texts in merged.items() if texts}


def material(line):
    """The key itself, without options in front and comment behind."""
    found = re.search(r"(?:^|\s)((?:ssh|ecdsa|sk)-\S+ AAAA\S+)", line)
    return found.group(1) if found else ""


def user():
    """Whom the lab's keys let in: who has one of them, with no command forced on it."""
    try:
        given = {material(key) for key in load("/run/cloud-init/instance-data.json")["v1"]["public_ssh_keys"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    people = sorted(pwd.getpwall(), key=lambda p: (p.pw_uid == 0, p.pw_uid < 1000, p.pw_uid))
    for person in people:
        try:
            with open(os.path.join(person.pw_dir, ".ssh", "authorized_keys"), errors="replace") as f:
                lines = [line for line in f if not line.startswith("#") and "command=" not in line]
        except OSError:
            continue
        if given & {material(line) for line in lines} - {""}:
            return person.pw_name
    return None


def host_keys():
    found = []
    for path in sorted(glob.glob("/etc/ssh/ssh_host_*_key.pub")):
        with open(path) as f:
            found.append(" ".join(f.read().split()[:2]))
    return found


def report(found):
    errors = [f"{name}: {plain(text)}" for name, stage in found for text in stage.get("errors") or []]
    warnings = recoverable(found)
    worse = [level for level in warnings if level in ("WARNING", "ERROR", "CRITICAL")]
    with open("/proc/sys/kernel/random/boot_id") as f:
        boot_id = f.read().strip()
    return {"status": "error" if errors else "degraded" if worse else "done", "errors": errors[:TEXTS],
        "recoverable_errors": warnings, "boot_id": boot_id, "first_boot": not os.path.exists(TOLD),
        "host_keys": host_keys(), "user": user()}


def tell(body):
    """An hour's patience with a lab that is down. Who loses power after this has what was made until now."""
    os.sync()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    begin, pause = time.monotonic(), 1
    while time.monotonic() - begin < 3600:
        try:
            opener.open(urllib.request.Request(URL, body, {"Content-Type": "application/json"}), timeout=10).close()
            break
        except (OSError, http.client.HTTPException):
            time.sleep(pause)
            pause = min(pause * 2, 60)
    else:
        return
    open(TOLD, "w").close()


def main():
    if os.path.abspath(sys.argv[0]) != SCRIPT:
        os.makedirs(os.path.dirname(SCRIPT), exist_ok=True)
        shutil.copyfile(sys.argv[0], SCRIPT + ".new")
        os.chmod(SCRIPT + ".new", 0o700)
        os.rename(SCRIPT + ".new", SCRIPT)
        return
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    while True:
        found = stages()
        if found is not None:
            break
        time.sleep(0.5)
    tell(json.dumps(report(found)).encode())


if __name__ == "__main__":
    main()
