# SPDX-License-Identifier: GPL-2.0-only
# Copyright the dma-buf project authors
#
# The targets; a script in scripts/ does the work of each. All output goes to $(O), by default build/.

MAKEFLAGS += --no-print-directory --no-builtin-rules
export O := $(abspath $(or $(O),build))
export KERNEL J ACCEL V FULL TREE LINK FORCE CROSS ROUNDS

RUN_GUEST := scripts/run-guest --kernel $(O)/kernel-demo/arch/x86/boot/bzImage

.PHONY: all help deps prepare demo test matrix mutants kunit selftests suites bench bench-native check consumers modules shell menuconfig install-tree patch clean

all: deps
	@scripts/build-kernel objs W=1 drivers/dma-buf/

help:
	@echo 'make              compile our objects in the prepared tree with W=1 and fatal warnings'
	@echo 'make demo         a picture from camera to screen in QEMU; PNG in $(O)/demo'
	@echo '                  (ARGS="--decode" puts the codec in front)'
	@echo 'make test         KUnit, kselftests, an out-of-tree module, the suites of DRM and TTM, in QEMU'
	@echo '                  [GUEST=row of scripts/configs/matrix: its kernel, our suites alone]'
	@echo 'make matrix       make test for each row, and a table [GUEST="row ..."]'
	@echo 'make mutants      show that the suites notice faults [T="name ..."]'
	@echo 'make kunit        our KUnit suites, natively, in user-mode Linux'
	@echo '                  [SUITE=glob, such as dma_fence* or *.*timeout*] [GUEST=qemu, or a row]'
	@echo 'make selftests    our kselftests          [T="name ..."] [GUEST=row]'
	@echo 'make suites       the KUnit suites of DRM and TTM'
	@echo 'make bench        cost of ours and of mainline, counted in QEMU [B=glob, such as chain_*]'
	@echo 'make bench-native  the same, timed in user-mode Linux on this machine [B=glob] [ROUNDS=11]'
	@echo 'make check        checkpatch, kernel-doc, sparse, the ABI, public names, layers, asserted locks, the'
	@echo '                  scripts (shellcheck); then clang and eight architectures, and installs their'
	@echo '                  compilers [CROSS="row ..." of scripts/cross, --options, or 0]'
	@echo 'make consumers    compile in-tree users of the API [FULL=1: all of them]'
	@echo 'make prepare      unpack the sources and lay ours in: $(O)/linux'
	@echo 'make modules M=dir                        build your own modules for the kernel of make shell'
	@echo 'make shell        an interactive guest    [APPEND="kernel options"]'
	@echo 'make menuconfig [GUEST=demo|debug|base|bench]'
	@echo '                  choose kernel options, ours first; kept in $(O) and applied by the next build'
	@echo 'make install-tree TREE=dir [LINK=1]       put the subsystem into your own 6.12 tree'
	@echo '                                          [FORCE=1: even if that loses files of others]'
	@echo 'make patch [TREE=dir]                     the same as a series for git am, in $(O)/patches'
	@echo 'make clean        remove $(O)'
	@echo 'Variables: KERNEL=tree or tarball, O=dir (build), J=jobs, ACCEL=kvm, V=1 (show all)'

deps:
	@scripts/install-deps

prepare: deps
	@scripts/prepare-tree

demo: deps
	@scripts/demo $(ARGS)

# A row of scripts/configs/matrix. User-mode Linux is the fastest; qemu is what boots the debug kernel.
ROW := $(patsubst qemu,debug,$(GUEST))
kunit: deps
	@scripts/kunit --build --row '$(or $(ROW),um)' $(if $(SUITE),'$(SUITE)')

selftests: deps
	@scripts/selftests --build --row '$(or $(ROW),debug)' $(T)
	@[ -n "$(T)$(GUEST)" ] || scripts/selftests --name edu-iommu --guest edu-iommu
	@[ -n "$(T)$(GUEST)" ] || scripts/selftests --name edu-bounce --guest edu-bounce
	@[ -n "$(T)$(GUEST)" ] || scripts/selftests --name edu --guest edu

# The tree's own suites that use the subsystem.
suites: deps
	@scripts/build-kernel debug
	@scripts/kunit --name drm --splats scripts/configs/known-splats 'drm*'
	@scripts/kunit --name ttm --splats scripts/configs/known-splats 'ttm*'

test: deps
	@scripts/test $(ROW)

matrix: deps
	@scripts/matrix $(ROW)

mutants: deps
	@scripts/mutants $(T)

bench: deps
	@scripts/bench $(if $(B),'$(B)')

bench-native: deps
	@scripts/bench-native $(if $(B),'$(B)')

check: deps
	@scripts/check

consumers: deps
	@scripts/consumers

# Only scripts/modules may see M: the kernel's make would take it for a directory to build.
modules: deps
	@env -u MAKEFLAGS -u M scripts/modules '$(M)'

shell: deps
	@scripts/build-kernel demo
	@$(RUN_GUEST) --append '$(APPEND)' --interactive

menuconfig: deps
	@scripts/menuconfig $(GUEST)

install-tree:
	@scripts/install-tree

patch: deps
	@scripts/install-tree --patch

clean:
	rm -rf $(O)
