#!/bin/sh
# host-setup.sh PURPOSE - installs what this Debian machine lacks for PURPOSE and starts a container
# engine when none answers. Does nothing when all is there. Needs root only when there is something
# to do.
#
#   build   make all, make load
#   demo    build, and what the vmlab command uses
#   test    demo, and what the tests use
#   bench   test, and what the benchmarks use
#
#   --check  only say what is missing; exit status 1 when something is
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
. "$top/docker/arch.sh"
log=/var/log/vmlab-dockerd.log

say()
{
	echo "host-setup: $*"
}

die()
{
	echo "host-setup: $*" >&2
	exit 1
}

check=
if [ "${1-}" = --check ]; then
	check=1
	shift
fi
purpose=${1-}

# ---- what is missing? ---------------------------------------------------------------------------

# "command:package", where the command's presence shows that nothing needs to be done.
build="mmdebstrap:mmdebstrap arch-test:arch-test zstd:zstd cpio:cpio git:git make:make xz:xz-utils"
demo="$build ssh:openssh-client ssh-keygen:openssh-client"
test="$demo python3:python3 pytest-3:python3-pytest shellcheck:shellcheck cppcheck:cppcheck curl:curl ip:iproute2
	qemu-img:qemu-utils mkfs.vfat:dosfstools mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs busybox:busybox
	chromium:chromium node:nodejs npm:npm mandoc:mandoc zsh:zsh fish:fish mcopy:mtools sfdisk:fdisk sgdisk:gdisk e2fsck:e2fsprogs losetup:mount depmod:kmod openssl:openssl"
bench="$test wrk:wrk bsdtar:libarchive-tools"
case $purpose in
build) wanted=$build ;;
demo) wanted=$demo ;;
test) wanted=$test ;;
bench) wanted=$bench ;;
*) die "usage: docker/host-setup.sh [--check] build|demo|test|bench" ;;
esac
[ "${BOOTSTRAP:-host}" != container ] || wanted=$(echo "$wanted" | sed 's/mmdebstrap:mmdebstrap//')

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
missing=
want()
{
	case " $missing " in
	*" $1 "*) ;;
	*) missing="${missing:+$missing }$1" ;;
	esac
}
for pair in $wanted; do
	command -v "${pair%%:*}" >/dev/null || want "${pair#*:}"
done
[ -e /etc/ssl/certs/ca-certificates.crt ] || want ca-certificates
case $purpose in
test | bench)
	[ -e /usr/lib/python3/dist-packages/pytest_timeout.py ] || want python3-pytest-timeout
	[ -e /usr/lib/python3/dist-packages/jsonschema/__init__.py ] || want python3-jsonschema
	[ -e /usr/lib/python3/dist-packages/prometheus_client/__init__.py ] || want python3-prometheus-client
	[ -e /usr/lib/u-boot/qemu_arm64/u-boot.bin ] || want u-boot-qemu
	;;
esac

# An engine that answers may be someone else's choice (docker-ce, a remote one): leave it alone.
engine_answers()
{
	"$here/client.sh" version >/dev/null 2>&1
}
engine=
if ! engine_answers; then
	engine=start
	command -v dockerd >/dev/null || want docker.io
	command -v iptables >/dev/null || want iptables
fi
# Whether a client can build is known only by trying, and only when an engine answers.
builder_works()
{
	printf 'FROM scratch\nLABEL probe=1\n' | "$here/client.sh" build -q - >/dev/null 2>&1
}
if [ -z "$engine" ] && ! builder_works; then
	engine=client
fi
# Whose programs do not run here. The demo builds for this machine alone.
emulation=
for foreign in $arch_names; do
	arch_row "$foreign"
	if [ "$purpose" = demo ] || [ "$arch_machine" = "$(uname -m)" ] ||
		grep -qs '^enabled' "/proc/sys/fs/binfmt_misc/qemu-$arch_machine"; then
		continue
	fi
	emulation="${emulation:+$emulation }$foreign"
	[ -e "/usr/lib/binfmt.d/qemu-$arch_machine.conf" ] || want qemu-user-static
done

if [ -z "$missing$engine$emulation" ]; then
	exit 0
fi
if [ -n "$check" ]; then
	[ -z "$missing" ] || say "not installed: $missing"
	[ "$engine" != start ] || say "no container engine answers"
	[ "$engine" != client ] || say "no docker client here can build with BuildKit"
	[ -z "$emulation" ] || say "programs for $emulation do not run here"
	exit 1
fi
[ "$(id -u)" = 0 ] ||
	die "this machine lacks ${missing:-a running container engine or emulation for $emulation}:" \
		"run 'sudo $here/host-setup.sh $purpose' once (and 'sudo adduser $(id -un) docker'," \
		"then log in again, to use the engine without sudo)"

# ---- install ------------------------------------------------------------------------------------

command -v apt-get >/dev/null ||
	die "this is no Debian (there is no apt-get): install $missing by hand, then go on"

updated=
install_packages()
{
	say "installing $*"
	if [ -z "$updated" ]; then
		apt-get -qq update || die "apt-get update failed: is a Debian mirror reachable?"
		updated=1
	fi
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "$@" \
		>/tmp/host-setup.$$ 2>&1 || {
		tail -n 20 /tmp/host-setup.$$ >&2
		rm -f /tmp/host-setup.$$
		die "apt-get could not install $*: see above"
	}
	rm -f /tmp/host-setup.$$
}

known()
{
	apt-cache show "$1" 2>/dev/null | grep -q '^Package:'
}

if [ "$engine" = client ]; then
	want docker.io
fi
if [ -n "$missing" ]; then
	say "looking for packages"
	apt-get -qq update || die "apt-get update failed: is a Debian mirror reachable?"
	updated=1
	# Debian 13 has the client and its BuildKit part in packages of their own.
	case " $missing " in
	*" docker.io "*)
		for package in docker-cli docker-buildx; do
			! known $package || want $package
		done
		;;
	esac
	# A container has no init to start services; we start the engine ourselves.
	# shellcheck disable=SC2086 # a list of packages
	install_packages $missing
fi

# ---- start the engine ---------------------------------------------------------------------------

if [ "$engine" = start ] && ! engine_answers; then
	daemon=
	if [ -d /run/systemd/system ]; then
		say "starting docker.service"
		systemctl start docker.service || die "docker.service does not start: see" \
			"'journalctl -u docker.service'"
	else
		say "starting dockerd (log: $log)"
		rm -f /var/run/docker.pid
		setsid dockerd >"$log" 2>&1 </dev/null &
		daemon=$!
	fi
	waited=0
	until engine_answers; do
		[ -z "$daemon" ] || kill -0 "$daemon" 2>/dev/null ||
			die "dockerd ended at once: $(grep -m 1 -i 'failed to start' "$log" ||
				tail -n 1 "$log") (more in $log)"
		[ $waited -lt 60 ] ||
			die "the container engine does not answer after 60 s: see $log or" \
				"'journalctl -u docker.service'"
		sleep 1
		waited=$((waited + 1))
	done
fi
builder_works || die "no docker client on this machine can build with BuildKit: install docker-buildx" \
	"(Debian 13) or docker.io (Debian 12)"

# ---- other architectures' programs --------------------------------------------------------------

# Only `make all` needs them, and it says so itself.
for foreign in $emulation; do
	"$here/binfmt.sh" "$foreign" ||
		say "going on without: images for $foreign cannot be built here"
done
say "this machine has what '$purpose' needs"
