#!/bin/sh
# static-libs.sh ARCH PREFIX - builds the static libraries that Debian does not ship (or ships in a
# form that cannot be linked statically) from Debian's own sources: libfdisk, libblkid, libuuid, and
# a libcurl that speaks HTTP, and TLS by Debian's mbedTLS, and nothing else.
#
#   ARCH    e.g. arm64; cross-compiles against /sysroot/ARCH when this is another machine
#   PREFIX  e.g. /opt/static/arm64; gets lib/*.a, include/, lib/pkgconfig/*.pc
#
# Needs gcc (or the cross gcc), make, dpkg-dev, xz and a configured apt. The sources come from the
# mirrors apt already uses; apt checks them against the signed index. apt's own configuration and
# lists stay as they are. Work files are removed at the end.
set -eu

die()
{
	echo "static-libs.sh: $*" >&2
	exit 1
}

[ $# -eq 2 ] || die "usage: static-libs.sh ARCH PREFIX"
arch=$1
prefix=$2

triplet=$(dpkg-architecture -a"$arch" -qDEB_HOST_MULTIARCH 2>/dev/null) ||
	die "there is no architecture '$arch'"

if [ "$arch" = "$(dpkg --print-architecture)" ]; then
	CC=gcc AR=ar RANLIB=ranlib
else
	CC="$triplet-gcc --sysroot=/sysroot/$arch" AR=$triplet-ar RANLIB=$triplet-ranlib
	[ -d "/sysroot/$arch/usr/lib/$triplet" ] || die "/sysroot/$arch holds no $arch libraries"
fi
CFLAGS="-O2 -ffunction-sections -fdata-sections -fstack-protector-strong -D_FORTIFY_SOURCE=2"
# No .pc of the build machine may answer for the target.
PKG_CONFIG_LIBDIR=/nonexistent
export CC AR RANLIB CFLAGS PKG_CONFIG_LIBDIR

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
jobs=$(nproc)
[ "$jobs" -le 4 ] || jobs=4

# ---- sources ----------------------------------------------------------------------------------

# An apt of our own: the machine's mirrors and keys, but source entries and separate lists.
cache=$work/cache
mkdir -p "$work/parts" "$cache/lists/partial" "$cache/src"
: >"$work/sources.list"
if [ -f /etc/apt/sources.list ]; then
	sed -n 's/^deb[[:space:]]/deb-src /p' /etc/apt/sources.list >"$work/sources.list"
fi
for f in /etc/apt/sources.list.d/*.list; do
	[ ! -f "$f" ] || sed -n 's/^deb[[:space:]]/deb-src /p' "$f" >>"$work/sources.list"
done
for f in /etc/apt/sources.list.d/*.sources; do
	[ ! -f "$f" ] || sed 's/^Types:.*/Types: deb-src/' "$f" >"$work/parts/${f##*/}"
done
cat >"$work/apt.conf" <<CONF
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "$work/parts";
Dir::State::lists "$cache/lists";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "root";
CONF
export APT_CONFIG="$work/apt.conf"

# source_get PACKAGE - downloads and unpacks into $work/PACKAGE. Newest version first; an older one
# when the mirror's index is ahead of its pool.
source_get()
{
	pkg=$1
	versions=$(apt-cache showsrc --only-source "$pkg" | sed -n 's/^Version: //p' | sort -ruV)
	[ -n "$versions" ] || die "apt knows no source package '$pkg': is there a mirror in its sources?"
	for version in $versions; do
		if (cd "$cache/src" && apt-get -qq source --download-only "$pkg=$version"); then
			dsc=$cache/src/${pkg}_${version#*:}.dsc
			dpkg-source --no-copy -q -x "$dsc" "$work/$pkg" 2>/dev/null ||
				dpkg-source -x "$dsc" "$work/$pkg" || die "cannot unpack $dsc"
			echo "static-libs.sh: $pkg $version for $arch"
			return
		fi
		echo "static-libs.sh: $pkg $version cannot be fetched, trying an older one" >&2
	done
	die "no version of the source package '$pkg' could be fetched"
}

# run NAME COMMAND... - quiet unless it fails.
run()
{
	log=$work/$1.log
	shift
	"$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; die "failed: $*"; }
}

# ---- libfdisk, libblkid, libuuid ----------------------------------------------------------------

util_linux_build()
{
	cd "$work/util-linux"
	run util-linux-configure ./configure --host="$triplet" --prefix="$prefix" \
		--libdir="$prefix/lib" --disable-all-programs --enable-libfdisk --enable-libblkid \
		--enable-libuuid --enable-static --disable-shared --disable-nls --disable-asciidoc \
		--disable-gtk-doc --disable-bash-completion --disable-poman --without-ncurses \
		--without-ncursesw --without-tinfo --without-readline --without-python --without-udev \
		--without-systemd --without-selinux --without-audit --without-cap-ng --without-econf \
		--without-cryptsetup --disable-year2038 --disable-dependency-tracking \
		--disable-use-tty-group
	# Debian's patches touch automake's inputs; their outputs are patched as well.
	run util-linux-make make -j"$jobs" AUTOMAKE=: ACLOCAL=: AUTOCONF=: AUTOHEADER=: \
		install-usrlib_execLTLIBRARIES install-pkgconfigDATA install-nodist_blkidincHEADERS \
		install-nodist_fdiskincHEADERS install-uuidincHEADERS
}

# ---- libcurl ------------------------------------------------------------------------------------

curl_build()
{
	cd "$work/curl"
	set --
	for f in ftp file ipfs ldap ldaps rtsp proxy dict telnet tftp pop3 imap smb smtp gopher mqtt \
		websockets manual docs libcurl-option ntlm tls-srp unix-sockets cookies alt-svc hsts \
		basic-auth bearer-auth digest-auth kerberos-auth negotiate-auth aws doh mime form-api \
		netrc progress-meter dnsshuffle headers-api sspi ech ares threaded-resolver shared \
		dependency-tracking; do
		set -- "$@" "--disable-$f"
	done
	for f in zlib brotli zstd libpsl libidn2 libssh libssh2 librtmp nghttp2 nghttp3 ngtcp2 \
		libgsasl gssapi ca-bundle ca-path; do
		set -- "$@" "--without-$f"
	done
	run curl-configure ./configure --host="$triplet" --prefix="$prefix" --libdir="$prefix/lib" \
		--enable-static --enable-http --with-mbedtls "$@"
	run curl-make make -j"$jobs" -C lib install
	run curl-headers make -C include install
	run curl-pc make install-pkgconfigDATA
}

apt-get -qq update || die "apt-get update failed: is a Debian mirror reachable?"
source_get util-linux
source_get curl
mkdir -p "$prefix"
(util_linux_build) &
pid=$!
(curl_build)
wait "$pid"
rm -f "$prefix"/lib/*.la

for lib in libfdisk libblkid libuuid libcurl; do
	[ -s "$prefix/lib/$lib.a" ] || {
		tail -n 15 "$work"/*-configure.log "$work"/*-make.log >&2
		die "$lib.a was not built"
	}
done
for pc in fdisk blkid uuid libcurl; do
	[ -s "$prefix/lib/pkgconfig/$pc.pc" ] || die "$pc.pc was not installed"
done
