"""The user's command and a lab of its own under it, for tests that start real VMs."""
import json
import os
import platform
import re
import subprocess
import time

from kit import http_client
from kit.check import check, eventually, fail
from kit.command import DOCKER, PREFIX, ROOT, docker, plain, run, tail

STACK_IMAGE = os.environ.get("STACK_IMAGE", "pxeboot_stack:latest")
VM_IMAGE = os.environ.get("VM_IMAGE", "vmlab_vm:latest")
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64")
BINARY = next((p for p in (os.environ.get("VMLAB", ""),
    os.path.join(ROOT, "build", ARCH, "release", "vmlab", "vmlab")) if p and os.path.exists(p)), "vmlab")
IMAGES = os.environ.get("VMLAB_TEST_IMAGES", os.path.join(ROOT, "images"))


def image_of(distro, arch, kernel="cloud"):
    """images/<distro>/<arch> of the repository, built when it is not there; with the generic kernel it is kept in build/."""
    generic = kernel == "generic"
    images = os.path.join(ROOT, "build", "images-generic") if generic else IMAGES
    image = os.path.join(images, distro, arch)
    if not os.path.exists(os.path.join(image, "manifest.json")):
        print(f"building {distro} for {arch} with the {kernel} kernel")
        os.makedirs(images, exist_ok=True)
        run([BINARY, "--images", images, "image", "build", distro, "--arch", arch, *(["--kernel", kernel] if generic else [])],
            timeout=1800)
    return image


class VmLab:
    """A lab made by `vmlab` with its own name, folders and key; removed with the file's tests."""

    def __init__(self, scope, label="e2e"):
        self.scope = scope
        self.name = PREFIX + label
        self.dir = os.path.join(scope.tempdir(), label)
        self.vms = os.path.join(self.dir, "vms")
        self.images = os.path.join(self.dir, "images")
        self.socket = os.path.join(self.dir, "home", "labs", self.name, "api.sock")
        for path in (self.vms, self.images, os.path.join(self.dir, "home")):
            os.makedirs(path)
        self.env = dict(os.environ, VMLAB_LAB=self.name, VMLAB_VMS=self.vms, VMLAB_IMAGES=self.images,
            VMLAB_HOME=os.path.join(self.dir, "home"), NO_COLOR="1", TERM="dumb",
            VMLAB_STACK_IMAGE=STACK_IMAGE, VMLAB_VM_IMAGE=VM_IMAGE)
        scope.cleanup(self.remove)
        scope.log_on_failure(self.log)

    def vmlab(self, *argv, timeout=60, check_rc=True, stdin=None):
        return run([BINARY, *argv], timeout=timeout, check_rc=check_rc, env=self.env, cwd=self.dir, stdin=stdin)

    def ssh(self, name, command, timeout=60, check_rc=True):
        """Runs a shell command in the guest; returns its standard output."""
        done = self.vmlab("ssh", name, command, timeout=timeout, check_rc=check_rc)
        return done.stdout.strip()

    def define(self, name, **fields):
        temporary = os.path.join(self.vms, ".tmp")
        with open(temporary, "w") as f:
            json.dump(dict({"name": name}, **fields), f, indent=2)
        os.rename(temporary, os.path.join(self.vms, name + ".json"))

    def link_image(self, distro, arch="amd64", source="debian-13", change=None, images=IMAGES):
        """An image made of hard links to (or copies of) a real one; change(manifest) edits its manifest."""
        origin = os.path.join(images, source, arch)
        where = os.path.join(self.images, distro, arch)
        os.makedirs(where)
        for name in os.listdir(origin):
            path = os.path.join(origin, name)
            if name == "manifest.json" or not os.path.isfile(path):
                continue
            try:
                os.link(path, os.path.join(where, name))
            except OSError:
                run(["cp", "--reflink=auto", path, where])
        with open(os.path.join(origin, "manifest.json")) as f:
            manifest = json.load(f)
        manifest["distro"] = distro
        if change:
            change(manifest)
        with open(os.path.join(where, "manifest.json"), "w") as f:
            json.dump(manifest, f)
        return manifest

    # ---- the VM as the operator and the console see it

    def api(self, path, method="GET"):
        answer = http_client.request("localhost", path, unix=self.socket, method=method,
            body=b"" if method == "POST" else None)
        check(answer.status == 200, f"{method} {path}: {answer}")
        return answer.json

    def vm(self, name):
        return self.api(f"/api/v1/vms/{name}")

    def wait_state(self, name, wanted, seconds, quiet=False):
        """Waits for one of `wanted` states; a failed install ends the waiting with its reason."""
        wanted = (wanted,) if isinstance(wanted, str) else wanted
        deadline, shown = time.monotonic() + seconds, None
        while time.monotonic() < deadline:
            vm = self.vm(name)
            if vm["state"] in wanted:
                return vm
            if vm["state"] == "failed":
                fail(f"{name} failed: {vm['error']}")
            now = (vm["state"], vm["phase"])
            if now != shown and not quiet:
                print(f"       {name}: {vm['state']} {vm['phase'] or ''}", flush=True)
                shown = now
            time.sleep(0.5)
        fail(f"{name} is not {'/'.join(wanted)} after {seconds} s, but {vm['state']} ({vm['phase']}); console:\n"
            + tail(self.console(name), 2500))

    def container(self, name):
        return f"{self.name}-vm-{name}"

    def console(self, name, since=None):
        """The serial console so far, without the terminal's control sequences."""
        argv = [DOCKER, "logs"] + (["--since", since] if since else []) + [self.container(name)]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return plain(done.stdout.decode(errors="replace"))

    def wait_console(self, name, pattern, seconds, since=None):
        """A kernel that has panicked shows nothing more, unless it is what is waited for."""
        def found():
            text = self.console(name, since)
            return re.search(pattern, text) or "end Kernel panic" in text[-400:] and text
        try:
            shown = eventually(found, seconds, pattern, every=1)
        except AssertionError:
            shown = self.console(name, since)
        check(not isinstance(shown, str), f"{name}'s console does not show {pattern!r} within {seconds} s:\n{tail(str(shown), 2500)}")
        return shown

    def start_vm(self, name, mac, disk_bytes=4 << 30, memory_mib=768, env=()):
        """A VM container without a definition: what plugging in an unknown machine is."""
        args = ["run", "-d", "-i", "-t", "--name", self.container(name), "--label", f"vmlab.lab={self.name}",
            "--label", "vmlab.role=vm", "--label", f"vmlab.vm={name}",
            "--network", f"container:{self.name}-net", "--cap-add", "NET_ADMIN", "--device", "/dev/net/tun",
            "--stop-timeout", "20", "-v", f"{self.name}-disk-{name}:/disks"]
        if os.path.exists("/dev/kvm"):
            args += ["--device", "/dev/kvm"]
        variables = {"VM_NAME": name, "VM_MAC": mac, "VM_ARCH": "amd64", "VM_CPUS": 2,
            "VM_MEMORY_MIB": memory_mib, "VM_DISKS_BYTES": disk_bytes, "VM_DISK_BUS": "virtio",
            "VM_FIRMWARE": "uefi", "VM_ACCEL": "auto", "VM_BRIDGE": "lab0", "VM_NIC_ROM": "firmware"}
        variables.update(item.split("=", 1) for item in env)
        for key, value in variables.items():
            args += ["-e", f"{key}={value}"]
        docker(*args, VM_IMAGE)

    def remove_vm(self, name):
        docker("rm", "-f", self.container(name), check_rc=False)
        docker("volume", "rm", "-f", f"{self.name}-disk-{name}", check_rc=False)

    def raw_disk(self, name, where):
        """The (stopped) VM's first disk as a sparse raw file at `where`."""
        volume = f"{self.name}-disk-{name}"
        directory = os.path.dirname(where)
        found = docker("run", "--rm", "--network", "none", "-v", f"{volume}:/disks:ro", "-v", f"{directory}:/out",
            "--entrypoint", "/bin/sh", VM_IMAGE, "-c",
            "set -e; d=$(ls /disks/*.qcow2 | sort | head -n 1); "
            f"qemu-img convert -U -O raw \"$d\" /out/{os.path.basename(where)}", timeout=180)
        return found

    def log(self):
        parts = []
        for line in docker("ps", "-a", "--filter", f"label=vmlab.lab={self.name}", "--format",
                "{{.Names}} {{.Status}}", check_rc=False).stdout.splitlines():
            name = line.split()[0]
            done = subprocess.run([DOCKER, "logs", "--tail", "120", name], stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            parts.append(f"---- {line}\n{done.stdout.decode(errors='replace')}")
        return "\n".join(parts)

    def remove(self):
        names = docker("ps", "-a", "--filter", f"label=vmlab.lab={self.name}", "--format", "{{.Names}}",
            check_rc=False).stdout.split()
        if names:
            docker("rm", "-f", "-v", *names, check_rc=False, timeout=120)
        for volume in docker("volume", "ls", "--format", "{{.Name}}", check_rc=False).stdout.split():
            if volume.startswith(self.name + "-"):
                docker("volume", "rm", "-f", volume, check_rc=False)
