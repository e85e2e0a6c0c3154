#!/bin/sh
# The unit tests of lib/, with ASan and UBSan.
exec make --no-print-directory check-lib
