/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Check at compile time that ioctl command words are those that programs were
 * compiled with. Sizes and offsets of the arguments are static_assert()s beside
 * the code that takes them; tools/testing/selftests/dmabuf/uapi_layout.c states
 * all of them as numbers.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_BUF_ABI_H
#define _DMA_BUF_ABI_H

#include <linux/compiler.h>
#include <linux/ioctl.h>

/*
 * DMA_BUF_ABI_CMD - refuse to compile unless a command word has these parts
 *
 * The direction bits differ among architectures (powerpc, mips, sparc, alpha),
 * so their names stand here rather than a number for the whole word.
 *
 * The kernel's _IOW() and the like refer to an undefined variable if the size
 * of their argument is wrong. Compilers fold that away in a case label, where
 * drivers use such a word; clang refuses it in static_assert(). Here a
 * condition that does not hold is a second case 0, which every compiler
 * refuses, whether or not it emits the function.
 */
#define DMA_BUF_ABI_CMD(cmd, dir, type, nr, size)			\
	static inline void __maybe_unused dma_buf_abi_##cmd(void)	\
	{								\
		switch (0) {						\
		case 0:							\
		case (cmd) == _IOC(dir, type, nr, size):		\
			break;						\
		}							\
	}

#endif /* _DMA_BUF_ABI_H */
