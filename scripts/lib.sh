# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Copyright the dma-buf project authors
#
# lib.sh - what the scripts share: the directories, the list of mainline files that ours take the
# place of, and running a long step with a progress line. Sourced by bash, never run by itself. Arguments
# and variables that every script knows are looked at here, before anything starts.

. "$(dirname "${BASH_SOURCE[0]}")/help.sh"

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# The scripts that source this file use it.
# shellcheck disable=SC2034
OUT=$(realpath -m "${O:-$TOP/build}")
JOBS=${J:-$(nproc)}

# Everything of mainline's subsystem, relative to the tree's root. A tree is prepared (and a
# user's tree is installed into) by removing these paths and laying ours in.
# shellcheck disable=SC2034
REPLACED=(
	drivers/dma-buf
	include/linux/dma-buf.h
	'include/linux/dma-fence*.h'
	include/linux/dma-resv.h
	include/linux/dma-heap.h
	include/linux/sync_file.h
	include/uapi/linux/dma-buf.h
	include/uapi/linux/dma-heap.h
	include/uapi/linux/sync_file.h
	include/uapi/linux/udmabuf.h
	'include/trace/events/dma_*.h'
	tools/testing/selftests/dmabuf-heaps
	tools/testing/selftests/sync
	tools/testing/selftests/drivers/dma-buf
	'Documentation/driver-api/dma-buf*'
	'Documentation/driver-api/sync_file*'
	'Documentation/userspace-api/dma-buf*'
	Documentation/ABI/testing/sysfs-kernel-dmabuf-buffers
)

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

case ${ACCEL:-tcg} in tcg | kvm) ;; *) die "ACCEL=$ACCEL: there are tcg, which is the default, and kvm" ;; esac

# sources: print those of the paths on stdin that are no build products; by names and contents, for want of git.
sources() {
	local f magic
	while IFS= read -r f; do
		case /$f in
		*.o | *.ko | *.a | *.mod | *.mod.c | *.cmd | *.order | *.d | *.dwo | *.gcno | *.su | */Module.symvers) continue ;;
		*.orig | *.rej | *~ | */.tmp_* | */.checkpatch-camelcase.*) continue ;;
		esac
		magic=''
		{ LC_ALL=C IFS= read -r -N 4 magic <"$f"; } 2>/dev/null || true
		[ "$magic" = $'\177ELF' ] || printf '%s\n' "$f"
	done
}

# ours_dirs, ours_files: what the project lays into a tree, as paths relative to the root. ours_links: the same where
# it is laid in by links. A directory of selftests is not linked as a whole: make finds the tree's lib.mk by `..`.
ours_dirs() { local d; for d in drivers/dma-buf samples/dma-buf \
	tools/testing/selftests/{dmabuf,dmabuf-heaps,drivers/dma-buf,sync}; do
	[ ! -d "$TOP/$d" ] || printf '%s\n' "$d"; done; }
ours_files() { (cd "$TOP" && find include Documentation -type f ! -name '.*' ! -name '*~' 2>/dev/null | sort) || true; }
ours_links() { ours_dirs | (cd "$TOP" && while IFS= read -r d; do
	case $d in tools/*) find "$d" -type f | sources ;; *) printf '%s\n' "$d" ;; esac; done); ours_files; }

# is_6_12 DIR: tell whether DIR holds the sources of Linux 6.12.
is_6_12() { grep -qx 'VERSION = 6' "$1/Makefile" 2>/dev/null && grep -qx 'PATCHLEVEL = 12' "$1/Makefile"; }

# need_space DIR MB: refuse to begin what cannot be finished. DIR need not be there yet.
need_space() {
	local dir=$1 free
	while [ ! -d "$dir" ]; do dir=$(dirname "$dir"); done
	free=$(($(df --output=avail -k "$dir" | tail -n 1) / 1024))
	[ "$free" -ge "$2" ] || die "$free MB of disk are free in $dir, and $2 are needed: make room, or give O=dir"
}

# ticker LABEL LOG TOTAL START: while the shell that called lives, say how far LOG has come. The log of a
# continuous integration run gets a line a minute.
ticker() {
	local label=$1 log=$2 total=$3 start=$4 pause=15 before='  ' after='\n' of='' n far
	if [ -t 1 ]; then pause=2 before='\r  ' after=' '; elif [ -n "${CI:-}" ]; then pause=60; fi
	[ "$total" -eq 0 ] || of=" of about $total"
	# Not the pipe: a sleep that is left behind would keep its reader waiting.
	while sleep "$pause" >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
		n=$(wc -l <"$log" 2>/dev/null || echo 0)
		far=''
		[ "$n" -eq 0 ] || far="$n$of steps, "
		printf "$before%s: %s%d s$after" "$label" "$far" $((SECONDS - start))
	done
}

# run_logged LABEL LOG TOTAL COMMAND...: COMMAND's output goes to LOG, progress to the screen; a
# failure shows the log's path and end. TOTAL is the expected number of lines, 0 if unknown. COMMAND may be a
# function, which ends at the first command in it that fails: so run_logged does not run it with `||` behind it,
# where `set -e` has no effect, and callers do not run run_logged so. Variables that the function sets are lost.
run_logged() {
	local label=$1 log=$2 total=$3 start=$SECONDS ret tick
	shift 3
	mkdir -p "$(dirname "$log")"
	if [ -n "${V:-}" ]; then
		say "  $label: $*"
		set +e
		(set -o pipefail; (set -e; "$@") 2>&1 </dev/null | tee "$log")
		ret=$?
		set -e
	else
		: >"$log"
		say "  $label ..."
		ticker "$label" "$log" "$total" "$start" 9>&- &
		tick=$!
		set +e
		(set -e; "$@") >"$log" 2>&1 </dev/null
		ret=$?
		set -e
		kill "$tick" 2>/dev/null || true
		wait "$tick" 2>/dev/null || true
		[ -t 1 ] && printf '\r\033[K'
	fi
	if [ "$ret" -ne 0 ]; then
		say "  $label: FAILED ($ret) after $((SECONDS - start)) s; the end of $log:"
		tail -n 25 "$log" | sed 's/^/    /'
		return "$ret"
	fi
	say "  $label: done in $((SECONDS - start)) s"
}

# kmake TREE OUTDIR ARGS...: the kernel's make, the same way everywhere. A fixed build identity keeps
# ccache's hits and makes two builds of one source equal, and paths count from the project's root, so that
# another clone has the hits too. ARGS come last, so that they may name another
# architecture and compiler: ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- CC="$TOP/scripts/cc --compiler=...".
kmake() {
	local tree=$1 out=$2
	shift 2
	KBUILD_BUILD_TIMESTAMP='2024-11-17 00:00:00' KBUILD_BUILD_USER=build KBUILD_BUILD_HOST=build \
		KBUILD_BUILD_VERSION=1 CCACHE_BASEDIR="$TOP" \
		make -C "$tree" O="$out" -j"$JOBS" --no-print-directory ARCH=x86_64 \
		CC="$TOP/scripts/cc" HOSTCC="$TOP/scripts/cc" ${V:+V=1} "$@"
}

# judge STATUS ARGUMENT...: have scripts/report judge what a program left behind that ended with STATUS. Return
# STATUS, or what report returns if the program succeeded.
judge() {
	local status=$1 ret=0
	shift
	"$TOP/scripts/report" --status "$status" "$@" || ret=$?
	[ "$status" -eq 0 ] || ret=$status
	return "$ret"
}

# lost_options OUTDIR: the lines of OUTDIR/wanted that OUTDIR/.config does not have, as Kconfig dropped
# them. An option that is absent counts as "is not set".
lost_options() {
	local line name
	while IFS= read -r line; do
		case $line in
		CONFIG_*=*) grep -qxF "$line" "$1/.config" || printf '%s\n' "$line" ;;
		'# CONFIG_'*' is not set')
			name=${line#\# }; name=${name%% *}
			! grep -q "^$name=" "$1/.config" || printf '%s\n' "$line" ;;
		esac
	done <"$1/wanted"
}
