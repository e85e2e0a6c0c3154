#!/bin/sh
# What makes an installed system the definition's machine. Runs as root in the new system, at the end of
# another system's installer. Hooks, files and users have to succeed; a command of "runcmd" that fails is
# told, and the next one runs, as with cloud-init.
#
# shellcheck disable=SC2016,SC1003 # words in single quotes are values, not to be expanded
# shellcheck disable=SC1090,SC1091 # the helpers are written to a file first, for scripts of one's own
umask 022
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
