# in-root.sh - to be sourced with `root` set: in_root runs a program of the packages that were unpacked there.
# shellcheck shell=sh disable=SC2154 # whoever reads it sets root

in_root()
{
	if [ "$(id -u)" = 0 ]; then
		chroot "$root" "$@"
	else
		unshare --map-root-user chroot "$root" "$@"
	fi
}

# Packages are only unpacked: nobody has made these.
for link in lib lib64; do
	[ -e "$root/$link" ] || ln -s "usr/$link" "$root/$link"
done
