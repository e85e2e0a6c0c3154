#!/bin/sh
# The unit tests of boot_handler/, with ASan and UBSan.
exec make --no-print-directory check-boot_handler
