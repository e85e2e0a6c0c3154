#!/bin/sh
# base-hook.sh ROOT ARCH - last touches to the stack's root file system: its folders, the user
# boot_handler runs as, and nothing that no daemon uses.
set -eu

root=$1

mkdir -p "$root/srv/tftp" "$root/srv/initrds" "$root/srv/images" "$root/vms" "$root/state"

chroot "$root" useradd --system --user-group --no-create-home --home-dir /nonexistent \
	--shell /usr/sbin/nologin boot_handler
grep -q '^dnsmasq:' "$root/etc/passwd" || {
	echo "base-hook.sh: Debian's dnsmasq-base made no user 'dnsmasq'" >&2
	exit 1
}

# Only links of dpkg's and python's need remain; the package database says what is installed.
rm -rf "$root"/usr/lib/*-linux-gnu/gconv "$root"/usr/lib/*-linux-gnu/perl-base \
	"$root"/usr/share/perl5 "$root/usr/share/zoneinfo" \
	"$root/usr/share/nginx" "$root/var/www" "$root"/etc/nginx/sites-* \
	"$root"/usr/lib/python3*/ensurepip "$root"/usr/lib/python3*/pydoc_data \
	"$root"/usr/lib/python3*/test "$root"/usr/lib/python3*/unittest \
	"$root"/usr/lib/python3/dist-packages/supervisor/tests \
	"$root"/var/lib/apt "$root"/var/cache/* "$root"/var/log/*.log "$root"/var/log/apt \
	"$root"/var/lib/dpkg/info/*.md5sums "$root"/var/lib/dpkg/*-old "$root"/etc/*- \
	"$root"/usr/share/debconf "$root"/usr/share/python3/debpython
rm -f "$root/usr/bin/perl" "$root"/usr/bin/perl5*
