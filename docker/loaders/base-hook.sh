#!/bin/sh
# base-hook.sh ROOT ARCH - leaves of the packages' files what is served: the loaders of loaders.table, iPXE in
# U-Boot's format and the bootable medium in /srv/tftp, what lpxelinux.0 fetches over HTTP in /srv/syslinux, and
# the certificates of Mozilla's authorities in /srv/tls, by which the system in memory judges https.
set -eu

root=$1
here=$(cd "$(dirname "$0")" && pwd)
out=$root/out/srv

mkdir -p "$out/tftp" "$out/syslinux" "$out/tls"
cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$out/tls/ca-certificates.crt"
ln -s /run/vmlab/loaders "$out/tftp/own" # entrypoint.sh leads on to the user's folder
awk '$1 == "loader" || $1 == "file" {print $(NF - 1), $NF}' "$here/loaders.table" | while read -r file source; do
	cp "$root/$source" "$out/tftp/$file"
done
cp "$root/usr/lib/syslinux/modules/bios/ldlinux.c32" "$root/usr/lib/ipxe/ipxe.lkrn" "$out/syslinux/"
cp "$root/usr/lib/ipxe/ipxe.lkrn" "$out/tftp/"

# iPXE for arm64 naps with WFI between two looks at the keyboard. Under U-Boot no interrupt ends that:
# its only one becomes a NOP.
python3 - "$out/tftp/ipxe-arm64.efi" <<'PATCH'
import sys

path = sys.argv[1]
with open(path, "rb") as f:
    code = f.read()
wfi, nop = bytes.fromhex("7f2003d5"), bytes.fromhex("1f2003d5")
found = [at for at in range(0, len(code) - 3, 4) if code[at:at + 4] == wfi]
if len(found) != 1:
    sys.exit(f"base-hook.sh: {path} has {len(found)} WFI instructions where one is known: see what naps there")
with open(path, "wb") as f:
    f.write(code[:found[0]] + nop + code[found[0] + 4:])
PATCH

"$here/fit.sh" "$root" "$out/tftp"
"$here/medium.sh" "$root" "$out/tftp" "$here/../stack/tftp/autoexec.ipxe"

mkdir -p "$out/doc"
for package in ipxe pxelinux isolinux syslinux-common shim-signed grub-efi-amd64-signed ca-certificates; do
	cp "$root/usr/share/doc/$package/copyright" "$out/doc/$package"
done
find "$root" -mindepth 1 -maxdepth 1 ! -name out -exec rm -rf {} +
mv "$root/out/srv" "$root/srv"
rmdir "$root/out"
mkdir -p "$root/usr/share/doc/vmlab-loaders"
mv "$root"/srv/doc/* "$root/usr/share/doc/vmlab-loaders/"
rmdir "$root/srv/doc"
find "$root" -type f -exec chmod 0644 {} +
