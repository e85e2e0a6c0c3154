#!/bin/sh
# The unit tests of docker/, with ASan and UBSan.
exec make --no-print-directory check-docker
