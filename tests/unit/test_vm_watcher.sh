#!/bin/sh
# The unit tests of vm_watcher/, with ASan and UBSan.
exec make --no-print-directory check-vm_watcher
