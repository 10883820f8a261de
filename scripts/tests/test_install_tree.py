#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# Copyright the dma-buf project authors
"""Proves that scripts/install-tree changes a tree as it says, and that its series applies, by a tree that has
the places concerned and nothing else."""
import fnmatch
import os
import re
import subprocess
import tempfile
import unittest

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..'))
SELFTESTS = 'TARGETS += damon\nTARGETS += dmabuf-heaps\nTARGETS += drivers/dma-buf\nTARGETS += exec\nTARGETS += sync\n'
MAINTAINERS = '''DMA BUFFER SHARING FRAMEWORK
M:	Some One <one@example.org>
F:	Documentation/driver-api/dma-buf.rst
F:	Documentation/userspace-api/dma-buf-alloc-exchange.rst
F:	drivers/dma-buf/
F:	include/linux/*fence.h
F:	include/linux/dma-buf.h
F:	include/linux/dma-resv.h
K:	\\bdma_(?:buf|fence|resv)\\b

DMA-BUF HEAPS FRAMEWORK
F:	drivers/dma-buf/dma-heap.c
F:	drivers/dma-buf/heaps/*
F:	include/linux/dma-heap.h
F:	include/uapi/linux/dma-heap.h
F:	tools/testing/selftests/dmabuf-heaps/

SYNC FILE FRAMEWORK
F:	Documentation/driver-api/sync_file.rst
F:	drivers/dma-buf/dma-fence*
F:	drivers/dma-buf/sw_sync.c
F:	drivers/dma-buf/sync_*
F:	include/linux/sync_file.h
F:	include/uapi/linux/sync_file.h

USERSPACE DMA BUFFER DRIVER
F:	drivers/dma-buf/udmabuf.c
F:	include/uapi/linux/udmabuf.h
'''
ABI = 'Documentation/ABI/testing/sysfs-kernel-dmabuf-buffers'
THEIRS = {
    'Makefile': 'VERSION = 6\nPATCHLEVEL = 12\n',
    'MAINTAINERS': MAINTAINERS,
    'tools/testing/selftests/Makefile': SELFTESTS,
    'tools/testing/selftests/sync/sync.c': 'int theirs;\n',
    'drivers/dma-buf/dma-buf.c': 'int theirs;\n',
    'drivers/dma-buf/st-dma-fence.c': 'int theirs;\n',
    'drivers/base/core.c': 'int somebody_else;\n',
    'include/linux/dma-fence.h': 'int theirs;\n',
    ABI: 'What:\n',
}


class InstallTree(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.tree, self.out = f'{tmp.name}/tree', f'{tmp.name}/out'
        for name, text in THEIRS.items():
            os.makedirs(os.path.dirname(f'{self.tree}/{name}'), exist_ok=True)
            with open(f'{self.tree}/{name}', 'w', encoding='utf-8') as f:
                f.write(text)
        self.git('init', '-q')
        self.git('add', '-A')
        self.git('commit', '-q', '-m', 'base')

    def git(self, *arguments):
        return self.run_in(self.tree, 'git', '-c', 'user.name=A', '-c', 'user.email=a@example.org', *arguments)

    def run_in(self, cwd, *command):
        env = {name: value for name, value in os.environ.items() if name not in ('LINK', 'ACCEL', 'GIT_DIR')}
        done = subprocess.run(command, env=env | {'O': self.out, 'TREE': self.tree}, cwd=cwd, capture_output=True,
                              text=True, check=False, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def install(self, *arguments):
        return self.run_in(TOP, f'{TOP}/scripts/install-tree', *arguments)

    def patches(self):
        directory = f'{self.out}/patches'
        return sorted(f'{directory}/{name}' for name in os.listdir(directory)) if os.path.isdir(directory) else []

    def read(self, name):
        with open(f'{self.tree}/{name}', encoding='utf-8') as f:
            return f.read()

    def check_installed(self):
        self.assertNotIn('theirs', self.read('drivers/dma-buf/dma-buf.c'))
        for gone in ('drivers/dma-buf/st-dma-fence.c', ABI, 'tools/testing/selftests/sync/sync.c'):
            self.assertFalse(os.path.exists(f'{self.tree}/{gone}'), gone)
        self.assertEqual(self.read('tools/testing/selftests/Makefile'),
                         'TARGETS += damon\nTARGETS += dmabuf\nTARGETS += exec\n')
        self.assertEqual(self.read('drivers/base/core.c'), THEIRS['drivers/base/core.c'])
        for ignored in ('samples/dma-buf/camera-to-screen', 'samples/dma-buf/a.o', 'tools/testing/selftests/dmabuf/sync_file'):
            self.assertEqual(self.git('check-ignore', ignored).strip(), ignored)
        self.check_maintainers()

    def check_maintainers(self):
        """Every file of ours has a pattern, every pattern has a file."""
        text = self.read('MAINTAINERS')
        # Whoever maintains it stays; the regular expression is no path.
        self.assertIn('M:\tSome One', text)
        patterns = re.findall(r'^F:\t(.*)$', text, re.M)
        self.assertEqual(len(patterns), len(set(patterns)))
        files = [os.path.relpath(os.path.join(where, name), self.tree)
                 for where, _, names in os.walk(self.tree) for name in names if '.git/' not in f'{where}/']
        covers = lambda pattern, path: path.startswith(pattern) if pattern.endswith('/') else fnmatch.fnmatch(path, pattern)
        for pattern in patterns:
            self.assertTrue(any(covers(pattern, path) for path in files), f'{pattern} matches nothing')
        # include/linux/*.h are found by what they contain, as before.
        for path in set(files) - set(THEIRS):
            if not path.startswith('include/linux/'):
                self.assertTrue(any(covers(pattern, path) for pattern in patterns), f'nobody maintains {path}')

    def test_install(self):
        self.install()
        self.check_installed()
        before = self.read('MAINTAINERS')
        self.git('add', '-A', '-f')
        self.git('commit', '-q', '-m', 'ours')
        self.install()
        self.assertEqual(self.read('MAINTAINERS'), before)
        self.assertEqual(self.git('status', '--porcelain'), '')

    def test_series(self):
        said = self.install('--patch')
        self.assertIn('The series is in', said)
        self.assertEqual(self.git('status', '--porcelain'), '')
        self.assertGreater(len(self.patches()), 1)
        self.git('am', '-q', '--whitespace=error', *self.patches())
        self.assertEqual(self.git('status', '--porcelain'), '')
        self.check_installed()

    def test_series_against_ours(self):
        self.install()
        self.git('add', '-A', '-f')
        self.git('commit', '-q', '-m', 'ours')
        said = self.install('--patch')
        self.assertIn('there is nothing to patch', said)
        self.assertNotIn('The series is in', said)
        self.assertEqual(self.patches(), [])

    def test_no_files_of_builds(self):
        self.install('--patch')
        for patch in self.patches():
            with open(patch, encoding='utf-8') as f:
                for path in re.findall(r'^\+\+\+ b/(.*)$', f.read(), re.M):
                    self.assertNotRegex(path, r'\.(o|ko|cmd|orig|rej)$|/\.checkpatch')


if __name__ == '__main__':
    unittest.main()
