# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Copyright the dma-buf project authors
#
# lib.sh - what the scripts share: the directories, the list of the mainline files that ours replace, and
# run_logged, which runs a long step with a progress line. Bash scripts source it. It checks the arguments and
# variables that every script accepts, before the script starts anything.

. "$(dirname "${BASH_SOURCE[0]}")/help.sh"

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# The scripts that source this file use it.
# shellcheck disable=SC2034
OUT=$(realpath -m "${O:-$TOP/build}")
JOBS=${J:-$(nproc)}

# Everything of mainline's subsystem, relative to the tree's root. prepare-tree and install-tree remove these
# paths and lay ours in.
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

# A script may change the directory.
[ -z "${KERNEL:-}" ] || KERNEL=$(realpath -m "$KERNEL")
case ${ACCEL:-tcg} in tcg | kvm) ;; *) die "ACCEL=$ACCEL: it must be tcg (the default) or kvm" ;; esac

# sources: print the paths from stdin that are not build products, judged by name and content: git may be missing.
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

# ours_dirs, ours_files: print what the project lays into a tree, as paths relative to the root. ours_links: print
# the paths that become links. Selftests are linked file by file: their Makefiles find the tree's lib.mk by `..`.
ours_dirs() { local d; for d in drivers/dma-buf samples/dma-buf \
	tools/testing/selftests/{dmabuf,dmabuf-heaps,drivers/dma-buf,sync}; do
	[ ! -d "$TOP/$d" ] || printf '%s\n' "$d"; done; }
ours_files() { (cd "$TOP" && find include Documentation -type f ! -name '.*' ! -name '*~' 2>/dev/null | sort) || true; }
ours_links() { ours_dirs | (cd "$TOP" && while IFS= read -r d; do
	case $d in tools/*) find "$d" -type f | sources ;; *) printf '%s\n' "$d" ;; esac; done); ours_files; }

# is_6_12 DIR: tell whether DIR holds the sources of Linux 6.12.
is_6_12() { grep -qx 'VERSION = 6' "$1/Makefile" 2>/dev/null && grep -qx 'PATCHLEVEL = 12' "$1/Makefile"; }

# need_space DIR MB: stop unless MB megabytes are free where DIR is, or will be.
need_space() {
	local dir=$1 free
	while [ ! -d "$dir" ]; do dir=$(dirname "$dir"); done
	free=$(($(df --output=avail -k "$dir" | tail -n 1) / 1024))
	[ "$free" -ge "$2" ] || die "$free MB of disk are free in $dir, and $2 are needed: make room, or give O=dir"
}

# ticker LABEL LOG TOTAL START: report the length of LOG until the calling shell ends. The log of a CI run gets
# one line a minute.
ticker() {
	local label=$1 log=$2 total=$3 start=$4 pause=15 before='  ' after='\n' of='' n far
	if [ -t 1 ]; then pause=2 before='\r  ' after=' '; elif [ -n "${CI:-}" ]; then pause=60; fi
	[ "$total" -eq 0 ] || of=" of about $total"
	# A sleep that outlives the script must not hold its stdout open: the reader of the pipe would wait.
	while sleep "$pause" >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
		n=$(wc -l <"$log" 2>/dev/null || echo 0)
		far=''
		[ "$n" -eq 0 ] || far="$n$of steps, "
		printf "$before%s: %s%d s$after" "$label" "$far" $((SECONDS - start))
	done
}

# run_logged LABEL LOG TOTAL COMMAND...: run COMMAND with its output in LOG and progress on the screen; on failure
# show the log's path and end. TOTAL is the expected number of lines, 0 if unknown. COMMAND may be a function; it
# ends at its first failing command. `set -e` has no effect left of `||`, so neither run_logged nor its callers
# use that. The function runs in a subshell: variables that it sets are lost.
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

# kmake TREE OUTDIR ARGS...: run the kernel's make, the same way for every script. With a fixed build identity two
# builds of one source are equal, and ccache hits; with paths relative to the project's root it also hits in
# another clone. ARGS come last, so that they may name another architecture and compiler:
# ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- CC="$TOP/scripts/cc --compiler=...".
kmake() {
	local tree=$1 out=$2
	shift 2
	KBUILD_BUILD_TIMESTAMP='2024-11-17 00:00:00' KBUILD_BUILD_USER=build KBUILD_BUILD_HOST=build \
		KBUILD_BUILD_VERSION=1 CCACHE_BASEDIR="$TOP" \
		make -C "$tree" O="$out" -j"$JOBS" --no-print-directory ARCH=x86_64 \
		CC="$TOP/scripts/cc" HOSTCC="$TOP/scripts/cc" ${V:+V=1} "$@"
}

# slowness: print how many times longer than on an idle machine a loop takes, for time limits: from 1 to 5.
# An idle core does it in 20 to 60 ms.
slowness() {
	local before=${EPOCHREALTIME//[!0-9]/} i times
	for ((i = 0; i < 20000; i++)); do :; done
	times=$(((${EPOCHREALTIME//[!0-9]/} - before) / 200000 + 1))
	echo $((times < 1 ? 1 : times > 5 ? 5 : times))
}

# judge STATUS ARGUMENT...: let scripts/report judge the output of a program that ended with STATUS. Return
# STATUS, or report's own status if the program succeeded.
judge() {
	local status=$1 ret=0
	shift
	"$TOP/scripts/report" --status "$status" "$@" || ret=$?
	[ "$status" -eq 0 ] || ret=$status
	return "$ret"
}

# read_row ROW: set row_kernel, row_cpus, row_kunit, row_selftests, row_compiler and row_options from
# scripts/configs/matrix; row_known, which are arguments of scripts/report; and row_end, to append to the regular
# expression for the end of a log.
read_row() {
	local line known=$TOP/scripts/configs/known
	line=$(awk -v row="$1" '$1 == row { $1 = ""; print }' "$TOP/scripts/configs/matrix")
	[ -n "$line" ] || die "no such row: $1 (there are: $(row_names))"
	# The scripts that source this file use them.
	# shellcheck disable=SC2034
	read -r row_kernel row_cpus row_kunit row_selftests row_compiler row_options <<<"$line"
	[ -n "$row_compiler" ] || die "scripts/configs/matrix: the row $1 lacks a column"
	# With PREEMPT_RT a thread prints, and the last line may be lost.
	# shellcheck disable=SC2034
	case $row_kernel in
	rt) row_end='|ACPI: PM: Preparing to enter system sleep state S5' ;;
	*) row_end='' ;;
	esac
	row_known=(--skips "$known-skips")
	[ ! -e "$known-skips-$1" ] || row_known+=(--skips "$known-skips-$1")
	[ ! -e "$known-splats-$1" ] || row_known+=(--splats "$known-splats-$1")
}
row_names() { awk '/^[^#]/ { printf "%s%s", sep, $1; sep = " " }' "$TOP/scripts/configs/matrix"; }

# lost_options OUTDIR: print the lines of OUTDIR/wanted that OUTDIR/.config lacks because Kconfig dropped them. An
# absent option counts as "is not set".
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
