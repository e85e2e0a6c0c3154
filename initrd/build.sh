#!/bin/sh
# build.sh - makes the installer's initramfs: /init, busybox, mkfs tools, os-installer. No kernel and
# no modules: those come from the image that is installed, as a second archive.
#
#   --arch ARCH             machine it is for; nothing of it is run, so any host can build all
#   --installer PATH        static os-installer of that architecture
#   --out FILE              e.g. build/initrd/amd64/initrd.zst
#   --base debian|FILE      "debian": busybox-static. FILE: Alpine's minirootfs tarball, which must
#                           have the sum in alpine-minirootfs.table. Without it: that tarball from
#                           build/initrd/, or downloaded when its server answers quickly, else debian
#   --packages FILE         tarball of busybox-static and the packages of programs.table, unpacked;
#                           without it mmdebstrap makes one and keeps it for a week
#
# Environment: SOURCE_DATE_EPOCH dates the files (default: the last commit), ALPINE_MIRROR replaces
# the download server, INITRD_BASE is a default for --base.
#
# The same input gives the same bytes. Needs no root. Host tools: mmdebstrap (unless --packages),
# tar, cpio, zstd, sha256sum; curl or wget for the download.
set -eu

suite=trixie
max_bytes=$((8 * 1024 * 1024))
alpine_mirror=${ALPINE_MIRROR:-https://dl-cdn.alpinelinux.org/alpine}

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
. "$top/docker/arch.sh"
cache=$top/build/initrd
programs=$here/programs.table
packages="busybox-static $(grep -v '^#' "$programs" | cut -d' ' -f1 | uniq | tr '\n' ' ')"
packages=${packages% }

die()
{
	echo "initrd/build.sh: $*" >&2
	exit 1
}

arch='' installer='' out='' base=${INITRD_BASE-} packages_tar=''
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	--arch | --installer | --out | --base | --packages)
		[ $# -ge 2 ] || die "$1 needs a value"
		case $1 in
		--arch) arch=$2 ;;
		--installer) installer=$2 ;;
		--out) out=$2 ;;
		--base) base=$2 ;;
		--packages) packages_tar=$2 ;;
		esac
		shift 2
		;;
	*) die "'$1' is not an option; --help lists them" ;;
	esac
done
arch_row "$arch" || die "--arch is one of $arch_names, not '$arch'"
[ -n "$out" ] || die "--out FILE is missing"
[ -f "$installer" ] || die "--installer '$installer' is not there; 'make -f build.mk static' makes it"
for tool in tar cpio zstd sha256sum; do
	command -v $tool >/dev/null || die "$tool is not installed"
done

mkdir -p "$cache" "$(dirname "$out")"
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
umask 022

# ---- Debian's packages, unpacked -----------------------------------------------------------------

if [ -z "$packages_tar" ]; then
	packages_tar=$cache/packages-$arch-$(date -u +%G-%V)-$(echo "$packages" | cksum | cut -d' ' -f1).tar
	if [ ! -f "$packages_tar" ]; then
		[ "${BOOTSTRAP-}" = container ] || command -v mmdebstrap >/dev/null ||
			die "mmdebstrap is not installed; install it, or give the unpacked packages" \
				"with --packages"
		echo "initrd $arch: fetching $packages"
		rm -f "$cache/packages-$arch-"*.tar
		set -- --quiet --variant=extract --architectures="$arch" \
			--include="$(echo "$packages" | tr ' ' ,)" "$suite"
		if [ "${BOOTSTRAP-}" = container ]; then
			# shellcheck disable=SC2016 # the script is expanded inside
			set -- "$top/docker/client.sh" run --rm --network host -v "$work:/out" \
				-e http_proxy -e https_proxy -e "OWNER=$(id -u):$(id -g)" \
				"${BOOTSTRAP_IMAGE:-debian:trixie}" sh -euc '
				command -v mmdebstrap >/dev/null || {
					apt-get -qq update
					apt-get -qq -y install --no-install-recommends mmdebstrap >/dev/null
				}
				mmdebstrap "$@" /out/packages.tar
				chown "$OWNER" /out/packages.tar' sh "$@"
		else
			set -- mmdebstrap "$@" "$work/packages.tar"
		fi
		"$@" 2>"$work/mmdebstrap.log" || {
			cat "$work/mmdebstrap.log" >&2
			die "mmdebstrap could not fetch $packages: see above; is a Debian mirror reachable?"
		}
		mv "$work/packages.tar" "$packages_tar"
	fi
fi

# ---- Alpine's minirootfs, if it can be had ---------------------------------------------------------

download() # url, file
{
	if command -v curl >/dev/null; then
		curl -fsL --connect-timeout 4 --max-time 60 --speed-limit 10000 --speed-time 5 \
			-o "$2" "$1"
	elif command -v wget >/dev/null; then
		wget -q -T 5 -t 1 -O "$2" "$1"
	else
		return 1
	fi
}

sum_is() # file, sum
{
	[ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]
}

# shellcheck disable=SC2046 # splitting the table's line is the point
set -- $(sed -n "s/^${arch}[[:space:]]//p" "$here/alpine-minirootfs.table")
release=${1-} alpine_file=${2-} alpine_sum=${3-}
[ -n "$release" ] || base=${base:-debian} # Alpine is not taken for it
alpine=
case $base in
debian) ;;
'')
	alpine=$cache/$alpine_file
	if [ ! -f "$alpine" ] || ! sum_is "$alpine" "$alpine_sum"; then
		alpine=
		if download "$alpine_mirror/$release/releases/$arch_machine/$alpine_file" "$work/alpine" &&
			sum_is "$work/alpine" "$alpine_sum"; then
			alpine=$cache/$alpine_file
			mv "$work/alpine" "$alpine"
		fi
	fi
	;;
*)
	[ -f "$base" ] || die "--base '$base' is neither 'debian' nor a file"
	sum_is "$base" "$alpine_sum" || die "$base is not the pinned $alpine_file: its SHA-256 should" \
		"be $alpine_sum (initrd/alpine-minirootfs.table)"
	alpine=$base
	;;
esac

# ---- is it up to date? ---------------------------------------------------------------------------

epoch=${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct 2>/dev/null || echo 0)}
key=$({
	echo "$epoch $arch ${alpine:+$alpine_sum}"
	cat "$0" "$programs" "$here/init" "$here/udhcpc.script" "$here/mdev.conf" "$installer" "$packages_tar"
} | sha256sum | cut -d' ' -f1)
if [ -s "$out" ] && [ "$(cat "$out.key" 2>/dev/null)" = "$key" ]; then
	exit 0
fi

# ---- the root ------------------------------------------------------------------------------------

debian=$work/debian
mkdir "$debian"
tar -x -f "$packages_tar" -C "$debian" --no-same-owner --exclude='./dev/*' ||
	die "$packages_tar cannot be unpacked"
root=$work/root
mkdir "$root"
if [ -n "$alpine" ]; then
	base_name="Alpine ${alpine_file#alpine-minirootfs-}"
	base_name=${base_name%-*}
	# Without the package manager and what only it uses: half of the size.
	tar -x -z -f "$alpine" -C "$root" --no-same-owner --exclude='./dev/*' --exclude='*apk*' \
		--exclude='*libcrypto*' --exclude='*libssl*' --exclude='./usr/bin/ssl_client' \
		--exclude='./usr/bin/scanelf' --exclude='./usr/lib/engines-3' \
		--exclude='./usr/lib/ossl-modules' --exclude='./etc/ssl*' --exclude='./home' \
		--exclude='./media' --exclude='./opt' --exclude='./srv' --exclude='./var/*'
else
	base_name="Debian busybox-static"
	mkdir -p "$root/bin" "$root/sbin" "$root/usr/bin" "$root/usr/sbin" "$root/lib" "$root/etc"
	cp "$debian/usr/bin/busybox" "$root/bin/busybox"
	ln -s busybox "$root/bin/sh" # /init makes the other links
	echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
	echo 'root:x:0:' >"$root/etc/group"
fi
for dir in dev proc sys run tmp root lib/modules "lib/$arch_triplet" "$(dirname "$arch_ld")"; do
	mkdir -p "$root/$dir"
done

put() # mode, source, destination below the root; replaces a link instead of writing through it
{
	rm -f "$root/$3"
	cp -L "$2" "$root/$3" || die "$2 is missing"
	chmod "$1" "$root/$3"
}

put 755 "$here/init" init
put 755 "$here/udhcpc.script" lib/udhcpc.script
put 644 "$here/mdev.conf" etc/mdev.conf
ln -sf /run/resolv.conf "$root/etc/resolv.conf"
put 755 "$installer" usr/sbin/os-installer
put 755 "$debian/usr/$arch_ld" "$arch_ld"
libraries=$debian/usr/lib/$arch_triplet
put 755 "$libraries/libc.so.6" "lib/$arch_triplet/libc.so.6"
grep -v '^#' "$programs" >"$work/programs"
while read -r _ file names needed; do
	case $file in etc/*) mode=644 ;; *) mode=755 ;; esac
	put $mode "$debian/$file" "${file#usr/}"
	for name in $(echo "${names#-}" | tr , ' '); do
		ln -sfn "${file##*/}" "$root/sbin/$name"
	done
	for library in $needed; do
		put 755 "$libraries/$library" "lib/$arch_triplet/$library"
	done
done <"$work/programs"

# ---- the archive -----------------------------------------------------------------------------------

find "$root" -exec touch -h -d "@$epoch" {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort |
	cpio --quiet -o -H newc -R 0:0 --reproducible) >"$work/initrd.cpio"
zstd -q -19 -T0 -f "$work/initrd.cpio" -o "$work/initrd.zst"
size=$(wc -c <"$work/initrd.zst")
[ "$size" -le $max_bytes ] || die "$out would have $size bytes; at most $max_bytes are allowed"
chmod 644 "$work/initrd.zst"
mv "$work/initrd.zst" "$out.new"
mv "$out.new" "$out"
echo "$key" >"$out.key"
echo "initrd $arch: $out, $size bytes ($(wc -c <"$work/initrd.cpio") unpacked), $base_name"
