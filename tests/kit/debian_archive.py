"""debian_archive.py - whether debian-installer could install from the archive that this machine's apt
knows: what its Release says of the installer's components and what is there must be one thing, they
must be of the kernel that the installer's image has, and they must be there.
"""
import glob
import gzip
import hashlib
import lzma
import re
import urllib.error
import urllib.request

from kit.check import skip

# Of what an installation loads, a part of each step.
NEEDED = ("hw-detect", "clock-setup", "partman-basicfilesystems", "partman-ext3", "bootstrap-base", "grub-installer", "finish-install")


def mirror():
    """The first archive of apt's own sources, "http://…/debian"."""
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources") + glob.glob("/etc/apt/sources.list.d/*.list") + ["/etc/apt/sources.list"]):
        try:
            with open(path) as f:
                found = re.search(r"(?m)^(?:URIs:\s*|deb\s+(?:\[[^]]*\]\s*)?)(http://\S+?/debian)/?(?:\s|$)", f.read())
        except FileNotFoundError:
            continue
        if found:
            return found.group(1)
    skip("apt's sources name no archive of Debian over HTTP")


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read()
    except OSError as e:
        skip(f"Debian's archive cannot be reached: {e}")


def kernel_of(initrd):
    """The release of the kernel whose modules the installer's initrd has."""
    with gzip.open(initrd) as f:
        found = re.search(rb"lib/modules/([0-9][^/\0]+)", f.read(64 << 20))
    return found.group(1).decode()


def files_of(listed):
    """{package: file} of a Packages."""
    return dict(re.findall(r"(?ms)^Package: (\S+)$.*?^Filename: (\S+)$", listed))


def is_there(url):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=60):
            return True
    except urllib.error.HTTPError:
        return False
    except OSError as e:
        skip(f"Debian's archive cannot be reached: {e}")


def need_consistent(suite, arch, initrd):
    """Skips with the reason where an installation would stop at the archive."""
    base = f"{mirror()}/dists/{suite}"
    components = f"main/debian-installer/binary-{arch}/Packages.xz"
    release, listed = fetch(base + "/InRelease").decode(), fetch(f"{base}/{components}")
    wanted = re.search(rf"(?m)^ ([0-9a-f]{{64}}) +\d+ {re.escape(components)}$", release)
    if not wanted or wanted.group(1) != hashlib.sha256(listed).hexdigest():
        skip(f"Debian's archive as it is reached from here is inconsistent: {components} of {suite} is not the one of its Release")
    kernel, files = kernel_of(initrd), files_of(lzma.decompress(listed).decode())
    for component in (f"kernel-image-{kernel}-di", *NEEDED):
        if component not in files:
            skip(f"Debian's archive has no {component} for {suite}'s installer, whose kernel is {kernel}")
        if not is_there(f"{mirror()}/{files[component]}"):
            skip(f"Debian's archive lists {files[component]}, but has no such file as it is reached from here")
