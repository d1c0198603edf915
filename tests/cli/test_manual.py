#!/usr/bin/env python3
# test_manual.py: manual pages and completions, compared with what the programs themselves say
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# ZIMAGE and ZIMAGE_SERVICE are the programs, MAKE_TINY_MODEL makes a model of random weights in a folder.

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import tempfile
import time
import unittest

PROGRAMS = {'zimage': os.environ['ZIMAGE'], 'zimage-service': os.environ['ZIMAGE_SERVICE']}
MAKE_TINY_MODEL = os.environ['MAKE_TINY_MODEL']
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAN = os.path.join(SOURCE, 'data', 'man')
COMPLETIONS = os.path.join(SOURCE, 'data', 'completions')
TIMEOUT = 60

# What programs around us set, and what only tests do.
NOT_FOR_USERS = {'GHOSTTY_RESOURCES_DIR', 'KITTY_WINDOW_ID', 'NOTIFY_SOCKET', 'STY', 'TERM', 'TMUX', 'WEZTERM_PANE'}

work = None


def setUpModule():
    """Programs by their names on a path, a model in the store, and one in a folder of its own."""
    global work
    work = tempfile.TemporaryDirectory(prefix='zimage-manual-')
    os.mkdir(os.path.join(work.name, 'bin'))
    for name, path in PROGRAMS.items():
        os.symlink(path, os.path.join(work.name, 'bin', name))
    os.mkdir(os.path.join(work.name, 'here'))
    folder = os.path.join(work.name, 'here', 'a-folder')
    subprocess.run([MAKE_TINY_MODEL, '--size=small', folder], check=True, timeout=TIMEOUT, stdout=subprocess.DEVNULL)
    for name in ('stored', 'owner/other:v2'):
        subprocess.run([PROGRAMS['zimage'], 'create', name, '-f', folder, '--quiet'], check=True, timeout=TIMEOUT,
                       env=environment(), stdout=subprocess.DEVNULL)


def tearDownModule():
    work.cleanup()


def environment(**changes):
    env = {name: value for name, value in os.environ.items() if name not in ('LANGUAGE', 'ZIMAGE_HOST')}
    env.update(LC_ALL='C.UTF-8', HOME=work.name, PATH=os.path.join(work.name, 'bin') + ':' + env['PATH'], TERM='dumb',
               ZIMAGE_MODELS=os.path.join(work.name, 'store'), XDG_CACHE_HOME=os.path.join(work.name, 'cache'),
               XDG_CONFIG_HOME=os.path.join(work.name, 'config'), XDG_DATA_HOME=os.path.join(work.name, 'data'))
    env.update(changes)
    return env


def say(*command):
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=True,
                          timeout=TIMEOUT).stdout


def commands():
    return re.findall(r'^  ([a-z]+) ', re.search(r'^Commands:\n(.*?)\n\n', say('zimage', 'help'), re.M | re.S)[1], re.M)


def options(help_text):
    """Short name, long name, argument and words of each option but “--help”."""
    return re.findall(r'^  (?:(-\w), )?(--(?!help)[\w-]+)(?:=(\S+))? +(\S.*)$', help_text, re.M)


def help_of(command):
    return say('zimage-service', '--help') if command == 'service' else say('zimage', 'help', command)


def plain(text):
    """A page's source as it is read."""
    for escape, character in {r'\-': '-', r'\(lq': '“', r'\(rq': '”', r'\(cq': '’', r'\(mu': '×', r'\e': '\\',
                              r'\fB': '', r'\fI': '', r'\fR': ''}.items():
        text = text.replace(escape, character)
    return text


def read(*path):
    with open(os.path.join(*path), encoding='utf-8') as file:
        return file.read()


class Manual(unittest.TestCase):
    maxDiff = None

    def described(self, section):
        """The same as options (), from a page."""
        found = []
        for head, words in re.findall(r'^\.TP\n(.*)\n(.*)$', section, re.M):
            match = re.fullmatch(r'(?:(-\w), )?(--[\w-]+)(?:=(\S+))?', plain(head))
            if match:
                found.append((match[1] or '', match[2], match[3] or '', plain(words).removesuffix('.')))
        return found

    def test_commands(self):
        """Each command has its section, with the options, arguments and words of its help."""
        page = read(MAN, 'zimage.1')
        sections = dict(re.findall(r'^\.SS (\w+)\n(.*?)(?=^\.S[SH])', page, re.M | re.S))
        self.assertEqual(list(sections), commands())
        for command, section in sections.items():
            with self.subTest(command=command):
                self.assertEqual(self.described(section), options(help_of(command)) if command != 'help' else [])
                usage = help_of(command).splitlines()[1].strip().replace('OPTION…', 'OPTION...').replace('…', '...')
                if command != 'help':
                    self.assertEqual(plain(section.splitlines()[0]), usage)

    def test_service(self):
        section = re.search(r'^\.SH OPTIONS\n(.*?)^\.SH', read(MAN, 'zimage-service.1'), re.M | re.S)[1]
        self.assertEqual(self.described(section), options(help_of('service')))

    def test_exit_codes(self):
        page = read(MAN, 'zimage.1')
        section = re.search(r'^\.SH EXIT STATUS\n(.*?)^\.SH', page, re.M | re.S)[1]
        codes = re.findall(r'^\.B (\d+)$', section, re.M)
        self.assertEqual(codes, re.findall(r'^  (\d+) ', say('zimage', 'help'), re.M))

    def test_environment(self):
        """Whatever variable the code reads is on the page."""
        names = set()
        for top in ('app', 'libzimage'):
            for folder, _, files in os.walk(os.path.join(SOURCE, top)):
                for name in files:
                    if name.endswith('.c'):
                        names |= set(re.findall(r'g_getenv \("(\w+)"\)', read(folder, name)))
        self.assertGreater(len(names), 15)
        page = read(MAN, 'zimage.1')
        self.assertEqual({name for name in names - NOT_FOR_USERS if not re.search(rf'\b{name}\b', page)}, set())

    @unittest.skipUnless(shutil.which('mandoc'), 'no mandoc')
    def test_lint(self):
        for name in sorted(os.listdir(MAN)):
            if name.endswith('.1'):
                result = subprocess.run(['mandoc', '-Tlint', '-Wwarning', os.path.join(MAN, name)], capture_output=True,
                                        text=True, timeout=TIMEOUT, check=False)
                self.assertEqual((result.returncode, result.stdout), (0, ''))

    @unittest.skipUnless(shutil.which('man') and shutil.which('groff'), 'no man')
    def test_man(self):
        for name in sorted(os.listdir(MAN)):
            if name.endswith('.1'):
                result = subprocess.run(['man', '--warnings', '-l', os.path.join(MAN, name)], capture_output=True,
                                        env=environment(MANWIDTH='80', MANPAGER='cat'), text=True, timeout=TIMEOUT,
                                        check=False)
                self.assertEqual((result.returncode, result.stderr), (0, ''))
                self.assertIn('SEE ALSO', result.stdout)


# What is typed, and what is offered then: all of it, or if it ends in “…” that and more.
CASES = [
    ('zimage r', ['rm', 'run']),
    ('zimage help se', ['serve']),
    ('zimage run --pre', ['--precision=']),
    ('zimage run --qu', ['--quality=', '--quiet']),
    ('zimage run --format=', ['jpeg', 'png', 'webp']),
    ('zimage run --format j', ['jpeg']),
    ('zimage run --rng=cu', ['cuda']),
    ('zimage run --variant ', ['base', 'turbo']),
    ('zimage run --device=vul', ['vulkan', '…']),
    ('zimage run --device c', ['cpu']),
    ('zimage run sto', ['stored']),
    ('zimage run --steps 4 sto', ['stored']),
    ('zimage run -o x --json sto', ['stored']),
    ('zimage run owner/other:', ['owner/other:v2']),
    ('zimage run a-f', ['a-folder']),
    ('zimage run -o a-f', ['a-folder']),
    ('zimage run --vae=a-f', ['a-folder']),
    ('zimage run stored sto', []),
    ('zimage show --verbose sto', ['stored']),
    ('zimage rm stored own', ['owner/other:v2']),
    ('zimage create --quantize=q4', ['q4_0', 'q4_k']),
    ('zimage create --quantize ', ['fp8', 'int4', 'int8', 'q4_0', 'q4_k', 'q6_k', 'q8_0']),
    ('zimage create x -f a-', ['a-folder']),
    ('zimage pull z-image-t', ['z-image-turbo']),
    ('zimage store ', ['check', 'prune']),
    ('zimage serve sto', ['stored']),
    ('zimage stop sto', ['stored']),
    ('zimage cp sto', ['stored']),
    ('zimage bench --precision=', ['auto', 'bf16', 'f16', 'f32']),
    ('zimage nonsense ', []),
    ('zimage-service --idle', ['--idle-time=']),
    ('zimage-service sto', ['stored']),
]


class Completion:
    """Tests of a shell, whose class says what it offers."""

    maxDiff = None

    def offered(self, lines):
        """What is put in place of the last word of each line: a list of words for each."""
        result = subprocess.run([*self.COMMAND, *lines], env=self.env or environment(), capture_output=True, text=True,
                                cwd=os.path.join(work.name, 'here'), timeout=TIMEOUT, check=True)
        self.assertEqual(result.stderr, '')
        answers = result.stdout.split('\x1e\n')
        self.assertEqual(len(answers), len(lines) + 1)
        return [self.whole_words(line, answer.splitlines()) for line, answer in zip(lines, answers)]

    def check(self, line, offered, expected):
        if expected[-1:] == ['…']:
            offered = [word for word in offered if word in expected] + ['…']
        self.assertEqual(sorted(offered), sorted(expected), line)

    def test_cases(self):
        for (line, expected), offered in zip(CASES, self.offered([line for line, _ in CASES])):
            with self.subTest(line=line):
                self.check(line, offered, expected)

    def test_options(self):
        """All options of all commands, as the help has them."""
        known = [*(command for command in commands() if command != 'help'), 'service']
        lines = ['zimage-service --' if command == 'service' else f'zimage {command} --' for command in known]
        for command, words in zip(known, self.offered(lines)):
            expected = [f'{name}=' if argument else name for _, name, argument, _ in options(help_of(command))]
            offered = [word for word in words if not word.startswith('--help')]
            self.assertEqual(sorted(offered), sorted(expected), command)

    def test_commands(self):
        self.assertEqual(sorted(self.offered(['zimage '])[0]), sorted(commands()))

    def test_language(self):
        """In another language it is the same."""
        self.env = environment(LC_ALL='', LANG='de_DE.UTF-8', LANGUAGE='de')
        line = 'zimage run --format='
        self.check(line, self.offered([line])[0], ['jpeg', 'png', 'webp'])


class Bash(Completion, unittest.TestCase):
    SCRIPT = """
compopt () { :; }
source "$1"
for line in "${@:2}"; do
  COMP_LINE=$line
  COMP_POINT=${#line}
  _zimage "${line%% *}"
  [ ${#COMPREPLY[@]} = 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
  printf '\\x1e\\n'
done
"""
    COMMAND = ['bash', '--norc', '-c', SCRIPT, 'bash', os.path.join(COMPLETIONS, 'zimage.bash')]
    env = None

    def whole_words(self, line, words):
        """bash takes words apart at “:”, and wants only what comes behind."""
        colon = re.search(r'[^\s=]*:', line.split(' ')[-1])
        return [(colon[0] if colon else '') + word for word in words]

    def test_typed(self):
        """In a real one."""
        shell = Terminal(['bash', '--norc', '--noprofile', '-i'])
        self.addCleanup(shell.close)
        shell.type(f'source {shlex.quote(os.path.join(COMPLETIONS, "zimage.bash"))}; PS1="ready "\n')
        shell.wait_for('\nready ')
        for typed, completed in [('zimage ser\t', 'zimage serve '), ('--keep\t', '--keep-alive='),
                                 ('5m sto\t', '5m stored ')]:
            shell.type(typed)
            shell.wait_for(completed)


@unittest.skipUnless(shutil.which('fish'), 'no fish')
class Fish(Completion, unittest.TestCase):
    SCRIPT = "source $argv[1]; for line in $argv[2..]; complete -C $line; printf '\\x1e\\n'; end"
    COMMAND = ['fish', '--no-config', '-c', SCRIPT, os.path.join(COMPLETIONS, 'zimage.fish')]
    env = None

    def whole_words(self, line, words):
        """fish gives all of the word, and behind a tab what it is."""
        last = line.split(' ')[-1]
        option = last[:last.index('=') + 1] if last.startswith('--') and '=' in last else ''
        return [word.split('\t')[0].rstrip('/').removeprefix(option) for word in words]


@unittest.skipUnless(shutil.which('zsh'), 'no zsh')
class Zsh(unittest.TestCase):
    """Its completion works only where keys are typed."""

    CASES = [
        ('zimage ser\t', 'zimage serve '),
        ('zimage run --pre\t', '--precision='),
        ('zimage run --format=j\t', '--format=jpeg '),
        ('zimage run --steps 4 sto\t', ' 4 stored '),
        ('zimage run -o a-f\t', '-o a-folder/'),
        ('zimage create --quantize=f\t', '--quantize=fp8 '),
        ('zimage rm stored own\t', 'owner/other:v2 '),
        ('zimage pull z-image-t\t', 'z-image-turbo '),
        ('zimage-service --idle\t', '--idle-time='),
    ]

    def setUp(self):
        functions = os.path.join(work.name, 'functions')
        os.makedirs(functions, exist_ok=True)
        shutil.copy(os.path.join(COMPLETIONS, 'zimage.zsh'), os.path.join(functions, '_zimage'))
        self.shell = Terminal(['zsh', '-f', '-i'])
        self.addCleanup(self.shell.close)
        self.shell.type(f'fpath=({shlex.quote(functions)} $fpath); autoload -U compinit; compinit -u -D; '
                        'unset zle_bracketed_paste; PS1="rea""dy> "\n')
        self.shell.wait_for('ready> ')

    def test_cases(self):
        for typed, completed in self.CASES:
            with self.subTest(typed=typed):
                self.shell.type('\x15' + typed)
                self.shell.wait_for(completed.rstrip())

    def test_options(self):
        """All options are offered."""
        for command in ['run', 'create', 'service']:
            line = 'zimage-service --' if command == 'service' else f'zimage {command} --'
            expected = [name for _, name, _, _ in options(help_of(command))]
            self.shell.type(f'\x15{line}\x04')
            for name in expected:
                self.shell.wait_for(name, keep=True)


class Terminal:
    """A program with a terminal in which somebody types."""

    def __init__(self, command):
        self.fd, terminal = pty.openpty()
        self.process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal,
                                        start_new_session=True, cwd=os.path.join(work.name, 'here'),
                                        env=environment(COLUMNS='400', LINES='100'))
        os.close(terminal)
        self.text = ''

    def type(self, text):
        self.text = ''
        os.write(self.fd, text.encode())

    def wait_for(self, expected, keep=False):
        end = time.monotonic() + TIMEOUT
        while expected not in self.text:
            if not select.select([self.fd], [], [], max(end - time.monotonic(), 0))[0]:
                raise AssertionError(f'“{expected}” is not in “{self.text}”')
            self.text += re.sub(r'\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|[\x08\r\x07]', '',
                                os.read(self.fd, 4096).decode(errors='replace'))
        if not keep:
            self.text = ''

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


if __name__ == '__main__':
    unittest.main()
