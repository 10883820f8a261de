#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# Copyright the dma-buf project authors
"""Check that scripts/held reports exactly the functions that assert nothing."""
import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')


class Held(unittest.TestCase):
    def held(self, *arguments):
        return subprocess.run([os.path.join(TOP, 'scripts', 'held'), *arguments], text=True, capture_output=True, check=False)

    def expect(self, text, *findings):
        with tempfile.NamedTemporaryFile('w', suffix='.c', encoding='utf-8') as file:
            file.write(text)
            file.flush()
            done = self.held(file.name)
        lines = [line.removeprefix(file.name + ':').split('(')[0] for line in done.stdout.splitlines()]
        self.assertEqual(lines, list(findings))
        self.assertEqual(done.returncode, bool(findings))

    def test_name(self):
        self.expect('static int a_locked(int b)\n{\n\treturn b;\n}\n', '1: a_locked')
        self.expect('static int a_locked(int b)\n{\n\tlockdep_assert_held(&b);\n\treturn b;\n}\n')

    def test_comment_is_no_assertion(self):
        self.expect('static void\na_locked(void)\n{\n\t/* lockdep_assert_held(&b) */\n}\n', '2: a_locked')

    def test_context(self):
        doc = '/**\n * a - do\n *\n * Context: Process, reservation\n * lock held.\n * Return: 0.\n */\n'
        self.expect(doc + 'int a(int (*f)(void))\n{\n\treturn 0;\n}\n', '8: a')
        self.expect(doc + 'int a(int (*f)(void))\n{\n\tdma_resv_assert_held(f);\n\treturn 0;\n}\n')
        self.expect(doc.replace('held', 'not held') + 'int a(void)\n{\n\treturn 0;\n}\n')
        self.expect(doc.replace('reservation', 'no reservation') + 'int a(void)\n{\n\treturn 0;\n}\n')
        self.expect(doc.replace('held.', 'held; without it for b.') + 'int a(void)\n{\n\treturn 0;\n}\n')
        self.expect(doc.replace('held.', 'held; or none.') + 'int a(void)\n{\n\treturn 0;\n}\n')
        self.expect(doc.replace('Context', 'Note') + 'int a(void)\n{\n\treturn 0;\n}\n')

    def test_hands_on(self):
        self.expect('void a_locked(void)\n{\n\tlockdep_assert_held(&x);\n}\n\nvoid b_locked(void)\n{\n\ta_locked();\n}\n')

    def test_arguments(self):
        self.assertNotEqual(self.held('/nowhere.c').returncode, 0)

    def test_ours(self):
        done = self.held()
        self.assertEqual((done.returncode, done.stdout), (0, ''))


if __name__ == '__main__':
    sys.dont_write_bytecode = True
    unittest.main()
