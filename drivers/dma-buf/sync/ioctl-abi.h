/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The check that command words are those that programs were compiled with. Sizes
 * and offsets of their arguments are plain static_assert()s beside the code that
 * takes them; tools/testing/selftests/dmabuf/uapi_layout.c has the same as numbers.
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
 * The bits of the direction differ among architectures (powerpc, mips, sparc,
 * alpha), so the word is put together by their names and is not a number here.
 *
 * The kernel's _IOW() and the like check the size of their argument by naming an
 * undefined variable. Compilers fold that away in a case label, where every driver
 * uses such a word; in static_assert() clang refuses it. A condition that does not
 * hold is a second case 0 here, which no compiler takes, whether or not it emits
 * the function.
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
