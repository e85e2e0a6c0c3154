#!/bin/sh
# The unit tests of os_installer/, with ASan and UBSan.
exec make --no-print-directory check-os_installer
