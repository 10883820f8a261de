#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# Copyright the dma-buf project authors
"""Check that scripts/report detects every way in which a run can fail."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'report')
loader = importlib.machinery.SourceFileLoader('report', PATH)
sys.dont_write_bytecode = True
report = importlib.util.module_from_spec(importlib.util.spec_from_loader('report', loader))
loader.exec_module(report)

KUNIT = '''Linux version 6.12
KTAP version 1
1..2
    KTAP version 1
    # Subtest: dma_fence
    # module: dma_fence_kunit
    1..2
    ok 1 init_sets_seqno
some kernel message
        KTAP version 1
        # Subtest: signal_order
        ok 1 forwards
        ok 2 backwards
    # signal_order: pass:2 fail:0 skip:0 total:2
    ok 2 signal_order
# dma_fence: pass:2 fail:0 skip:0 total:2
# Totals: pass:3 fail:0 skip:0 total:3
ok 1 dma_fence
    KTAP version 1
    # Subtest: dma_resv
    1..1
    ok 1 lock_twice
ok 2 dma_resv
reboot: Restarting system
'''
HARNESS = '''TAP version 13
1..2
# Starting 2 tests from 1 test cases.
#  RUN           global.sync ...
#            OK  global.sync
ok 1 global.sync
ok 2 global.name
# PASSED: 2 / 2 tests passed.
# Totals: pass:2 fail:0 xfail:0 xpass:0 skip:0 error:0
'''


def tap(text, *allowed):
    return report.read_tap(text.splitlines(), lambda name: name in allowed)


class TapTest(unittest.TestCase):
    def failure(self, text, words):
        problems = tap(text).problems
        self.assertTrue(any(words in p for p in problems), problems)

    def test_green_runs(self):
        self.assertEqual((tap(KUNIT).passed, tap(KUNIT).problems), (4, []))
        self.assertEqual((tap(HARNESS).passed, tap(HARNESS).problems), (2, []))

    def test_printk_time_prefix(self):
        text = ''.join(f'[    1.{i:06}][    T1] {line}\n' for i, line in enumerate(KUNIT.splitlines()))
        self.assertEqual((tap(text).passed, tap(text).problems), (4, []))

    def test_failed_case(self):
        text = KUNIT.replace('    ok 1 lock_twice', '    not ok 1 lock_twice').replace('ok 2 dma_resv', 'not ok 2 dma_resv')
        self.assertEqual(tap(text).problems, ['dma_resv.lock_twice: failed'])
        self.assertEqual(tap(text).passed, 3)

    def test_failed_parameter(self):
        self.failure(KUNIT.replace('        ok 2 backwards', '        not ok 2 backwards'), 'dma_fence.signal_order.backwards')

    def test_suite_fails_though_cases_pass(self):
        self.failure(KUNIT.replace('ok 2 dma_resv', 'not ok 2 dma_resv'), 'dma_resv: failed')

    def test_missing_case(self):
        self.failure(KUNIT.replace('    ok 1 lock_twice\n', ''), 'planned 1 tests, 0 reported')

    def test_missing_suite(self):
        self.failure(KUNIT.replace('ok 2 dma_resv\n', ''), 'planned 2 tests, 1 reported')

    def test_died_in_the_middle(self):
        self.failure(KUNIT[:KUNIT.index('        ok 2 backwards')], 'planned 2 tests')

    def test_missing_plan(self):
        self.failure(KUNIT.replace('1..2\n    KTAP', '    KTAP'), 'without a plan')
        self.failure(HARNESS.replace('1..2\n', ''), 'without a plan')

    def test_number_out_of_order(self):
        self.failure(HARNESS.replace('ok 2 global.name', 'ok 3 global.name'), 'result number 3')

    def test_second_document_after_incomplete_first(self):
        self.failure(HARNESS.replace('ok 2 global.name\n', '') + HARNESS, 'planned 2 tests, 1 reported')

    def test_skip(self):
        text = HARNESS.replace('ok 2 global.name', 'ok 2 global.name # SKIP no such device')
        self.failure(text, 'skipped (no such device)')
        self.assertEqual(tap(text, 'global.name').problems, [])

    def test_nothing_ran(self):
        self.failure('', 'no test ran')
        self.failure('Linux version 6.12\n', 'no test ran')
        self.failure('TAP version 13\n1..0\n', 'no test passed')


class LogTest(unittest.TestCase):
    SPLATS = '''WARNING: CPU: 0 PID: 1 at lib/x.c:3 f+0x1/0x2
------------[ cut here ]------------
WARNING: possible circular locking dependency detected
WARNING: suspicious RCU usage
WARNING: bad unlock balance detected!
BUG: KASAN: slab-use-after-free in f+0x1/0x2
BUG: sleeping function called from invalid context at x.c:1
BUG: kernel NULL pointer dereference, address: 0000000000000000
BUG: unable to handle page fault for address: ffff
BUG kmalloc-64 (Tainted: G    B): Object already free
Oops: 0000 [#1] PREEMPT SMP
general protection fault, probably for non-canonical address
Kernel panic - not syncing: Fatal exception
UBSAN: array-index-out-of-bounds in x.c:1:2
INFO: task x:12 blocked for more than 120 seconds.
INFO: possible recursive locking detected
rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
rcu: INFO: rcu_preempt self-detected stall on CPU
watchdog: BUG: soft lockup - CPU#0 stuck for 22s!
turning off the locking correctness validator.
kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
unreferenced object 0xffff888003b2c000 (size 64):
DMA-API: device x: device driver frees DMA memory with wrong function
ODEBUG: free active (active state 0) object: 0000 object type: work_struct
list_add corruption. next->prev should be prev
list_del corruption, ffff->next is LIST_POISON1
refcount_t: underflow; use-after-free.
page allocation failure: order:4, mode:0x40dc0
BUG: Bad page state in process x  pfn:1
DMAR: [DMA Write NO_PASID] Request device [00:03.0] fault addr 0x1000 [fault reason 0x05] PTE Write access is not set'''.splitlines()

    def test_each_splat_is_seen(self):
        for line in self.SPLATS:
            for prefix in ('', '[    0.123456] ', '[    0.123456][    T1] '):
                self.assertEqual(len(report.read_log(['booting', prefix + line])), 1, line)

    def test_quiet_log(self):
        quiet = ['DMA-API: preallocated 65536 debug entries', 'DMA-API: debugging enabled by kernel config',
                 'kmemleak: Kernel memory leak detector initialized', 'rcu: Preemptible hierarchical RCU implementation.']
        self.assertEqual(report.read_log(quiet), [])

    def test_announced_warning(self):
        inside = [report.BEGIN, self.SPLATS[1], self.SPLATS[0], 'Call Trace:', report.END]
        self.assertEqual(report.read_log(inside), [])
        self.assertEqual(len(report.read_log(inside + [self.SPLATS[0]])), 1)

    def test_announced_section_hides_nothing_worse(self):
        for line in self.SPLATS[2:]:
            if not report.WARNING.search(line):
                self.assertEqual(len(report.read_log([report.BEGIN, line, report.END])), 1, line)

    def test_announced_section_without_end(self):
        self.assertEqual(len(report.read_log(['x', report.BEGIN])), 1)

    def test_known_splat(self):
        log = [self.SPLATS[1], 'WARNING: CPU: 1 PID: 45 at drivers/gpu/drm/x.c:232 f+0x1/0x2'] + ['code'] * 5
        self.assertEqual(report.read_log(log, [r'at drivers/gpu/drm/x\.c:']), [])
        self.assertEqual(len(report.read_log(log + [self.SPLATS[5]], [r'at drivers/gpu/drm/x\.c:'])), 1)
        self.assertEqual(len(report.read_log(log, [r'at drivers/gpu/drm/y\.c:'])), 1)

    def test_empty_log(self):
        self.assertEqual(report.read_log([]), ['kernel log: empty'])


class ProgramTest(unittest.TestCase):
    def run_report(self, tap_text, log_text, *args):
        with tempfile.TemporaryDirectory() as d:
            files = {'tap': tap_text, 'log': log_text, 'skips': '*.name  the device is not in this kernel\n'}
            for name, text in files.items():
                with open(os.path.join(d, name), 'w', encoding='utf-8') as f:
                    f.write(text)
            done = subprocess.run([sys.executable, PATH, '--tap', f'{d}/tap', '--log', f'{d}/log',
                                   *(a.replace('DIR', d) for a in args)], capture_output=True, text=True, check=False)
            return done.returncode, done.stdout.splitlines()[-1]

    def test_status_and_last_line(self):
        self.assertEqual(self.run_report(HARNESS, 'booted\n'), (0, '2 passed, 0 failed'))
        self.assertEqual(self.run_report(HARNESS, 'BUG: x\n'), (1, '2 passed, 1 failed'))
        self.assertEqual(self.run_report('', 'booted\n'), (1, '0 passed, 1 failed'))

    def test_missing_files(self):
        done = subprocess.run([PATH, '--tap', '/nowhere.tap', '--log', '/nowhere.log'], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (1, ''))
        self.assertIn('FAILED: there is no /nowhere.log', done.stdout)

    def test_success_line(self):
        self.assertEqual(self.run_report(HARNESS, 'reboot: done\n', '--success', 'reboot: '), (0, '2 passed, 0 failed'))
        self.assertEqual(self.run_report(HARNESS, 'booted\n', '--success', 'reboot: '), (1, '2 passed, 1 failed'))

    def test_status_of_the_run(self):
        self.assertEqual(self.run_report(HARNESS, 'booted\n', '--status', '124'), (1, '2 passed, 1 failed'))

    def test_known_skip(self):
        text = HARNESS.replace('ok 2 global.name', 'ok 2 global.name # SKIP no device')
        self.assertEqual(self.run_report(text, 'booted\n')[0], 1)
        self.assertEqual(self.run_report(text, 'booted\n', '--skips', 'DIR/skips')[0], 0)
        for files in (('--skips', 'DIR/skips', '--skips', '/dev/null'), ('--skips', '/dev/null', '--skips', 'DIR/skips')):
            self.assertEqual(self.run_report(text, 'booted\n', *files)[0], 0)


if __name__ == '__main__':
    unittest.main()
