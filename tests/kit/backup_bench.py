"""backup_bench.py - the agent's orders `backup` and `deploy` on loop devices, and a server that keeps the slices.

The server is the contract's, written down once more: what of it is wrong in boot_handler, tests/stack finds.
"""
import hashlib
import json
import os
import re
import shutil
import tempfile

from kit import agent_bench, loop_disk
from kit.agent_bench import MAC, PORT, SERVER, AgentBench
from kit.check import check, eventually
from kit.command import run

SLICE = 4 << 20
MIB = 1 << 20
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


def image_files(name, data, disk_bytes, arch=ARCH, **rootfs):
    """{file: content} of an image of a disk of so many bytes, which is `data` packed by zstd."""
    sha = lambda b: hashlib.sha256(b).hexdigest()
    manifest = {"format": 1, "distro": name, "arch": arch, "kernel_version": "1", "rootfs": {
        "file": "disk.raw.zst", "format": "raw.zst", "size_bytes": len(data), "sha256": sha(data),
        "unpacked_bytes": disk_bytes, "entries": 0, "chunk_bytes": SLICE,
        "chunks": [sha(data[i:i + SLICE]) for i in range(0, len(data), SLICE)], **rootfs}}
    others = {"kernel": "vmlinuz", "modules": "modules.cpio.zst"}
    for key, file in others.items():
        manifest[key] = {"file": file, "size_bytes": 1, "sha256": sha(b"x")}
    return {"manifest.json": json.dumps(manifest).encode(), "disk.raw.zst": data, **{file: b"x" for file in others.values()}}


class Handler(agent_bench.Handler):
    def do_GET(self):
        bench = self.server.bench
        m = re.fullmatch(rf"/backup/{MAC}/(\d+)", self.path)
        if m:
            bench.asked += 1
            return self.answer("".join(s + "\n" for s in bench.sums).encode())
        if self.path in bench.files:
            data = bench.files[self.path]
            body, code, headers = self.asked_of(data)
            bench.requests += 1
            if bench.cut_after and len(body) > bench.cut_after:
                self.begin(len(body), code, headers)
                self.wfile.write(body[:bench.cut_after])
                self.close_connection = True
                return None
            return self.answer(body, code, headers)
        if self.path.startswith(("/files/", "/tls/")):
            return self.answer(b"", 404)
        return super().do_GET()

    def do_PUT(self):
        bench = self.server.bench
        m = re.fullmatch(rf"/backup/{MAC}/(\d+)/slice/(\d+)\?sha256=([0-9a-f]{{64}})", self.path)
        length = int(self.headers["Content-Length"])
        if not m:
            check(self.path.endswith("/manifest"), self.path)
            return self.finish_backup(json.loads(self.rfile.read(length)))
        number, wanted = int(m[2]), m[3]
        if number in bench.cut_at:
            bench.cut_at.remove(number)
            self.rfile.read(length // 2)
            self.close_connection = True
            return None
        data = self.rfile.read(length)
        if bench.says:
            return self.answer(*bench.says)
        check(length <= SLICE and hashlib.sha256(data).hexdigest() == wanted, f"slice {number}")
        bench.put.append(number)
        if number > len(bench.sums):
            return self.answer(b"an earlier slice is missing\n", 412)
        bench.sums[number:] = [wanted]
        bench.slices[number:] = [data]
        if bench.hold_at == number:
            bench.held = True
            eventually(lambda: bench.hold_at is None, 60, "it goes on")
        return self.answer(b"", 204)

    def finish_backup(self, what):
        bench = self.server.bench
        check(what["slices"] == len(bench.slices), f"{what}, {len(bench.slices)} slices")
        check(what["file_bytes"] == sum(map(len, bench.slices)), str(what))
        bench.finished = what
        self.answer(b"", 204)


class BackupBench(AgentBench):
    def for_one_test(self):
        """A fixture's body: a server that has nothing, and `work`, a folder of the test's own."""
        self.stop_server()
        self.fresh()
        self.start_server()
        self.work = tempfile.mkdtemp(dir=self.scope.tempdir())
        yield self
        self.stop_agent()
        shutil.rmtree(self.work, ignore_errors=True)

    handler = Handler

    def fresh(self):
        super().fresh()
        self.sums, self.slices, self.put, self.cut_at, self.asked, self.says = [], [], [], [], 0, None
        self.finished, self.hold_at, self.held = None, None, False
        self.files, self.cut_after, self.requests = {}, 0, 0

    loop = staticmethod(loop_disk.attached)

    def disk(self, name, **other):
        return {"name": name, "serial": None, "size_bytes": loop_disk.size_bytes(name), **other}

    def order(self, action, seconds=300, **args):
        """What was told of its end."""
        number = 1 + len(self.of("/api/action-done"))
        since = len(self.told)
        self.orders = [{"action": action, "id": number, "args": args, "timeout_s": seconds}]
        return self.waits_for("/api/action-done", seconds=seconds, since=since)[0]

    def image(self, disk_bytes, name="made", data=None, **rootfs):
        """Serves it; what the server gives an order for its image."""
        at = f"/files/{name}/{ARCH}"
        self.files = {f"{at}/{file}": data for file, data in
            image_files(name, b"".join(self.slices) if data is None else data, disk_bytes, **rootfs).items()}
        return {"image": name, "url": f"http://{SERVER}:{PORT}/files/{name}"}

    def raw(self, path):
        """The disk that the slices are, in a file."""
        packed = path + ".zst"
        with open(packed, "wb") as f:
            for piece in self.slices:
                f.write(piece)
        run(["zstd", "-q", "-d", "-f", "--sparse", packed, "-o", path])
        os.unlink(packed)
        return path
