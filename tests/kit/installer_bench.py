"""installer_bench.py - the installer on a loop device of this machine, and the server it asks.

OS_INSTALLER=PATH uses that program instead of the one built here.
"""
import hashlib
import json
import os
import re
import subprocess
import threading
import time

from kit import range_server
from kit.check import skip
from kit.command import ROOT

CHUNK = 65536
LIMIT_S = 100
OUT = "canary"  # below the work directory; absolute paths in archives lead here


class Handler(range_server.Handler):
    now = {}

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body.get("status") == "failed":
            self.now["failure"] = body
        self.answer(b"", 204)

    def do_GET(self):
        if self.path.startswith("/cloud-init/"):
            body = {"meta-data": b'{"instance-id":"iid-1"}', "user-data": b"#cloud-config\n{}"}.get(self.path.split("/")[-1])
            return self.answer(body or b"", 200 if body else 404)
        if self.path.startswith("/config"):
            return self.answer(self.now["config"])
        self.answer(*self.asked_of(self.now["data"]))


class Bench:
    """The loop device, the server, the program."""

    disk_bytes, sector_bytes = 4 << 30, 512

    def __init__(self, work):
        self.work = work
        self.installer = find_installer()
        self.server = range_server.Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.disk = f"{work}/disk"
        self.target = f"{work}/target"
        self.loop = None
        os.mkdir(f"{work}/{OUT}")
        os.mkdir(self.target)
        with open(f"{work}/{OUT}/file", "w") as f:
            f.write("untouched\n")

    def disk_ready(self):
        """One disk for all, and nothing of it mounted."""
        if os.path.ismount(self.target):
            subprocess.run(["umount", self.target], check=True)
        if self.loop:
            return
        with open(self.disk, "ab") as f:
            f.truncate(self.disk_bytes)
        self.loop = subprocess.run(["losetup", "-fP", "--show", "--sector-size", str(self.sector_bytes), self.disk], stdout=subprocess.PIPE, text=True).stdout.strip()
        if not self.loop:
            skip("no loop device can be had")

    def tree_ready(self):
        """A fresh file system at the target."""
        self.disk_ready()
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", self.loop], check=True)
        subprocess.run(["mount", self.loop, self.target], check=True)

    def close(self):
        self.detach()
        self.server.shutdown()

    def detach(self):
        if os.path.ismount(self.target):
            subprocess.run(["umount", "-R", self.target], check=False)
        if self.loop:
            subprocess.run(["losetup", "-d", self.loop], check=False)
        self.loop = None

    def sectors_of(self, sector_bytes):
        """From now on the disk has those."""
        self.detach()
        self.sector_bytes = sector_bytes
        self.disk_ready()

    def install(self, c, *options, image_sector_bytes=None, **config):
        sha = lambda b: hashlib.sha256(b).hexdigest()
        base = f"http://127.0.0.1:{self.server.server_port}"
        Handler.now = {"data": c.data, "config": json.dumps({"format": 1, "name": "hostile", "distro": "test",
            "arch": os.uname().machine, "rootfs_url": f"{base}/images/rootfs", "report_url": f"{base}/report/x",
            "rootfs": {"format": c.form, "size_bytes": len(c.data), "sha256": sha(c.data),
                "unpacked_bytes": c.unpacked, "entries": c.entries, "chunk_bytes": CHUNK,
                "chunks": [sha(c.data[i:i + CHUNK]) for i in range(0, len(c.data), CHUNK)],
                **({"sector_bytes": image_sector_bytes} if image_sector_bytes else {})},
            **config}).encode()}
        began, peak = time.monotonic(), {}
        with open(f"{self.work}/log", "w+b") as log:
            process = subprocess.Popen([self.installer, "--config-url", f"{base}/config/x", "--directory", self.target,
                "--no-nvram", "--no-reboot", *(("--disk", self.loop, *options) if options else ("--no-disk",))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                while process.poll() is None and time.monotonic() - began < LIMIT_S:
                    peak_rss(os.path.basename(self.installer)[:15], process.pid, peak)
                    time.sleep(0.005)
            finally:
                process.kill()
            status = process.wait()
            log.seek(0)
            return status, log.read().decode(errors="replace"), sum(peak.values()), time.monotonic() - began


def peak_rss(program, pid, peak):
    """Of the process and its children, in KiB each; what they share is counted twice."""
    try:
        with open(f"/proc/{pid}/status") as f:
            text = f.read()
        if f"Name:\t{program}" in text:
            peak[pid] = max(peak.get(pid, 0), int(re.search(r"VmHWM:\s+(\d+)", text)[1]))
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            for child in f.read().split():
                peak_rss(program, int(child), peak)
    except (OSError, TypeError):
        pass  # it ended meanwhile


def find_installer():
    arch = subprocess.run(["dpkg", "--print-architecture"], stdout=subprocess.PIPE, text=True).stdout.strip()
    for path in (os.environ.get("OS_INSTALLER"), f"{ROOT}/build/{arch}/release/os_installer/os-installer",
            f"{ROOT}/build/host/{arch}/test/os_installer/os-installer"):
        if path and os.access(path, os.X_OK):
            return path
    skip("there is no os-installer: make programs-" + arch)
