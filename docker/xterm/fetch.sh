#!/bin/sh
# fetch.sh DIR - fills DIR with what the stack's image has of xterm.js (npm, MIT): xterm.mjs, xterm.css and its
# licence, of the version and SHA-256 that are written down here. What was fetched before is used again.
#
# Nothing else needs npm or a registry: without them DIR stays empty and the image has no terminal for browsers,
# which its pages say.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dir=$1
cache=build/xterm
package=$cache/node_modules/@xterm/xterm

# whole - what was fetched is what is written down.
whole()
{
	(cd "$package" && sha256sum --check --status "$here/SHA256SUMS") 2>/dev/null
}

without()
{
	echo "xterm: $*: the stack's pages show serial consoles as text, without a terminal" >&2
	exit 0
}

rm -rf "$dir"
mkdir -p "$dir" "$cache"
if ! whole; then
	command -v npm >/dev/null || without "npm is not installed (docker/host-setup.sh test installs it)"
	rm -rf "$cache/node_modules"
	cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$cache/"
	(cd "$cache" && timeout 120 npm ci --ignore-scripts --no-progress >npm.log 2>&1) ||
		without "npm cannot fetch xterm.js ($(grep -v '^npm error A complete log' "$cache/npm.log" | tail -n 1))"
	whole || {
		echo "xterm: what npm fetched is not what docker/xterm/SHA256SUMS says: remove $cache and try again" >&2
		exit 1
	}
fi
cp "$package/lib/xterm.mjs" "$package/css/xterm.css" "$package/LICENSE" "$dir/"
