#!/bin/sh
# stage.sh DIR SOURCE:NAME... - fills DIR, a build context, with exactly these files and folders.
# Base tarballs are linked. All else is copied and dated before SOURCE_DATE_EPOCH by its content:
# BuildKit takes a file of the same size and date for the same file, whatever is in it.
set -eu

dir=$1
shift
rm -rf "$dir"
for pair; do
	source=${pair%%:*}
	target=$dir/${pair#*:}
	[ -e "$source" ] || {
		echo "stage.sh: $source is missing: it should have been made before" >&2
		exit 1
	}
	mkdir -p "$(dirname "$target")"
	case $source in
	build/base/*) ln -f "$source" "$target" ;;
	*)
		cp -R "$source" "$target"
		find "$target" -type f -perm -u+x -exec chmod 0755 {} +
		find "$target" -type f ! -perm -u+x -exec chmod 0644 {} +
		find "$target" -type f | while read -r file; do
			sum=$(cksum <"$file")
			touch -d "@$((${SOURCE_DATE_EPOCH:-1000000} - ${sum%% *} % 1000000))" "$file"
		done
		;;
	esac
done
find "$dir" -type d -exec chmod 0755 {} + -exec touch -d "@${SOURCE_DATE_EPOCH:-0}" {} +
