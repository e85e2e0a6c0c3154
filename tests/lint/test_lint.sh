#!/bin/sh
exec make --no-print-directory lint
