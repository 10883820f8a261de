#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# Copyright the dma-buf project authors
"""Check that scripts/bench-table compares the lowest figures.

It must fail if a row is slower than mainline's or missing.
"""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import re
import sys
import tempfile
import unittest

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'bench-table')
loader = importlib.machinery.SourceFileLoader('bench_table', PATH)
sys.dont_write_bytecode = True
bench = importlib.util.module_from_spec(importlib.util.spec_from_loader('bench_table', loader))
loader.exec_module(bench)


def inputs(tmp, *options):
    """Write the texts of each option to files below tmp, and return the arguments."""
    argv = []
    for option, texts in options:
        if texts is not None:
            argv.append(option)
        for i, text in enumerate(texts or ()):
            argv.append(f'{tmp}/{option}{i}')
            with open(argv[-1], 'w', encoding='utf-8') as f:
                f.write(text)
    return argv


class BenchTable(unittest.TestCase):
    def run_table(self, mainline, ours, known=None):
        """Return (exit status, output) for the contents of the input files."""
        with tempfile.TemporaryDirectory() as tmp:
            argv = ['--csv', f'{tmp}/csv', '--plot', f'{tmp}/plot']
            argv += inputs(tmp, ('--mainline', mainline), ('--ours', ours), ('--known', known))
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                status = bench.main(argv)
            with open(f'{tmp}/plot', encoding='utf-8') as f:
                self.plot = f.read()
        return status, out.getvalue()

    def test_least_of_two_boots(self):
        status, text = self.run_table(['bench a 1 20.0 ns\r\n', 'bench a 1 10.0 ns\n'],
                                      ['bench a 1 30.0 ns\n', 'bench a 1 5.0 ns\n'])
        self.assertEqual(status, 0)
        self.assertRegex(text, r'(?m)^a +1 +10\.0 +5\.0 +2\.00$')
        self.assertTrue(text.endswith('1 cases, 1 rows, 0 slower\n'))
        self.assertEqual(self.plot, '"a 1" 2.0000\n')

    def test_plot_has_the_largest_size(self):
        text = 'bench a 1M 4 ns\nbench a 512K 2 ns\nbench b 10 1 ns\nbench b 9 1 ns\n'
        self.run_table([text], [text.replace(' 4 ', ' 2 ')])
        self.assertEqual(self.plot, '"b 10" 1.0000\n"a 1M" 2.0000\n')

    def test_tolerance(self):
        self.assertEqual(self.run_table(['bench a 1 10000 ns\n'], ['bench a 1 10300 ns\n'])[0], 0)
        self.assertEqual(self.run_table(['bench a 1 100 ns\n'], ['bench a 1 130 ns\n'])[0], 0)
        self.assertEqual(self.run_table(['bench a 1 100 ns\n'], ['bench a 1 130.1 ns\n'])[0], 1)
        status, text = self.run_table(['bench a 1 10000 ns\n'], ['bench a 1 10300.1 ns\n'])
        self.assertEqual(status, 1)
        self.assertIn('SLOWER', text)
        self.assertIn('1 slower', text)

    def test_known_to_be_slower(self):
        known = ['# rows\n\na 1 140  it does more\n']
        status, text = self.run_table(['bench a 1 100 ns\n'], ['bench a 1 140 ns\n'], known)
        self.assertEqual(status, 0)
        self.assertRegex(text, r'(?m)^a .* slower$')
        self.assertTrue(text.endswith('1 rows, 0 slower, 1 known slower\n'))

        status, text = self.run_table(['bench a 1 100 ns\n'], ['bench a 1 140.1 ns\n'], known)
        self.assertEqual(status, 1)
        self.assertTrue(text.endswith('1 rows, 1 slower\n'))

        self.assertEqual(self.run_table(['bench a 10 100 ns\n'], ['bench a 10 140 ns\n'], known)[0], 1)
        self.assertTrue(self.run_table(['bench a 1 100 ns\n'], ['bench a 1 99 ns\n'], known)[1].endswith(' 0 slower\n'))

    def test_known_needs_a_reason(self):
        for line in ('a 1 140', 'a 1  it does more', 'a 1 many  it does more', 'a 1 inf  it does more', 'b 1 1  twice'):
            with self.assertRaisesRegex(SystemExit, r'known0:2: want `case n limit'):
                self.run_table(['bench a 1 100 ns\n'], ['bench a 1 140 ns\n'], [f'b 1 1  it does more\n{line}\n'])

    def test_known_row_that_ours_lacks(self):
        self.assertEqual(self.run_table(['bench a 1 9 ns\n'], ['bench a 1 n/a ns\n'], ['a 1 140  it does more\n'])[0], 1)

    def test_memory_does_not_fail(self):
        status, text = self.run_table(['bench m 4K 64 bytes\n'], ['bench m 4K 128 bytes\n'])
        self.assertEqual(status, 0)
        self.assertNotIn('SLOWER', text)
        self.assertEqual(self.plot, '')

    def test_row_that_ours_lacks(self):
        for ours in ('bench a 1 5 ns\n', 'bench a 1 5 ns\nbench a 10 skipped ns\n', 'bench a 1 5 ns\nbench a 10 n/a ns\n'):
            status, text = self.run_table(['bench a 1 9 ns\nbench a 10 9 ns\n'], [ours])
            self.assertEqual(status, 1)
            self.assertIn('1 missing', text)

    def test_row_that_mainline_skipped(self):
        status, text = self.run_table(['bench a 10 skipped ns\n'], ['bench a 10 7 ns\n'])
        self.assertEqual(status, 0)
        self.assertIn('skipped', text)

    def test_stand_in(self):
        mainline = 'bench sync_mapped 64M 900 ns\nbench sync_range_64K 64M n/a ns\n'
        status, text = self.run_table([mainline], ['bench sync_mapped 64M 800 ns\nbench sync_range_64K 64M 90 ns\n'])
        self.assertEqual(status, 0)
        self.assertRegex(text, r'(?m)^sync_range_64K +64M +900\.0 +90\.0 +10\.00  \*$')

    def test_neither_has_it(self):
        status, text = self.run_table(['bench a 1 n/a ns\n'], ['bench a 1 n/a ns\n'])
        self.assertEqual(status, 0)
        self.assertIn('n/a', text)

    def test_nothing_ran(self):
        self.assertEqual(self.run_table([''], [''])[0], 1)


class Pairs(unittest.TestCase):
    def run_pairs(self, mainline, ours, counted=''):
        """Return (exit status, output) for the contents of the input files."""
        with tempfile.TemporaryDirectory() as tmp:
            argv = ['--pairs', '--csv', f'{tmp}/csv']
            argv += inputs(tmp, ('--mainline', mainline), ('--ours', ours), ('--counted', [counted]))
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                status = bench.main(argv)
        return status, out.getvalue()

    def times(self, case, *values):
        return [f'bench {case} {value} ns\r\n' for value in values]

    def test_ratio_is_of_pairs(self):
        # The second round ran on a machine half as fast: the ratio is the same.
        status, text = self.run_pairs(self.times('a 1', 100, 200, 100), self.times('a 1', 50, 100, 50))
        self.assertEqual(status, 0)
        self.assertRegex(text, r'(?m)^a +1 +100\.0 +50\.0 +2\.00 +2\.00 +2\.00')
        self.assertIn('1 cases, 1 rows, 0 worse, 0 unlike the count\n', text)

    def test_one_bad_round_does_not_count(self):
        _, text = self.run_pairs(self.times('a 1', *[100] * 7), self.times('a 1', *[100] * 6, 900))
        self.assertRegex(text, r'(?m)^a +1 +100\.0 +100\.0 +1\.00 +1\.00 +1\.00')

    def test_worse_when_most_pairs_are(self):
        ours = [140] * 9
        self.assertIn(' 1 worse', self.run_pairs(self.times('a 1', *[100] * 9), self.times('a 1', *ours))[1])
        ours = [140] * 5 + [99] * 4
        self.assertIn(' 0 worse', self.run_pairs(self.times('a 1', *[100] * 9), self.times('a 1', *ours))[1])
        ours = [104] * 9
        self.assertIn(' 0 worse', self.run_pairs(self.times('a 1', *[100] * 9), self.times('a 1', *ours))[1])

    def test_unlike_the_count(self):
        mainline = self.times('a 10', 100, 100)
        for counted, ours, sign in (('3.00', 50, '-'), ('1.00', 50, '+'), ('2.30', 50, ''), ('1.00', 80, '')):
            table = f'case n mainline ours times\na                  10         1 000           1 000     {counted}\n'
            _, text = self.run_pairs(mainline, self.times('a 10', ours, ours), table)
            self.assertRegex(text, rf'(?m)^a .* {counted} *{re.escape(sign)}$')
            self.assertIn(f'{int(bool(sign))} unlike', text)

    def test_counted_rows(self):
        text = ('a  1   1 657    1 602     1.03\nb  4K  2 657  1 602  0.93  slower\nc  64M  57 196 388  51 055  1120  *\n'
                'd  1  64.0  64.0  1.00 bytes\ne  1  n/a  12.0\nA figure is 12 1.00\n')
        with tempfile.NamedTemporaryFile('w', encoding='utf-8') as f:
            f.write(text)
            f.flush()
            self.assertEqual(bench.parse_counted(f.name), {('a', '1'): 1.03, ('b', '4K'): 0.93, ('c', '64M'): 1120.0})

    def test_row_that_ours_lacks(self):
        status, text = self.run_pairs(self.times('a 1', 9, 9), self.times('a 1', 'n/a', 'n/a'))
        self.assertEqual(status, 1)
        self.assertIn('1 missing', text)
        self.assertEqual(self.run_pairs(self.times('a 1', 'skipped', 9), self.times('a 1', 'n/a', 'n/a'))[0], 1)

    def test_only_whole_pairs_count(self):
        status, text = self.run_pairs(self.times('a 1', 9, 1000, 9), self.times('a 1', 'skipped', 1000, 9))
        self.assertEqual(status, 0)
        self.assertRegex(text, r'(?m)^a +1 +504\.5 +504\.5 +1\.00 ')

    def test_row_that_mainline_lacks_stays(self):
        status, text = self.run_pairs(self.times('a 1', 'n/a', 'n/a'), self.times('a 1', 7, 7))
        self.assertEqual(status, 0)
        self.assertRegex(text, r'(?m)^a +1 +n/a +7\.0')

    def test_uneven(self):
        with self.assertRaises(SystemExit):
            self.run_pairs(self.times('a 1', 9), self.times('a 1', 9, 9))

    def test_nothing_ran(self):
        self.assertEqual(self.run_pairs([''], [''])[0], 1)


if __name__ == '__main__':
    unittest.main()
