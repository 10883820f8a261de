// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lets user-mode Linux 6.12 run programs on a processor with AMX. It has room
 * for 2,696 bytes of a program's floating-point state, up to PKRU, and the host
 * refuses to be given less than the processor has. scripts/bench-native loads
 * this between the kernel, a program of the host, and its C library: it gives
 * what there is of the state, and leaves the rest as it was.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef long (*ptrace_fn)(int request, pid_t pid, void *addr, void *data);

/* The layout is that of XSAVE, where a longer state only adds to the end. */
static long set_state(ptrace_fn host, pid_t pid, void *type,
		      const struct iovec *given)
{
	static unsigned char state[1 << 16];
	struct iovec all = { .iov_base = state, .iov_len = sizeof(state) };

	if (host(PTRACE_GETREGSET, pid, type, &all))
		return -1;
	memcpy(state, given->iov_base, given->iov_len < all.iov_len ?
	       given->iov_len : all.iov_len);
	return host(PTRACE_SETREGSET, pid, type, &all);
}

/* Overrides that of the C library; the header's prototype is variadic. */
long native_ptrace(int request, pid_t pid, void *addr, void *data)
	__asm__("ptrace");

long native_ptrace(int request, pid_t pid, void *addr, void *data)
{
	static ptrace_fn host;

	if (!host)
		host = (ptrace_fn)dlsym(RTLD_NEXT, "ptrace");
	if (request == PTRACE_SETREGSET && addr == (void *)NT_X86_XSTATE)
		return set_state(host, pid, addr, data);
	return host(request, pid, addr, data);
}
