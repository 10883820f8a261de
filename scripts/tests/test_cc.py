#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# Copyright the dma-buf project authors
"""Check that scripts/cc never reuses an object whose includes have changed."""
import os
import subprocess
import sys
import tempfile
import unittest

CC = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'cc')


class CompilerCache(unittest.TestCase):
    def compile_twice(self, source, text, included):
        """Compile source with two versions of the file that it includes.

        The versions have equal length. Return the two objects.
        """
        with tempfile.TemporaryDirectory() as tmp:
            def write(name, content):
                with open(f'{tmp}/{name}', 'w', encoding='ascii') as f:
                    f.write(content)

            def compile_with(content):
                write(included, content)
                subprocess.run([CC, '-MMD', '-MF', 'deps', '-c', '-o', 'object', source], cwd=tmp, check=True,
                               env=os.environ | {'CCACHE_DIR': f'{tmp}/ccache'})
                with open(f'{tmp}/object', 'rb') as f:
                    return f.read()

            write(source, text)
            return compile_with('int first;\n'), compile_with('int other;\n')

    def test_include(self):
        first, other = self.compile_twice('a.c', '#include "a.h"\n', 'a.h')
        self.assertIn(b'first', first)
        self.assertIn(b'other', other)

    def test_incbin(self):
        first, other = self.compile_twice('a.S', '.incbin "image"\n', 'image')
        self.assertIn(b'first', first)
        self.assertIn(b'other', other)


if __name__ == '__main__':
    unittest.main()
