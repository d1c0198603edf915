#!/bin/sh
# dbus-daemon.sh: a bus whose services write to standard error: standard output belongs to the test and its results
#
# SPDX-License-Identifier: LGPL-2.1-or-later
exec dbus-daemon "$@" >&2
