#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# Copyright the dma-buf project authors
"""Check the behaviour that all scripts share, and some scripts in detail.

--help starts nothing, a script refuses wrong variables before it starts
anything, a full disk is reported, and progress lines do not fill a CI log.
"""
import fnmatch
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..'))
SCRIPTS = sorted(f'{TOP}/scripts/{name}' for name in os.listdir(f'{TOP}/scripts')
                 if os.path.isfile(f'{TOP}/scripts/{name}') and os.access(f'{TOP}/scripts/{name}', os.X_OK)) + \
    [f'{TOP}/.ci/run']
# The tools that a script might run first. marks() replaces them with stubs
# that record the call.
TOOLS = ('make', 'gcc', 'clang', 'ccache', 'apt-get', 'git', 'tar', 'rsync', 'qemu-system-x86_64', 'mkdir', 'mktemp')


class Scripts(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.bin = f'{self.tmp.name}/bin'
        self.out = f'{self.tmp.name}/out'
        os.mkdir(self.bin)

    def tool(self, name, script):
        with open(f'{self.bin}/{name}', 'w', encoding='ascii') as f:
            f.write(f'#!/bin/sh\n{script}\n')
        os.chmod(f'{self.bin}/{name}', 0o755)

    def marks(self):
        for name in TOOLS:
            self.tool(name, f'echo {name} >>{self.tmp.name}/started; exit 99')

    def run_script(self, *command, **variables):
        env = {name: value for name, value in os.environ.items() if name not in ('ACCEL', 'CI', 'V', 'KERNEL', 'TREE')}
        env |= {'PATH': f'{self.bin}:{env["PATH"]}', 'O': self.out} | variables
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60,
                              stdin=subprocess.DEVNULL, cwd=TOP)
        self.assertFalse(os.path.exists(f'{self.tmp.name}/started'), f'{command} started something')
        return done

    def library(self, commands, **variables):
        return self.run_script('bash', '-c', f'set -eu; . scripts/lib.sh; {commands}', **variables)

    def test_help(self):
        self.marks()
        self.assertGreater(len(SCRIPTS), 10)
        for script in SCRIPTS:
            for option in ('--help', '-h'):
                with self.subTest(script=script, option=option):
                    done = self.run_script(script, option)
                    self.assertEqual((done.returncode, done.stderr), (0, ''))
                    self.assertIn(f'usage: ', done.stdout)
                    self.assertIn(os.path.basename(script), done.stdout)
                    self.assertGreater(len(done.stdout.splitlines()), 2)
                    self.assertFalse(os.path.exists(self.out))

    def test_help_behind_other_arguments(self):
        self.marks()
        for script, *arguments in (('build-kernel', 'demo'), ('kunit', '--name', 'x'), ('run-guest', '--memory', '1')):
            done = self.run_script(f'{TOP}/scripts/{script}', *arguments, '--help')
            self.assertEqual((done.returncode, done.stdout[:6]), (0, 'usage:'))

    def test_help_of_the_command_in_the_guest(self):
        done = self.run_script(f'{TOP}/scripts/run-guest', '--kernel', '/nowhere', '--', 'ls', '--help')
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no kernel at '/nowhere'", done.stderr)

    def test_unknown_accel(self):
        self.marks()
        for script in ('run-guest', 'kunit', 'bench', 'demo', 'selftests', 'test', 'build-kernel'):
            done = self.run_script(f'{TOP}/scripts/{script}', ACCEL='hvf')
            self.assertEqual(done.returncode, 1)
            self.assertIn('ACCEL=hvf', done.stderr)
        for accel in ('', 'tcg', 'kvm'):
            self.assertEqual(self.library('say fine', ACCEL=accel).stdout, 'fine\n')

    def test_disk_is_full(self):
        self.tool('df', 'printf "Avail\\n%s\\n" $((1000 * 1024))')
        self.tool('tar', f'echo tar >>{self.tmp.name}/started; exit 99')
        self.tool('rsync', f'echo rsync >>{self.tmp.name}/started; exit 99')
        tree = f'{self.tmp.name}/tree'
        os.mkdir(tree)
        with open(f'{tree}/Makefile', 'w', encoding='ascii') as f:
            f.write('VERSION = 6\nPATCHLEVEL = 12\n')
        for kernel in (tree, f'{tree}/Makefile'):
            done = self.run_script(f'{TOP}/scripts/prepare-tree', KERNEL=kernel)
            self.assertEqual(done.returncode, 1)
            self.assertIn('1000 MB of disk are free', done.stderr)

    def test_disk_has_room(self):
        self.tool('df', 'printf "Avail\\n%s\\n" $((1000 * 1024))')
        self.assertEqual(self.library('need_space /nowhere/yet 1000; say fine').stdout, 'fine\n')
        self.assertEqual(self.library('need_space /nowhere/yet 1001; say fine').stdout, '')

    def test_progress(self):
        # Record the ticker's pause instead of sleeping.
        self.tool('sleep', f'echo "$1" >>{self.tmp.name}/pauses; exit 1')
        step = f'run_logged step {self.out}/log 0 sh -c "until [ -s {self.tmp.name}/pauses ]; do :; done"'
        for variables, pause in (({}, '15'), ({'CI': 'true'}, '60')):
            done = self.library(step, **variables)
            self.assertEqual(done.returncode, 0)
            with open(f'{self.tmp.name}/pauses', encoding='ascii') as f:
                self.assertEqual(f.read().split(), [pause])
            os.unlink(f'{self.tmp.name}/pauses')

    def function(self, script, name, call, **variables):
        """Call one function of a script that cannot be sourced."""
        with open(f'{TOP}/scripts/{script}', encoding='utf-8') as f:
            body = re.search(rf'^{name}\(\) \{{\n.*?^\}}$', f.read(), re.M | re.S)[0]
        return self.library(f'{body}\n{call}', **variables)

    def test_a_step_ends_at_the_first_failure(self):
        step = f'f() {{ false; echo went on; }}; run_logged step {self.out}/log 0 f; echo not reached'
        for variables in ({}, {'V': '1'}):
            done = self.library(step, **variables)
            self.assertEqual(done.returncode, 1)
            self.assertNotIn('went on', done.stdout)
            self.assertNotIn('not reached', done.stdout)
        done = self.library(f'f() {{ true; }}; run_logged step {self.out}/log 0 f; echo reached; false; echo not reached')
        self.assertIn('reached', done.stdout)
        self.assertNotIn('not reached', done.stdout)

    def test_a_check_ends_at_the_first_failure(self):
        start = f'mkdir -p {self.out}/check; number=0 failed=0;'
        done = self.function('check', 'step', f'{start} f() {{ false; echo went on; }}; step name f; step good true; say $failed')
        self.assertEqual(done.stdout, f'not ok 1 name ({self.out}/check/name.log)\nok 2 good\n1\n')

    def test_checks_report_each_failure(self):
        self.tool('gcc', 'case "$*" in *-m64*) echo wrong; exit 1 ;; *-x\\ c\\ -*) ! grep first.h ;; esac')
        self.tool('g++', '! grep third.h')
        done = self.function('check', 'layout', 'if layout; then echo clean; fi')
        self.assertEqual(done.stdout, 'wrong\n')
        done = self.function('check', 'headers', 'uapi=(first.h second.h third.h fourth.h); if headers; then echo clean; fi')
        self.assertEqual(done.stdout, '#include <linux/first.h>\n#include <linux/third.h>\n')

    def shell_project(self, **files):
        """Make a project that has no shell scripts except files.

        Return the functions of scripts/check that examine shell scripts, set up
        for that project.
        """
        with open(f'{TOP}/scripts/check', encoding='utf-8') as f:
            text = f.read()
        functions = [re.search(rf'^{name}\(\) \{{\n.*?^\}}$', text, re.M | re.S)[0] for name in ('shell_scripts', 'scripts_parse', 'lint')]
        top = f'{self.tmp.name}/top'
        for directory in ('.ci', 'scripts', 'samples', 'tools/testing'):
            os.makedirs(f'{top}/{directory}')
        shutil.copy(f'{TOP}/.shellcheckrc', top)
        for name, content in files.items():
            with open(f'{top}/tools/testing/{name}', 'w', encoding='ascii') as f:
                f.write(content)
        return '\n'.join((*functions, f'TOP={top}'))

    def test_shell_scripts_are_found(self):
        project = self.shell_project(a='#!/bin/bash\n', b='#!/bin/sh\n', c='#!/usr/bin/python3\n', d='# a\n# shellcheck shell=bash\n', e='\n' * 9)
        done = self.library(f'{project}\nshell_scripts bash; shell_scripts sh')
        self.assertEqual([os.path.basename(path) for path in done.stdout.split()], ['a', 'd', 'b'])

    def test_scripts_that_do_not_parse(self):
        project = self.shell_project(a='#!/bin/bash\nif\n', b='#!/bin/bash\ntrue\n')
        done = self.library(f'{project}\nif scripts_parse; then echo clean; fi')
        self.assertNotIn('clean', done.stdout)

    def test_scripts_that_shellcheck_warns_of(self):
        project = self.shell_project(a='#!/bin/bash\nrm $1\n', b='#!/bin/bash\nrm "$1"\n')
        done = self.library(f'{project}\nif lint; then echo clean; fi')
        self.assertIn('SC2086', done.stdout)
        self.assertNotIn('clean', done.stdout)
        self.assertEqual(self.library(f'{project}\nrm $TOP/tools/testing/a; lint; echo clean').stdout, 'clean\n')
        done = self.library(f'{project}\nrm -r $TOP/tools/testing/*; if lint; then echo clean; fi')
        self.assertNotIn('clean', done.stdout)

    def test_options_that_kconfig_dropped(self):
        os.mkdir(self.out)
        with open(f'{self.out}/wanted', 'w', encoding='ascii') as f:
            f.write('# a comment\nCONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\n# CONFIG_D is not set\nCONFIG_E="x"\n')
        with open(f'{self.out}/.config', 'w', encoding='ascii') as f:
            f.write('CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=y\nCONFIG_E="x"\n')
        self.assertEqual(self.library(f'lost_options {self.out}').stdout, 'CONFIG_B=y\n# CONFIG_C is not set\n')

    def test_cross_rows(self):
        rows = self.run_script(f'{TOP}/scripts/cross', '--list').stdout.split()
        for row in ('x86_64', 'x86_64-clang', 'arm64', 'i386-highmem', 'arm-lpae', 'powerpc64', 'riscv64', 's390x', 'mips64'):
            self.assertIn(row, rows)
        done = self.run_script(f'{TOP}/scripts/cross', 'vax')
        self.assertEqual(done.returncode, 1)
        self.assertIn('no such row: vax', done.stderr)

    def test_unknown_arguments(self):
        self.marks()
        for script, *arguments in (('check',), ('consumers',), ('test', 'debug'), ('prepare-tree',), ('module-test',), ('../.ci/run',)):
            done = self.run_script(f'{TOP}/scripts/{script}', *arguments, 'x')
            self.assertEqual(done.returncode, 1)
            self.assertIn('unknown argument x', done.stderr)

    def project(self, *stubs):
        """Copy the scripts. Those named in stubs do nothing in the copy."""
        top = f'{self.tmp.name}/top'
        shutil.copytree(f'{TOP}/scripts', f'{top}/scripts')
        for name in stubs:
            with open(f'{top}/scripts/{name}', 'w', encoding='ascii') as f:
                f.write('#!/bin/sh\n')
        return f'{top}/scripts'

    def test_cross_shows_what_failed(self):
        scripts = self.project('prepare-tree', 'install-deps')
        os.makedirs(f'{self.out}/linux/scripts/kconfig')
        os.symlink('/bin/true', f'{self.out}/linux/scripts/kconfig/merge_config.sh')
        self.tool('make', 'echo something odd; exit 2')
        done = self.run_script(f'{scripts}/cross', 'x86_64')
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout.count('    something odd'), 2)
        for part in ('all', 'least'):
            self.assertIn(f'not ok x86_64 {part}', done.stdout)
        self.tool('make', 'for i in $(seq 10000); do echo "x.c: error: $i"; done; exit 2')
        done = self.run_script(f'{scripts}/cross', 'x86_64')
        self.assertEqual(done.stdout.count('    x.c: error: '), 40)

    def test_cross_looks_for_libgcc(self):
        """The kernel has no division of 64-bit numbers for 32-bit processors; nothing is linked here."""
        scripts = self.project('prepare-tree', 'install-deps')
        self.write_file(f'{self.out}/linux/scripts/kconfig/merge_config.sh', '#!/bin/sh\n: >wanted; : >.config\n')
        os.chmod(f'{self.out}/linux/scripts/kconfig/merge_config.sh', 0o755)
        self.tool('make', 'exit 0')
        for symbols, failed in (('U __umoddi3', 'x.o: __umoddi3'), ('U __aeabi_uldivmod', '__aeabi_uldivmod'), ('U memcpy', '')):
            self.tool('nm', f'printf "\\nx.o:\\n                 {symbols}\\n"')
            done = self.run_script(f'{scripts}/cross', 'x86_64')
            self.assertEqual(done.returncode, int(bool(failed)), done.stdout)
            self.assertIn(failed, done.stdout)
        # An empty archive is not a good one.
        self.tool('nm', 'exit 0')
        self.assertEqual(self.run_script(f'{scripts}/cross', 'x86_64').returncode, 1)

    def test_no_selftests(self):
        scripts = self.project('run-guest', 'report')
        for script in ('exit 0', 'exit 2', 'echo dmabuf:dmabuf_fd; exit 2'):
            self.tool('make', script)
            done = self.run_script(f'{scripts}/selftests')
            self.assertEqual((done.returncode, done.stdout), (1, ''))
            self.assertIn('names no programs', done.stderr)

    def test_module(self):
        """module-test fails if the program dies after its last result.

        It also fails if the module stays loaded.
        """
        scripts, module = self.project('modules'), f'{self.tmp.name}/top/samples/dma-buf/module'
        os.makedirs(module)
        with open(f'{scripts}/run-guest', 'w', encoding='ascii') as f:
            f.write('#!/bin/bash\nuntil [ "$1" = -- ]; do [ "$1" != --log ] || echo "reboot: Power down" >"$2"; shift; done\n'
                    f'shift\nexec "${{@//\\/sys\\//{self.tmp.name}/sys/}}"\n')
        self.tool('insmod', 'exit 0')
        for status, stays in ((0, False), (3, False), (0, True)):
            self.tool('gcc', 'until [ "$1" = -o ]; do shift; done; chmod +x "$(dirname "$2")/program"; mv "$(dirname "$2")/program" "$2"')
            with open(f'{module}/program', 'w', encoding='ascii') as f:
                f.write(f'#!/bin/sh\necho KTAP version 1\necho 1..1\necho ok 1 it\nexit {status}\n')
            if stays:
                os.makedirs(f'{self.tmp.name}/sys/module/dmabuf_template')
            done = self.run_script(f'{scripts}/module-test')
            self.assertEqual(done.returncode, int(status != 0 or stays), done.stdout + done.stderr)
            self.assertEqual('# the module is unloaded' in done.stdout.splitlines(), not stays)

    def test_status_of_kunit(self):
        build, kunit = f'{self.tmp.name}/build', f'{self.tmp.name}/tree/tools/testing/kunit/kunit.py'
        os.makedirs(build)
        os.makedirs(os.path.dirname(kunit))
        os.symlink(f'{self.tmp.name}/tree', f'{build}/source')
        for status, said in ((0, 'kunit: 1 passed, 0 failed'), (3, 'FAILED: the run ended with status 3')):
            with open(kunit, 'w', encoding='ascii') as f:
                f.write(f'#!/bin/sh\nprintf "%s\\n" "KTAP version 1" 1..1 "ok 1 it" "reboot: Restarting system" >{build}/test.log; exit {status}\n')
            os.chmod(kunit, 0o755)
            done = self.run_script(f'{TOP}/scripts/kunit', '--kernel', build, '*')
            self.assertEqual(done.returncode, status, done.stdout)
            self.assertIn(said, done.stdout)
        # A failure of kunit.py or of report shows in the exit status, whatever
        # the other returns. Status 127 means that report did not start.
        scripts = self.project()
        for status, report in ((0, 0), (0, 1), (0, 127), (3, 0), (3, 1)):
            with open(kunit, 'w', encoding='ascii') as f:
                f.write(f'#!/bin/sh\nexit {status}\n')
            with open(f'{scripts}/report', 'w', encoding='ascii') as f:
                f.write(f'#!/bin/sh\nexit {report}\n')
            done = self.run_script(f'{scripts}/kunit', '--kernel', build, '*')
            self.assertEqual(done.returncode, status or report)

    def rows(self):
        with open(f'{TOP}/scripts/configs/matrix', encoding='ascii') as f:
            return [line.split(maxsplit=6) for line in f if line.strip() and not line.startswith('#')]

    def test_rows_name_kernels_and_programs(self):
        programs = os.listdir(f'{TOP}/tools/testing/selftests/dmabuf')
        self.assertIn('debug', [row[0] for row in self.rows()])
        for name, kernel, cpus, suites, selftests, *_ in self.rows():
            with self.subTest(row=name):
                self.assertTrue(os.path.exists(f'{TOP}/scripts/configs/{kernel}.config'))
                self.assertGreater(int(cpus), 0)
                self.assertTrue(suites)
                for program in () if selftests in ('all', '-') else selftests.split(','):
                    self.assertIn(f'{program}.c', programs)

    def test_rows_are_documented_and_run(self):
        for path in ('.github/workflows/weekly.yml', 'Documentation/driver-api/dma-buf-tests.rst'):
            with open(f'{TOP}/{path}', encoding='ascii') as f:
                text = f.read()
            for row in self.rows():
                # The push has user-mode Linux.
                if row[0] != 'um' or path.endswith('rst'):
                    self.assertRegex(text, rf'\b{row[0]}\b', path)

    def test_rows_reach_all_suites(self):
        for name in glob.glob(f'{TOP}/drivers/dma-buf/tests/*_kunit.c'):
            with open(name, encoding='ascii') as f:
                for suite in re.findall(r'kunit_suite \w+ = \{\n\t\.name = "(\w+)"', f.read()):
                    self.assertTrue(fnmatch.fnmatchcase(suite, '?[!rt]*'), suite)

    def test_read_row(self):
        done = self.library('read_row bounce; echo "$row_kernel,$row_cpus,$row_kunit,$row_selftests,$row_compiler,$row_options"')
        self.assertEqual(done.stdout, 'debug,2,?[!rt]*,all,gcc,swiotlb=force\n')
        done = self.library('read_row um; echo "${row_known[*]}"')
        self.assertEqual(done.stdout, f'--skips {TOP}/scripts/configs/known-skips --skips {TOP}/scripts/configs/known-skips-um\n')
        for script in ('test', 'matrix', 'kunit', 'selftests'):
            option = ('--row',) if script in ('kunit', 'selftests') else ()
            done = self.run_script(f'{TOP}/scripts/{script}', *option, 'fast')
            self.assertEqual(done.returncode, 1)
            self.assertIn('no such row: fast (there are: um debug ', done.stderr)

    def test_matrix_runs_all_rows(self):
        """A row that fails, or dies, neither hides the others nor passes; one that did not run keeps its line."""
        scripts = self.project('install-deps')
        with open(f'{scripts}/test', 'w', encoding='ascii') as f:
            f.write('#!/bin/sh\ncase $1 in\n'
                    'rt) echo "FAILED: kernel log, line 3: BUG: x"; echo "4 passed, 1 failed"; exit 1 ;;\n'
                    'none) exit 3 ;;\n*) echo "5 passed, 0 failed" ;;\nesac\n')
        done = self.run_script(f'{scripts}/matrix', 'rt', 'none', 'um')
        self.assertEqual(done.returncode, 1)
        table = [line.split()[:4] for line in done.stdout.splitlines()[-len(self.rows()) - 1:]]
        self.assertEqual([line[0] for line in table], ['row'] + [row[0] for row in self.rows()])
        for line in (['row', 'passed', 'failed', 'splats'], ['rt', '4', '1', '1'], ['none', '-', '-', '0'],
                     ['um', '5', '0', '0'], ['arm64', '-', '-', '-']):
            self.assertIn(line, table)
        done = self.run_script(f'{scripts}/matrix', 'um')
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r'(?m)^rt +4 +1 +1 ')
        done = self.run_script(f'{scripts}/matrix')
        self.assertEqual([line for line in done.stdout.splitlines() if line.startswith('=== ')],
                         [f'=== {row[0]}' for row in self.rows()])

    def test_mutants(self):
        """A mutant is caught only by a suite that fails, and none is left in the copy for the next."""
        scripts = self.project()
        shutil.rmtree(f'{scripts}/configs/mutants')
        self.write_file(f'{self.tmp.name}/top/x.c', 'good\n')
        for name, old, new in (('caught', 'good', 'bad'), ('dead', 'goo', 'bad'), ('invalid', 'good', 'broken'), ('unseen', 'good', 'odd')):
            self.write_file(f'{scripts}/configs/mutants/{name}.patch',
                            f'It is {name}.\n\nClass: a class\nRow: um\nSuites: first second\n---\n'
                            f'--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-{old}\n+{new}\n')
        self.write_file(f'{scripts}/build-kernel', '#!/bin/sh\n! grep -q broken x.c\n')
        self.write_file(f'{scripts}/kunit', '#!/bin/sh\n[ "$*" = "--row um second" ] || exit 0\n'
                        'grep -q bad x.c || exit 0\necho "FAILED: second.case: failed"; exit 1\n')
        done = self.run_script(f'{scripts}/mutants')
        self.assertEqual(done.returncode, 1)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[:4], ['TAP version 13', '1..4', 'ok 1 caught # second.case: failed', lines[3]])
        for line, text in zip(lines[3:6], ('not ok 2 dead # it does not apply', 'not ok 3 invalid # it does not compile',
                                           'not ok 4 unseen # first second passed')):
            self.assertTrue(line.startswith(text), line)
        self.assertEqual(lines[-1], 'mutants: 1 passed, 3 failed')
        self.assertEqual(self.run_script(f'{scripts}/mutants', 'caught').returncode, 0)
        done = self.run_script(f'{scripts}/mutants', '--list', 'caught')
        self.assertEqual(done.stdout.split(), ['caught', 'um', 'a', 'class'])
        self.assertIn('no such mutant: x', self.run_script(f'{scripts}/mutants', 'x').stderr)
        self.write_file(f'{self.tmp.name}/top/x.c', 'bad\n')
        done = self.run_script(f'{scripts}/mutants', 'caught')
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('second fails on um without a mutant', done.stderr)

    def test_mutants_name_what_is_there(self):
        rows = [row[0] for row in self.rows()]
        known = ['selftest:' + name[:-2] for name in os.listdir(f'{TOP}/tools/testing/selftests/dmabuf')]
        for name in glob.glob(f'{TOP}/drivers/dma-buf/tests/*_kunit.c'):
            with open(name, encoding='ascii') as f:
                known += re.findall(r'\.name = "(\w+)"', f.read())
        patches = f'{TOP}/scripts/configs/mutants'
        for name in os.listdir(patches):
            with self.subTest(mutant=name), open(f'{patches}/{name}', encoding='ascii') as f:
                text = f.read().split('\n---\n')[0]
                self.assertIn(re.search('^Row: (.*)$', text, re.M)[1], rows)
                self.assertRegex(text, '(?m)^Class: .')
                for suite in re.search('^Suites: (.*)$', text, re.M)[1].split():
                    self.assertTrue(fnmatch.filter(known, suite), suite)

    def menu_project(self):
        """Make a kernel with the options BASE, CHILD and EXTRA.

        CHILD depends on BASE. The configuration requests both, but not EXTRA.
        """
        scripts = self.project()
        with open(f'{scripts}/build-kernel', 'w', encoding='ascii') as f:
            f.write(f'''#!/bin/bash
set -eu
[ "$*" = "demo --configure" ]
out={self.out}/kernel-demo choices=${{CHOICES:-{self.out}/config-demo}}
mkdir -p $out
printf 'CONFIG_BASE=y\\nCONFIG_CHILD=y\\n' >$out/wanted
cp $out/wanted $out/.config
echo '# CONFIG_EXTRA is not set' >>$out/.config
[ ! -s "$choices" ] || cp "$choices" $out/.config
''')
        self.write_file(f'{self.out}/linux/Kconfig', 'mainmenu "x"\nsource "init/Kconfig"\nsource "drivers/Kconfig"\n')
        self.write_file(f'{self.out}/linux/drivers/Kconfig', 'source "drivers/base/Kconfig"\nsource "drivers/dma-buf/Kconfig"\n')
        self.write_file(f'{self.out}/linux/scripts/diffconfig', '#!/bin/sh\ndiff "$2" "$3" | sed -n "s/^> //p"\n')
        os.chmod(f'{self.out}/linux/scripts/diffconfig', 0o755)
        return scripts

    def write_file(self, path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='ascii') as f:
            f.write(text)

    def test_menu_needs_a_terminal(self):
        self.marks()
        for arguments in ((), ('debug',), ('--with', 'nconfig')):
            done = self.run_script(f'{TOP}/scripts/menuconfig', *arguments)
            self.assertEqual((done.returncode, done.stdout), (1, ''))
            self.assertIn('needs a terminal', done.stderr)
        done = self.run_script(f'{TOP}/scripts/menuconfig', 'windows')
        self.assertIn('no such guest: windows', done.stderr)

    def test_menu(self):
        scripts, menu, choices = self.menu_project(), f'{self.out}/menu-demo', f'{self.out}/config-demo'
        chosen = f'{self.tmp.name}/chosen'
        # This stub for the kernel's make writes the chosen configuration.
        self.tool('make', f'for a; do case $a in KCONFIG_CONFIG=*) config=${{a#*=}} ;; KBUILD_KCONFIG=*) kconfig=${{a#*=}} ;; esac; done\n'
                          f'cat "$kconfig" "$TREE_KCONFIG" >{self.tmp.name}/kconfig; [ ! -e {chosen} ] || cat {chosen} >"$config"')
        shutil.copy(f'{TOP}/Kconfig', f'{self.tmp.name}/top')
        for text, kept in (('CONFIG_BASE=y\nCONFIG_CHILD=y\nCONFIG_EXTRA=y\n', 'CONFIG_EXTRA=y\n'),
                           ('# CONFIG_BASE is not set\n# CONFIG_EXTRA is not set\n',
                            '# CONFIG_BASE is not set\n# CONFIG_CHILD is not set\n'),
                           ('CONFIG_BASE=y\nCONFIG_CHILD=y\n# CONFIG_EXTRA is not set\n', None)):
            self.write_file(chosen, text)
            done = self.run_script(f'{scripts}/menuconfig', '--with', 'olddefconfig')
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            if kept:
                with open(choices, encoding='ascii') as f:
                    self.assertEqual(f.read(), kept)
            self.assertEqual(os.path.exists(choices), kept is not None)
        with open(f'{self.tmp.name}/kconfig', encoding='utf-8') as f:
            sources = re.findall(r'^(?:mainmenu|source) "(.*)"$', f.read(), re.M)
        self.assertEqual(sources[1:], ['drivers/dma-buf/Kconfig', '$(TREE_KCONFIG)', 'init/Kconfig', f'{menu}/Kconfig.drivers'])
        with open(f'{menu}/Kconfig.drivers', encoding='ascii') as f:
            self.assertEqual(f.read(), 'source "drivers/base/Kconfig"\n')

    def test_choices_are_applied_last(self):
        scripts = self.project('prepare-tree')
        merge = f'{self.out}/linux/scripts/kconfig/merge_config.sh'
        self.write_file(merge, '#!/bin/sh\nshift 4\ncat "$@" >"$KCONFIG_CONFIG"\n')
        os.chmod(merge, 0o755)
        self.write_file(f'{self.out}/config-base', 'CONFIG_MINE=y\n')
        self.tool('make', f'cp {self.out}/kernel-base/wanted {self.out}/kernel-base/.config')
        self.assertEqual(self.run_script(f'{scripts}/build-kernel', 'base', '--configure').returncode, 0)
        with open(f'{self.out}/kernel-base/wanted', encoding='ascii') as f:
            self.assertEqual(f.read().splitlines()[-1], 'CONFIG_MINE=y')
        self.write_file(f'{self.out}/config-base', 'CONFIG_YOURS=y\n')
        self.tool('make', f'grep -v YOURS {self.out}/kernel-base/wanted >{self.out}/kernel-base/.config')
        done = self.run_script(f'{scripts}/build-kernel', 'base', '--configure')
        self.assertEqual(done.returncode, 1)
        self.assertIn(f'{self.out}/config-base asks for', done.stderr)
        self.assertEqual(self.run_script(f'{scripts}/build-kernel', 'base', '--configure', CHOICES='/dev/null').returncode, 0)

    def test_compiler(self):
        for name in ('gcc', 'clang'):
            self.tool(name, f'echo {name} "$@"')
        self.tool('ccache', 'echo ccache "$@"')
        for arguments, said in ((['-c', 'a.c'], 'ccache gcc -c a.c'), (['-c', 'a.S'], 'gcc -c a.S'),
                                (['--compiler=clang', '-c', 'a.c'], 'ccache clang -c a.c'),
                                (['--compiler=clang', '-c', 'a.S'], 'clang -c a.S'),
                                (['--version'], 'ccache gcc --version')):
            self.assertEqual(self.run_script(f'{TOP}/scripts/cc', *arguments).stdout.strip(), said)


if __name__ == '__main__':
    unittest.main()
