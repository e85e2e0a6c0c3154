#!/bin/sh
# The unit tests of vmlab/, with ASan and UBSan.
exec make --no-print-directory check-vmlab
