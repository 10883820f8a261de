/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Print text that user space chose, so that it cannot forge a line or a column.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_BUF_PRINT_TEXT_H
#define _DMA_BUF_PRINT_TEXT_H

#include <linux/ctype.h>
#include <linux/seq_file.h>

/*
 * Print @text into a file that consists of lines. Control characters, which
 * would forge lines and columns, and the backslash become \ooo, as in
 * /proc/mounts.
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

/* Print '?' in a trace record, which has no room for more characters. */
static inline void dma_buf_blank_text(char *text)
{
	for (; *text; text++)
		if (iscntrl(*text))
			*text = '?';
}

#endif /* _DMA_BUF_PRINT_TEXT_H */
