#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# Copyright the dma-buf project authors
"""Check that scripts/layers reports what breaks the layering, and only that."""
import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')


class Layers(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        for header in 'fence/fence.h', 'resv/resv.h', 'buffer/buffer.h', 'importer/importer.h':
            self.write(header, '')

    def write(self, path, text):
        path = os.path.join(self.dir.name, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)

    def layers(self, *arguments):
        return subprocess.run([os.path.join(TOP, 'scripts', 'layers'), *arguments], text=True, capture_output=True,
                              check=False)

    def expect(self, *findings):
        done = self.layers(self.dir.name)
        lines = [line.removeprefix(self.dir.name + '/') for line in done.stdout.splitlines()]
        self.assertEqual(lines, list(findings))
        self.assertEqual(done.returncode, bool(findings))

    def test_down_and_sideways(self):
        self.write('fence/a.c', '#include <linux/dma-buf.h>\n#include "fence.h"\n')
        self.write('buffer/a.c', '#include "../resv/resv.h"\n#include "buffer.h"\n')
        self.write('tests/a_kunit.c', '#include "../importer/importer.h"\n')
        self.expect()

    def test_up(self):
        self.write('fence/a.c', '#include "fence.h"\n# include "../resv/resv.h"\n')
        self.expect('fence/a.c:2: fence may not include ../resv/resv.h')

    def test_up_from_a_header(self):
        self.write('resv/a.h', '#include "../buffer/buffer.h"\n')
        self.expect('resv/a.h:1: resv may not include ../buffer/buffer.h')

    def test_private_header_of_buffers(self):
        self.write('heaps/a.c', '#include "../buffer/buffer.h"\n')
        self.write('importer/a.c', '#include "../buffer/buffer.h"\n')
        self.expect('heaps/a.c:1: heaps may not include ../buffer/buffer.h',
                    'importer/a.c:1: importer may not include ../buffer/buffer.h')

    def test_outside(self):
        self.write('a.c', '')
        self.write('other/a.c', '')
        self.expect('a.c: stands in no wing', 'other/a.c: stands in no wing')

    def test_missing(self):
        self.write('fence/a.c', '#include "b.h"\n')
        self.expect('fence/a.c:1: b.h does not exist')

    def test_arguments(self):
        self.assertNotEqual(self.layers('/nowhere').returncode, 0)
        self.assertNotEqual(self.layers('a', 'b').returncode, 0)

    def test_ours(self):
        self.assertEqual(self.layers().returncode, 0)


if __name__ == '__main__':
    sys.dont_write_bytecode = True
    unittest.main()
