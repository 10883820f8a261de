# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Copyright the dma-buf project authors
#
# help.sh - --help for every script: prints the comment at the script's head, from `usage:` on, and starts
# nothing. Sourced by sh or bash, with the script's own arguments, before the script does anything. What
# stands behind `--` belongs to somebody else.

usage() { sed -n '/^# usage: /,/^[^#]/s/^# \{0,1\}//p' "$0"; }

for arg in "$@"; do
	case $arg in
	--) break ;;
	-h | --help) usage; exit 0 ;;
	esac
done
