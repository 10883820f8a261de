/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How text that user space chose is printed: nobody forges a line or a column.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_BUF_PRINT_TEXT_H
#define _DMA_BUF_PRINT_TEXT_H

#include <linux/ctype.h>
#include <linux/seq_file.h>

/*
 * Print text that user space chose into a file that is made of lines: what would
 * forge lines and columns, control characters, becomes \ooo as in /proc/mounts,
 * and so does the backslash. All else is printed as it is.
 */
static inline void dma_buf_print_text(struct seq_file *seq, const char *text)
{
	size_t len;

	for (;;) {
		len = 0;
		while (text[len] && !iscntrl(text[len]) && text[len] != '\\')
			len++;
		seq_write(seq, text, len);
		text += len;
		if (!*text)
			return;
		seq_printf(seq, "\\%03o", *text++);
	}
}

/* The same for a record of a trace, where there is no room for more characters. */
static inline void dma_buf_blank_text(char *text)
{
	for (; *text; text++)
		if (iscntrl(*text))
			*text = '?';
}

#endif /* _DMA_BUF_PRINT_TEXT_H */
