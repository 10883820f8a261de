#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# Copyright the dma-buf project authors
"""Check that scripts/public-names finds every kind of name in a header.

It must fail on a name that is not listed, and on a listed name that is missing.
"""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
PATH = os.path.join(TOP, 'scripts', 'public-names')
loader = importlib.machinery.SourceFileLoader('public_names', PATH)
sys.dont_write_bytecode = True
public_names = importlib.util.module_from_spec(importlib.util.spec_from_loader('public_names', loader))
loader.exec_module(public_names)

HEADER = r'''
/* int in_a_comment(void); */
#ifndef _A_H
#define _A_H
#include <linux/types.h>
struct elsewhere;
#define MACRO(x) \
	not_declared(x)
enum kind { FIRST, SECOND = 2, /* THIRD, */ };
typedef void (*callback)(struct elsewhere *e);
struct outer {
	int plain, *pointer;
	char name[MACRO(4)];
	struct elsewhere *(*operation)(struct elsewhere *e, int flags);
	union {
		struct list_head list;
		u64 stamp;
	};
	struct nested {
		int deep;
	} inner;
	struct elsewhere slots[] __counted_by(plain);
};
extern struct elsewhere variable;
extern const struct outer table[];
struct elsewhere *function(int a, void (*fn)(int))
	__attribute__((nonnull));
static inline bool __must_check inline_function(struct outer *o)
{
	int local = called(o);

	return local;
}
#endif
'''
NAMES = {'MACRO', 'enum kind', 'FIRST', 'SECOND', 'callback', 'struct outer', 'struct nested', 'variable', 'table',
         'function', 'inline_function'}
MEMBERS = {'struct outer.plain', 'struct outer.pointer', 'struct outer.name', 'struct outer.operation', 'struct outer.list',
           'struct outer.stamp', 'struct nested.deep', 'struct outer.inner', 'struct outer.slots'}


class PublicNames(unittest.TestCase):
    def run_with(self, header, *args):
        """Return (exit status, output) for our headers and the given one."""
        headers = [os.path.join(TOP, 'include', 'linux', name) for name in os.listdir(f'{TOP}/include/linux')]
        with tempfile.TemporaryDirectory() as tmp:
            path = os.path.join(tmp, 'planted.h')
            with open(path, 'w', encoding='ascii') as f:
                f.write(header)
            done = subprocess.run([PATH, *args, path, *headers], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    def test_every_kind(self):
        names, members = public_names.read_header(HEADER)
        self.assertEqual(names, NAMES)
        self.assertEqual(members, MEMBERS)

    def test_planted_names(self):
        for name in ('dma_fence_driver_name', 'dma_fence_timeline_name', 'dma_fence_is_signaled_rcu',
                     'dma_buf_of_tomorrow'):
            status, text = self.run_with(f'static inline int {name}(struct dma_fence *fence) {{ return 0; }}\n')
            self.assertEqual(status, 1)
            self.assertIn(f'{name} is declared in a public header', text)

    def test_planted_macro(self):
        status, text = self.run_with('#define DMA_FENCE_FLAG_OF_TOMORROW 7\n')
        self.assertEqual(status, 1)
        self.assertIn('DMA_FENCE_FLAG_OF_TOMORROW is declared in a public header', text)

    def test_missing_names(self):
        names, members = public_names.read_header(HEADER)
        listed = {name: '' for name in names} | {'struct outer.list': ''}
        self.assertEqual(public_names.compare(names, members, listed), [])
        for name in ('function', 'struct outer.list'):
            problems = public_names.compare(names - {name}, members - {name}, listed)
            self.assertEqual(problems, [f'{name} is listed, and no public header declares it'])

    def test_nothing_planted(self):
        """The list itself must not permit names that drivers define."""
        listed = public_names.read_list(f'{TOP}/scripts/configs/public-names')
        for name in ('dma_fence_driver_name', 'dma_fence_timeline_name', 'dma_fence_is_signaled_rcu'):
            self.assertNotIn(name, listed)


if __name__ == '__main__':
    unittest.main()
