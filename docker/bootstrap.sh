#!/bin/sh
# bootstrap.sh [--refresh] NAME ARCH - makes a base root file system from Debian's archive and
# leaves it as build/base/NAME-ARCH.tar, which the Dockerfiles ADD onto scratch. No container
# registry is involved; the mirror is the one apt or mmdebstrap knows by itself.
#
#   NAME  builder  compiler and static libraries for the build machine's own architecture, ARCH
#         cross    compilers and static libraries for the others (build machine's ARCH)
#         clang    clang with libFuzzer and what `make lint` asks (build machine's ARCH)
#         stack    what the provisioning daemons need to run
#         vm       QEMU and firmware, which run guests of all architectures
#         loaders  what machines are given to boot from the network, of every architecture: only files
#                  taken out of packages, and a CD and a stick made of them (build machine's ARCH)
#   ARCH  of arches.table; a foreign one runs its maintainer scripts through binfmt (binfmt.sh)
#
# A tarball is made again when what it is made from changes, when a new week begins (Debian's
# security updates) or with --refresh. BOOTSTRAP=container does the work in a container of the image
# BOOTSTRAP_IMAGE (default debian:trixie), for hosts without mmdebstrap.
set -eu

suite=trixie
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
. "$top/docker/arch.sh"
base=${BASE_DIR:-$top/build/base}

die()
{
	echo "bootstrap.sh: $*" >&2
	exit 1
}

refresh=
if [ "${1-}" = --refresh ]; then
	refresh=1
	shift
fi
[ $# -eq 2 ] || die "usage: docker/bootstrap.sh [--refresh] builder|cross|clang|stack|vm|loaders ARCH"
name=$1 signed=
arch=$2
others='' cross_compilers=''
for one in $arch_names; do
	arch_row "$one"
	[ "$one" != "$arch" ] || continue
	others="$others $one"
	cross_compilers="$cross_compilers gcc-$(echo "$arch_triplet" | tr _ -)"
done
others=${others# } cross_compilers=${cross_compilers# }
arch_row "$arch" || die "architecture '$arch' is not supported: use one of $arch_names"

# ---- what goes into each ------------------------------------------------------------------------

# -dev packages of one architecture: what our programs compile against.
libraries="libc6-dev libcmocka-dev libjansson-dev libmicrohttpd-dev libsqlite3-dev libarchive-dev \
zlib1g-dev libzstd-dev liblzma-dev libmbedtls-dev libfdt-dev"

variant=essential
case $name in
builder)
	packages="ca-certificates make gcc dpkg-dev pkgconf bzip2 xz-utils zstd cpio python3-minimal \
dnsmasq-base openssh-client $libraries"
	variant=minbase
	;;
cross)
	packages="ca-certificates make $cross_compilers dpkg-dev pkgconf bzip2 xz-utils"
	variant=minbase
	;;
clang)
	packages="make pkgconf clang libclang-rt-dev clang-format cppcheck shellcheck $libraries"
	variant=minbase
	;;
stack)
	packages="dnsmasq-base nginx-light supervisor libmicrohttpd12t64 libjansson4 libsqlite3-0 \
nftables iproute2 netcat-openbsd"
	;;
vm)
	packages="qemu-system-x86 ovmf qemu-system-arm qemu-efi-aarch64 qemu-utils iproute2 socat"
	;;
loaders)
	packages="ipxe pxelinux syslinux-common isolinux xorriso mtools device-tree-compiler ca-certificates"
	signed="shim-signed grub-efi-ARCH-signed" # of every architecture
	variant=extract
	;;
*) die "there is no base '$name': use builder, cross, clang, stack, vm or loaders" ;;
esac
hook=$here/$name/base-hook.sh
[ "$name" != cross ] || hook=$here/builder/base-hook.sh

# ---- is it up to date? --------------------------------------------------------------------------

tarball=$base/$name-$arch.tar
week=${BOOTSTRAP_WEEK:-$(date -u +%G-W%V)}
inputs=$hook
case $name in
builder | cross) inputs="$here/builder/base-hook.sh $here/builder/static-libs.sh" ;;
clang) inputs=/dev/null ;;
loaders) inputs="$hook $here/loaders/loaders.table $here/loaders/fit.sh $here/loaders/in-root.sh \
$here/loaders/medium.sh $here/stack/tftp/autoexec.ipxe" ;;
esac
# shellcheck disable=SC2086 # a list of files
key=$({
	echo "$suite $name $arch $week $variant $packages${signed:+ $signed}"
	[ "$name" != cross ] || echo "$libraries"
	sed -n '/^# ---- here -/,$p' "$0"
	cat $inputs
} | sha256sum | cut -d' ' -f1)
up_to_date()
{
	[ -s "$tarball" ] && [ "$(cat "$tarball.key" 2>/dev/null)" = "$key" ]
}
if [ -z "$refresh" ] && up_to_date; then
	exit 0
fi
mkdir -p "$base"

# One run makes it; another that waited here finds it made.
if [ -z "${BOOTSTRAP_LOCKED-}" ]; then
	exec 9>"$base/.$name-$arch.lock"
	flock -n 9 || {
		echo "bootstrap.sh: waiting for another run that makes $name-$arch.tar" >&2
		flock 9
		! up_to_date || exit 0
	}
fi

# ---- in a container -----------------------------------------------------------------------------

if [ "${BOOTSTRAP:-host}" = container ]; then
	image=${BOOTSTRAP_IMAGE:-debian:trixie}
	echo "bootstrap.sh: making $name-$arch.tar inside a container of $image" >&2
	# mmdebstrap mounts /proc and /dev in the new root: hence SYS_ADMIN, for this one step.
	# The host's network, so that whatever reaches the mirror from here does so from there.
	# shellcheck disable=SC2016 # the script is expanded inside
	"$here/client.sh" run --rm --network host --cap-add SYS_ADMIN \
		--security-opt apparmor=unconfined --security-opt seccomp=unconfined \
		-v "$top:/src:ro" -v "$base:/base" -w /src \
		-e BASE_DIR=/base -e BOOTSTRAP_LOCKED=1 -e "BOOTSTRAP_WEEK=$week" -e "OWNER=$(id -u):$(id -g)" \
		-e http_proxy -e https_proxy "$image" sh -euc '
			export DEBIAN_FRONTEND=noninteractive
			command -v mmdebstrap >/dev/null && command -v arch-test >/dev/null || {
				apt-get -qq update
				apt-get -qq -y install --no-install-recommends mmdebstrap arch-test \
					zstd >/dev/null
			}
			docker/bootstrap.sh "$@"
			chown -R "$OWNER" /base' sh ${refresh:+--refresh} "$name" "$arch" ||
		die "the container of $image could not make $name-$arch.tar: see above, or name another" \
			"Debian image with BOOTSTRAP_IMAGE"
	exit 0
fi

# ---- here ---------------------------------------------------------------------------------------

command -v mmdebstrap >/dev/null ||
	die "mmdebstrap is not installed: run 'docker/host-setup.sh build' as root, or use" \
		"BOOTSTRAP=container"
[ "$arch" = "$(dpkg --print-architecture)" ] || "$here/binfmt.sh" "$arch"

work=$(mktemp -d "$base/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# Monday's date on what the hooks make, so that a week's tarballs are alike.
SOURCE_DATE_EPOCH=$(date -u -d "$(date -u +%F) -$(($(date -u +%u) - 1)) days" +%s)
export SOURCE_DATE_EPOCH

# make_tar OUT VARIANT ARCH PACKAGES [MMDEBSTRAP-OPTION...]
make_tar()
{
	out=$1 of_variant=$2 of_arch=$3
	include=$(echo "$4" | tr -s ' ' ,)
	shift 4
	mmdebstrap --quiet --variant="$of_variant" --architectures="$of_arch" --include="$include" \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
		--aptopt='Acquire::Retries "3"' "$@" "$suite" "$out" 2>"$work/log" || {
		tail -n 40 "$work/log" >&2
		die "mmdebstrap could not make $name-$arch.tar: see above; is a Debian mirror reachable?"
	}
}

# No manuals, translations or caches; the licences stay.
slim()
{
	for dir in doc man info locale lintian bug bash-completion zsh fish linda gtk-doc; do
		printf -- '--dpkgopt=path-exclude=/usr/share/%s/*\n' $dir
	done
	printf -- '--dpkgopt=path-include=/usr/share/doc/*/copyright\n'
}

started=$(date +%s)
echo "bootstrap.sh: making $name-$arch.tar from Debian $suite" >&2
# shellcheck disable=SC2046 # one word an option
case $name in
builder)
	make_tar "$work/out.tar" "$variant" "$arch" "$packages" $(slim) \
		--customize-hook="copy-in '$here/builder/static-libs.sh' /tmp" \
		--customize-hook="'$hook' \"\$1\" $arch"
	;;
cross)
	set --
	for other in $others; do
		make_tar "$work/$other.tar" extract "$other" "base-files $libraries"
		set -- "$@" --customize-hook="mkdir -p \"\$1/sysroot/$other\"" \
			--customize-hook="tar -C \"\$1/sysroot/$other\" -xf '$work/$other.tar'" \
			--customize-hook="copy-in '$here/builder/static-libs.sh' /tmp" \
			--customize-hook="'$hook' \"\$1\" $other"
	done
	make_tar "$work/out.tar" "$variant" "$arch" "$packages" $(slim) "$@"
	;;
clang)
	make_tar "$work/out.tar" "$variant" "$arch" "$packages" $(slim)
	;;
loaders)
	make_tar "$work/packages.tar" "$variant" "$arch" "$packages"
	mkdir "$work/root"
	tar -C "$work/root" --exclude=./dev -xf "$work/packages.tar"
	for one in $arch_names; do
		make_tar "$work/$one.tar" "$variant" "$one" "$(echo "$signed" | sed "s/ARCH/$one/")"
		tar -C "$work/root" -xf "$work/$one.tar" ./usr/lib/shim ./usr/lib/grub ./usr/share/doc
	done
	"$hook" "$work/root" "$arch"
	tar -C "$work/root" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
		-cf "$work/out.tar" .
	;;
*)
	make_tar "$work/out.tar" "$variant" "$arch" "$packages" $(slim) \
		--customize-hook="'$hook' \"\$1\" $arch"
	;;
esac
chmod 0644 "$work/out.tar"
mv "$work/out.tar" "$tarball"
echo "$key" >"$tarball.key.new"
mv "$tarball.key.new" "$tarball.key"
echo "bootstrap.sh: $name-$arch.tar: $(($(stat -c %s "$tarball") / 1048576)) MiB in" \
	"$(($(date +%s) - started)) s" >&2
