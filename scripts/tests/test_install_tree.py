#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# Copyright the dma-buf project authors
"""Check that scripts/install-tree changes a tree as documented.

Its patch series must apply to the tree and have the same result. The test tree
holds little more than the files that an installation touches.
"""
import fnmatch
import os
import re
import shutil
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


# The files that a build inside the tree leaves behind.
BUILT = {'x.o', 'x.ko', 'x.mod', 'x.mod.c', 'x.mod.o', '.x.o.cmd', 'Module.symvers', 'modules.order', 'built-in.a', 'x-test'}


def plant(directory):
    for name in BUILT:
        with open(f'{directory}/{name}', 'wb') as f:
            f.write(b'\177ELF\2\1' if name == 'x-test' else b'built\n')


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
        self.git('tag', 'v6.12')

    def git(self, *arguments):
        return self.run_in(self.tree, 'git', '-c', 'user.name=A', '-c', 'user.email=a@example.org', *arguments)

    def run_in(self, cwd, *command, **variables):
        env = {name: value for name, value in os.environ.items() if name not in ('LINK', 'FORCE', 'ACCEL', 'GIT_DIR')}
        done = subprocess.run(command, env=env | {'O': self.out, 'TREE': self.tree} | variables, cwd=cwd, capture_output=True,
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
        self.assertNotIn('theirs', self.read('include/linux/dma-fence.h'))
        self.assertTrue(os.path.exists(f'{self.tree}/drivers/dma-buf/buffer/dma-buf.c'))
        for part in ('dmabuf', 'dmabuf-heaps', 'drivers/dma-buf', 'sync'):
            for name in ('Makefile', 'config', 'settings'):
                self.assertTrue(os.path.exists(f'{self.tree}/tools/testing/selftests/{part}/{name}'), part)
        for gone in ('drivers/dma-buf/dma-buf.c', 'drivers/dma-buf/st-dma-fence.c', ABI, 'tools/testing/selftests/sync/sync.c'):
            self.assertFalse(os.path.exists(f'{self.tree}/{gone}'), gone)
        self.assertEqual(self.read('tools/testing/selftests/Makefile'),
                         'TARGETS += damon\nTARGETS += dmabuf\nTARGETS += exec\n')
        self.assertEqual(self.read('drivers/base/core.c'), THEIRS['drivers/base/core.c'])
        for ignored in ('samples/dma-buf/camera-to-screen', 'samples/dma-buf/a.o', 'tools/testing/selftests/dmabuf/sync_file',
                        'tools/testing/selftests/sync/sync_file', 'tools/testing/selftests/drivers/dma-buf/dmabuf_udmabuf'):
            self.assertEqual(self.git('check-ignore', ignored).strip(), ignored)
        self.check_maintainers()

    def check_maintainers(self):
        """Each of our files matches a pattern; each pattern matches a file."""
        text = self.read('MAINTAINERS')
        # The maintainers' names stay. Only F: lines are checked: the K: line is
        # a regular expression, not a path.
        self.assertIn('M:\tSome One', text)
        patterns = re.findall(r'^F:\t(.*)$', text, re.M)
        self.assertEqual(len(patterns), len(set(patterns)))
        files = [os.path.relpath(os.path.join(where, name), self.tree)
                 for where, _, names in os.walk(self.tree) for name in names if '.git/' not in f'{where}/']
        covers = lambda pattern, path: path.startswith(pattern) if pattern.endswith('/') else fnmatch.fnmatch(path, pattern)
        for pattern in patterns:
            self.assertTrue(any(covers(pattern, path) for path in files), f'{pattern} matches no file')
        # The K: line covers include/linux/*.h by content, as in mainline.
        for path in set(files) - set(THEIRS):
            if not path.startswith('include/linux/'):
                self.assertTrue(any(covers(pattern, path) for pattern in patterns), f'no pattern covers {path}')

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
        """Build products are left out on both sides, with git and without."""
        tree = self.tree
        for top_git, tree_git in ((True, True), (False, False)):
            with self.subTest(top_git=top_git, tree_git=tree_git):
                self.look_for_files_of_builds(tree, top_git, tree_git)

    def look_for_files_of_builds(self, tree, top_git, tree_git):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        top, self.tree = f'{tmp.name}/top', f'{tmp.name}/tree'
        self.run_in('/', 'cp', '-R', tree, self.tree)
        with open(f'{self.tree}/.git/info/exclude', 'w', encoding='utf-8') as f:
            f.write(''.join(f'{name}\n' for name in BUILT))
        plant(f'{self.tree}/drivers/dma-buf')
        plant(f'{self.tree}/tools/testing/selftests/sync')
        if not tree_git:
            shutil.rmtree(f'{self.tree}/.git')
        self.copy_project(top)
        if not top_git:
            shutil.rmtree(f'{top}/.git')
        plant(f'{top}/samples/dma-buf/module')
        plant(f'{top}/drivers/dma-buf')
        # Without git, nothing shows that the tree's files are mainline's.
        force = {} if tree_git else {'FORCE': '1'}
        self.run_in(top, f'{top}/scripts/install-tree', '--patch', **force)
        self.assertGreater(len(self.patches()), 1)
        for patch in self.patches():
            with open(patch, encoding='utf-8') as f:
                for path in re.findall(r'^diff --git a/.* b/(.*)$', f.read(), re.M):
                    self.assertNotIn(os.path.basename(path), BUILT)
        if tree_git:
            self.git('am', '-q', *self.patches())
            self.assertEqual(self.git('status', '--porcelain'), '')
            self.git('reset', '-q', '--hard', f'HEAD~{len(self.patches())}')
        self.run_in(top, f'{top}/scripts/install-tree', **force)
        for where, _, names in os.walk(self.tree):
            if where.startswith((f'{self.tree}/samples', f'{self.tree}/drivers/dma-buf')):
                self.assertEqual(BUILT & set(names), set(), where)

    def copy_project(self, top):
        for name in ('Makefile', '.gitignore', 'scripts', 'drivers', 'include', 'samples', 'tools', 'Documentation'):
            self.run_in(TOP, 'cp', '-R', name, f'{top}/' if os.path.isdir(top) else self.make_directory(top))
        self.run_in(top, 'git', 'init', '-q')
        self.run_in(top, 'git', 'add', '-A')

    def write(self, path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)

    def test_unknown_files(self):
        """install-tree names each unknown file and changes nothing.

        The files are a vendor's heap, a backport, an added header, an added
        sample and a dangling link.
        """
        names = ('drivers/dma-buf/heaps/vendor heap.c', 'include/linux/dma-fence.h', 'include/uapi/linux/udmabuf.h',
                 'samples/dma-buf/vendor.c')
        for name in names:
            self.write(f'{self.tree}/{name}', 'int theirs, vendor;\n')
        plant(f'{self.tree}/drivers/dma-buf')
        os.symlink('/nowhere', f'{self.tree}/drivers/dma-buf/link')
        self.git('add', '-A', '-f')
        self.git('commit', '-q', '-m', 'vendor')
        for arguments in ((), ('--patch',)):
            said = self.refused(*arguments)
            self.assertEqual(sorted(line for line in said.splitlines() if '/' in line and ' has ' not in line),
                             sorted((*names, 'drivers/dma-buf/link')))
            self.assertIn('Nothing was changed', said)
            self.assertEqual(self.git('status', '--porcelain'), '')
        self.run_in(TOP, f'{TOP}/scripts/install-tree', FORCE='1')
        self.assertFalse(os.path.exists(f'{self.tree}/{names[0]}'))
        self.git('checkout', '-q', '.')
        self.assertEqual(self.git('diff', '--stat', 'HEAD'), '')

    def test_known_files(self):
        """In a tree without git, hashes identify mainline's files.

        scripts/known-files makes the list of hashes. The project's own history
        identifies our files.
        """
        home = os.path.dirname(self.tree)
        top = f'{home}/top with a blank'
        self.copy_project(top)
        shutil.rmtree(f'{self.tree}/.git')
        for name in ('drivers/dma-buf/dma-buf.c', 'include/linux/dma-fence.h', ABI):
            self.assertIn(name, self.refused(script=f'{top}/scripts/install-tree'))
        # known-files fails if a pattern matches nothing, so add missing files.
        self.run_in(home, 'cp', '-R', 'tree', 'whole')
        with open(f'{TOP}/scripts/configs/known-files', encoding='utf-8') as f:
            for name in (line.rstrip('\n')[66:] for line in f if not line.startswith('#')):
                if not os.path.exists(f'{home}/whole/{name}'):
                    self.write(f'{home}/whole/{name}', f'int theirs; /* {name} */\n')
        self.run_in(home, 'tar', '-cJf', 'whole.tar.xz', 'whole')
        known = self.run_in(home, f'{top}/scripts/known-files', 'whole.tar.xz')
        self.assertNotIn('drivers/base', known)
        self.write(f'{top}/scripts/configs/known-files', '# Made of a tarball\n' + known)
        self.write(f'{self.tree}/drivers/dma-buf/heaps/x.c', 'int theirs;\n')
        self.assertEqual(self.refused(script=f'{top}/scripts/install-tree').splitlines()[1:-1], ['drivers/dma-buf/heaps/x.c'])
        os.unlink(f'{self.tree}/drivers/dma-buf/heaps/x.c')
        self.run_in(top, f'{top}/scripts/install-tree', LINK='1')
        self.run_in(top, f'{top}/scripts/install-tree')
        # A file that an earlier version of ours installed counts as ours.
        self.write(f'{top}/include/linux/dma-buf.h', 'int ours, later;\n')
        self.run_in(top, f'{top}/scripts/install-tree')
        self.assertEqual(self.read('include/linux/dma-buf.h'), 'int ours, later;\n')
        self.write(f'{top}/include/linux/dma-buf.h', 'int ours, in_the_end;\n')
        with self.assertRaises(AssertionError):
            self.run_in(top, f'{top}/scripts/install-tree')
        self.run_in(top, 'git', 'hash-object', '-w', f'{self.tree}/include/linux/dma-buf.h')
        self.run_in(top, f'{top}/scripts/install-tree')

    def make_directory(self, path):
        os.makedirs(path)
        return f'{path}/'

    def refused(self, *arguments, script=f'{TOP}/scripts/install-tree', **variables):
        env = {name: value for name, value in os.environ.items() if name not in ('LINK', 'FORCE', 'ACCEL', 'GIT_DIR')}
        done = subprocess.run((script, *arguments), env=env | {'O': self.out, 'TREE': self.tree} | variables,
                              capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('theirs', self.read('drivers/dma-buf/dma-buf.c'))
        self.assertEqual(self.patches(), [])
        return done.stderr

    def test_parts_of_the_selftests(self):
        """Each mainline target runs exactly the tests that replace its own."""
        selftests = f'{TOP}/tools/testing/selftests'
        def text(name):
            with open(f'{selftests}/{name}', encoding='utf-8') as f:
                return f.read()
        every = set(re.search(r'TEST_GEN_PROGS := \$\(or \$\(TEST_GEN_PROGS\),(.*?)\)\n', text('dmabuf/Makefile'), re.S)[1].split())
        for part, globs in (('sync', ('sync_file*', 'sw_sync*')), ('dmabuf-heaps', ('dmabuf_heap', 'dmabuf_pool')),
                            ('drivers/dma-buf', ('dmabuf_udmabuf*',))):
            programs = re.search(r'^TEST_GEN_PROGS := (.*)$', text(f'{part}/Makefile'), re.M)[1].split()
            self.assertEqual(sorted(programs), sorted(name for name in every if any(fnmatch.fnmatch(name, g) for g in globs)))
            self.assertEqual(sorted(f'/{name}' for name in programs), text(f'{part}/.gitignore').splitlines()[1:])
            self.assertEqual(text(f'{part}/settings'), text('dmabuf/settings'))
            # This stand-in for lib.mk prints the source file of each program.
            tree = f'{os.path.dirname(self.tree)}/selftests'
            self.write(f'{tree}/lib.mk', 'TEST_GEN_PROGS := $(addprefix $(OUTPUT)/,$(TEST_GEN_PROGS))\nall: $(TEST_GEN_PROGS)\n'
                       '$(OUTPUT)/%: %.c\n\t@echo $<\n')
            for name in (part, 'dmabuf'):
                self.write(f'{tree}/{name}/Makefile', text(f'{name}/Makefile'))
            for name in every:
                self.write(f'{tree}/dmabuf/{name}.c', '')
            said = self.run_in('/', 'make', '-s', '--no-print-directory', '-C', f'{tree}/{part}', 'OUTPUT=/out').split()
            self.assertEqual([os.path.realpath(name) for name in said], [f'{tree}/dmabuf/{name}.c' for name in programs])

    def test_unknown_options(self):
        for arguments in (('--patches',), ('--patch', 'x'), ('x',)):
            self.assertIn('unknown argument', self.refused(*arguments))

    def test_git_that_refuses(self):
        with open(f'{self.tree}/.git/config', 'a', encoding='utf-8') as f:
            f.write('[core]\n\trepositoryformatversion = 99\n')
        for arguments in ((), ('--patch',)):
            self.assertIn('git cannot look into it', self.refused(*arguments))

    def test_changes_are_not_overwritten(self):
        with open(f'{self.tree}/drivers/dma-buf/dma-buf.c', 'a', encoding='utf-8') as f:
            f.write('int change;\n')
        for arguments in ((), ('--patch',)):
            self.assertIn('changes that are not committed', self.refused(*arguments))

    def test_the_users_git_does_not_count(self):
        home = os.path.dirname(self.tree)
        os.makedirs(f'{home}/hooks')
        with open(f'{home}/hooks/pre-commit', 'w', encoding='utf-8') as f:
            f.write('#!/bin/sh\nexit 1\n')
        os.chmod(f'{home}/hooks/pre-commit', 0o755)
        with open(f'{home}/.gitconfig', 'w', encoding='utf-8') as f:
            f.write(f'[user]\n\tname = Some Body\n\temail = body@example.org\n[commit]\n\tgpgsign = true\n[gpg]\n\tprogram = false\n'
                    f'[core]\n\thooksPath = {home}/hooks\n[diff]\n\tnoprefix = true\n[format]\n\tsubjectPrefix = NO\n')
        env = {name: value for name, value in os.environ.items() if not name.startswith('GIT_')}
        subprocess.run((f'{TOP}/scripts/install-tree', '--patch'), check=True, capture_output=True, stdin=subprocess.DEVNULL,
                       env=env | {'HOME': home, 'O': self.out, 'TREE': self.tree, 'TMPDIR': self.make_directory(f'{home}/tmp')})
        # install-tree removes its temporary repository.
        self.assertEqual(os.listdir(f'{home}/tmp'), [])
        with open(self.patches()[0], encoding='utf-8') as f:
            text = f.read()
        self.assertIn('From: Some Body <body@example.org>', text)
        self.assertIn('Subject: [PATCH 1/', text)
        self.git('am', '-q', *self.patches())


if __name__ == '__main__':
    unittest.main()
