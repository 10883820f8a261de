# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Copyright the dma-buf project authors
#
# help.sh - --help for every script: prints the comment at the script's head, from `usage:` on, and exits. Each
# script, for sh or bash, sources it before it does anything else. Arguments after `--` belong to another program.

usage() { sed -n '/^# usage: /,/^[^#]/s/^# \{0,1\}//p' "$0"; }

for arg in "$@"; do
	case $arg in
	--) break ;;
	-h | --help) usage; exit 0 ;;
	esac
done
