#!/usr/bin/env python3
# test_cli.py: the command line as a user meets it
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# ZIMAGE is the program, MAKE_TINY_MODEL makes a model of random weights in a folder.

import base64
import json
import os
import pty
import re
import resource
import select
import signal
import struct
import subprocess
import tempfile
import time
import unittest
import zlib

ZIMAGE = os.environ['ZIMAGE']
MAKE_TINY_MODEL = os.environ['MAKE_TINY_MODEL']
SIZE = '32x32'
TIMEOUT = 60
# Long enough to be interrupted, and far from its end when it is.
LONG = ['--size', '256x256', '--steps', '1000']

work = None
model = None


def setUpModule():
    global work, model
    work = tempfile.TemporaryDirectory(prefix='zimage-cli-')
    model = os.path.join(work.name, 'tiny')
    subprocess.run([MAKE_TINY_MODEL, model], check=True, timeout=TIMEOUT, stdout=subprocess.DEVNULL)


def tearDownModule():
    work.cleanup()


def environment(**changes):
    """Without what a developer's terminal adds, so that a test sees the same everywhere."""
    unset = ['TMUX', 'STY', 'KITTY_WINDOW_ID', 'GHOSTTY_RESOURCES_DIR', 'TERM_PROGRAM', 'LC_TERMINAL', 'WEZTERM_PANE',
             'ZIM_DEVICE', 'ZIM_MEMORY_BUDGET', 'ZIMAGE_INLINE', 'ZIMAGE_MODELS', 'ZIMAGE_NOHISTORY',
             'OPENBLAS_CORETYPE', 'OPENBLAS_L2_SIZE', 'LANGUAGE']
    env = {name: value for name, value in os.environ.items() if name not in unset}
    env.update(LC_ALL='C.UTF-8', TERM='xterm-256color', HOME=work.name,
               XDG_STATE_HOME=os.path.join(work.name, 'state'),
               XDG_CACHE_HOME=os.path.join(work.name, 'cache'))
    env.update(changes)
    return env


def png_chunks(data):
    """The chunks of a PNG file, read without any library."""
    at = 8
    while at < len(data):
        size, = struct.unpack('>I', data[at:at + 4])
        yield data[at + 4:at + 8], data[at + 8:at + 8 + size]
        at += size + 12


def png_texts(data):
    texts = {}
    for kind, body in png_chunks(data):
        if kind == b'tEXt':
            key, text = body.split(b'\0', 1)
            texts[key.decode()] = text.decode('latin-1')
        elif kind == b'iTXt':
            key, rest = body.split(b'\0', 1)
            text = rest[2:].split(b'\0', 2)[2]
            texts[key.decode()] = (zlib.decompress(text) if rest[0] else text).decode()
    return texts


def png_pixels(data):
    return zlib.decompress(b''.join(body for kind, body in png_chunks(data) if kind == b'IDAT'))


def png_size(data):
    return struct.unpack('>II', data[16:24])


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix='zimage-cli-')
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def files(self):
        return sorted(os.listdir(self.folder.name))

    def read(self, name):
        with open(self.path(name), 'rb') as file:
            return file.read()

    def zimage(self, *args, code=0, env=None, stdin=subprocess.DEVNULL, input=None, **options):
        """Runs the program and checks its exit code and that no escape sequence leaves it."""
        given = {'input': input} if input is not None else {'stdin': stdin}
        options.setdefault('stdout', subprocess.PIPE)
        result = subprocess.run([ZIMAGE, *args], cwd=self.folder.name, env=env or environment(),
                                stderr=subprocess.PIPE, timeout=TIMEOUT, **given, **options)
        self.assertEqual(result.returncode, code, result.stderr.decode(errors='replace'))
        self.assertNotIn(b'\x1b', result.stderr)
        result.err = result.stderr.decode()
        if result.stdout is not None and not result.stdout.startswith((b'\x89PNG', b'\xff\xd8', b'RIFF')):
            self.assertNotIn(b'\x1b', result.stdout)
            result.out = result.stdout.decode()
        return result

    def run_model(self, *args, **options):
        """A small picture, unless the arguments ask for another."""
        size = [] if any(a.startswith(('--size', '--width')) for a in args) else ['--size', SIZE]
        steps = [] if any(a.startswith('--steps') for a in args) else ['--steps', '2']
        return self.zimage('run', *size, *steps, *args, **options)


class Commands(Case):
    def test_help(self):
        for args in [[], ['help'], ['--help'], ['-h'], ['help', 'help']]:
            out = self.zimage(*args).out
            for word in ['run', 'devices', 'bench', 'version', 'Exit codes', '130']:
                self.assertIn(word, out)

    def test_help_of_a_command(self):
        for args in [['run', '--help'], ['help', 'run'], ['run', '-h']]:
            out = self.zimage(*args).out
            self.assertTrue(out.startswith('Usage:\n  zimage run [OPTION…] MODEL [PROMPT…]\n'), out)
            for flag in ['--negative', '--size', '--width', '--height', '--steps', '--seed', '-n, --n', '--guidance',
                         '--cfg', '--cfg-normalization', '--cfg-truncation', '--max-tokens', '--rng', '-o, --output',
                         '--format', '--quality', '--device', '--precision', '--quiet', '--json', '--dump',
                         '--text-encoder', '--vae', '--tokenizer', '--variant']:
                self.assertIn(flag, out)
        self.assertIn('--synthetic', self.zimage('help', 'bench').out)
        self.assertIn('--json', self.zimage('help', 'devices').out)

    def test_version(self):
        self.assertRegex(self.zimage('version').out, r'^zimage \d+\.\d+\.\d+\n$')
        self.assertEqual(self.zimage('--version').out, self.zimage('version').out)

    def test_unknown_command(self):
        self.assertEqual(self.zimage('rnu', code=2).err, 'zimage: unknown command “rnu”; did you mean “run”?\n')
        self.assertEqual(self.zimage('help', 'devicse', code=2).err,
                         'zimage: unknown command “devicse”; did you mean “devices”?\n')
        self.assertIn('“zimage help” lists them', self.zimage('frobnicate', code=2).err)

    def test_wrong_usage(self):
        self.assertIn('a model is expected', self.zimage('run', code=2).err)
        self.assertIn('--nonsense', self.zimage('run', model, 'a cat', '--nonsense', code=2).err)
        self.assertIn('--steps', self.zimage('run', model, 'a cat', '--steps', code=2).err)
        for size in ['6Q', '-1G', '0', '']:
            self.assertIn('is not an amount of memory',
                          self.zimage('run', '--memory-budget', size, model, 'a cat', code=2).err)
        self.assertIn('too many arguments, from “x” on', self.zimage('devices', 'x', code=2).err)
        self.assertIn('expected one model', self.zimage('bench', code=2).err)
        self.assertIn('expected one model', self.zimage('bench', model, model, code=2).err)

    def test_devices(self):
        out = self.zimage('devices').out
        self.assertRegex(out.splitlines()[0], r'^ID +NAME +KIND +MEMORY +PRECISION +FEATURES$')
        self.assertRegex(out.splitlines()[1], r'^\S')
        devices = json.loads(self.zimage('devices', '--json').out)
        self.assertIn('cpu', [device['id'] for device in devices])
        for device in devices:
            self.assertEqual(list(device), ['id', 'name', 'kind', 'memory_bytes', 'precision', 'features'])
            self.assertGreater(device['memory_bytes'], 1 << 20)
            self.assertIn(device['precision'], ['f32', 'bf16', 'f16'])

    def test_full_standard_output(self):
        with open('/dev/full', 'wb') as full:
            for args in [['devices'], ['help'], ['version']]:
                self.assertIn('Failed to write to standard output', self.zimage(*args, code=1, stdout=full).err)

    def test_closed_pipe(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        self.zimage('devices', stdout=write_end, code=-signal.SIGPIPE)
        os.close(write_end)


class Run(Case):
    def test_saved_line(self):
        result = self.run_model(model, 'A sunset', 'over mountains!', '--seed', '1234')
        match = re.fullmatch(r'Image saved to: (\./a-sunset-over-mountains-\d{8}-\d{6}\.png) '
                             r'\(seed 1234, 2 steps, 32x32, [\d.]+ m?s\)\n', result.out)
        self.assertTrue(match, result.out)
        self.assertEqual(result.err, '')
        self.assertEqual(self.files(), [match[1][2:]])

    def test_parameters_in_file(self):
        self.run_model(model, '夕日, “x”', '--negative', '霧', '--seed', '7', '--steps', '3', '--cfg', '4.1',
                       '--rng', 'cuda', '-o', 'a.png')
        text = png_texts(self.read('a.png'))['parameters']
        self.assertRegex(text, '^夕日, “x”\nNegative prompt: 霧\nSteps: 3, .*CFG scale: 4.1, Seed: 7, Size: 32x32, '
                               'Model: tiny, RNG: NV')

    def test_every_flag(self):
        out = self.run_model(model, 'a cat', '--negative', 'fog', '--width', '48', '--height=32', '--steps', '2',
                             '--seed=9', '-n', '2', '--guidance', '2.5', '--cfg-normalization', '1',
                             '--cfg-truncation', '0.5', '--max-tokens', '64', '--rng', 'cpu', '--format', 'png',
                             '--quality', '80', '--device', 'cpu', '--precision', 'f32', '--json').out
        run = json.loads(out)
        self.assertEqual(list(run), ['model', 'device', 'precision', 'seconds', 'memory_plan', 'images'])
        self.assertEqual((run['model'], run['device'], run['precision']), ('tiny', 'cpu', 'f32'))
        self.assertGreater(run['seconds'], 0)
        self.assertEqual([image['seed'] for image in run['images']], [9, 10])
        image = run['images'][0]
        del image['file'], image['seed']
        self.assertEqual(image, {
            'prompt': 'a cat', 'negative_prompt': 'fog', 'width': 48, 'height': 32, 'steps': 2,
            'guidance_scale': 2.5, 'cfg_normalization': 1, 'cfg_truncation': 0.5, 'max_tokens': 64, 'rng': 'cpu'})
        self.assertEqual(png_size(self.read(run['images'][1]['file'])), (48, 32))

    def test_precisions(self):
        for precision in ['auto', 'f32', 'bf16', 'f16']:
            run = json.loads(self.run_model(model, 'a cat', '--precision', precision, '--json').out)
            self.assertIn(run['precision'], ['f32', 'bf16', 'f16'] if precision == 'auto' else [precision])

    def test_json_names_the_file(self):
        image = json.loads(self.run_model(model, 'a cat', '--json', '--seed', '5').out)['images'][0]
        self.assertEqual(image['file'], './' + self.files()[0])
        self.assertEqual(image['seed'], 5)

    def test_same_seed_same_file(self):
        for name in ['a.png', 'b.png']:
            self.run_model(model, 'a cat', '--seed', '5', '-o', name)
        self.run_model(model, 'a cat', '--seed', '6', '-o', 'c.png')
        self.assertEqual(self.read('a.png'), self.read('b.png'))
        self.assertNotEqual(self.read('a.png'), self.read('c.png'))

    def test_random_seed(self):
        seeds = {re.search(r'seed (\d+)', self.run_model(model, 'a cat', *args).out)[1]
                 for args in [[], ['--seed', '-1'], ['--seed=-1']]}
        self.assertEqual(len(seeds), 3)

    def test_several_images(self):
        out = self.run_model(model, 'a cat', '--n', '3', '--seed', '5').out
        self.assertEqual([int(seed) for seed in re.findall(r'seed (\d+)', out)], [5, 6, 7])
        self.assertEqual(len(self.files()), 3)
        self.run_model(model, 'a cat', '--seed', '6', '-o', 'one.png')
        named = re.findall(r'saved to: (\S+)', out)[1]
        self.assertEqual(self.read(named), self.read('one.png'))

    def test_several_named_images(self):
        self.run_model(model, 'a cat', '-n', '2', '-o', 'a.b.jpg')
        self.assertEqual(self.files(), ['a.b-1.jpg', 'a.b-2.jpg'])

    def test_one_step(self):
        self.assertIn(', 1 step, ', self.run_model(model, 'a cat', '--steps', '1').out)

    def test_warning_of_cut_prompt(self):
        result = self.run_model(model, 'word ' * 300, '--max-tokens', '20', '-o', 'a.png')
        self.assertRegex(result.err, r'^zimage: warning: .*20.*\n$')
        run = json.loads(self.run_model(model, 'word ' * 300, '--max-tokens', '20', '--json').out)
        self.assertIn('20', run['warning'])

    def test_quiet(self):
        result = self.run_model(model, 'a cat', '--quiet', '-n', '2')
        self.assertEqual(sorted(result.out.splitlines()), ['./' + name for name in self.files()])
        self.assertEqual(result.err, '')

    def test_dump(self):
        self.run_model(model, 'a cat', '--dump', 'dump.safetensors', '-o', 'a.png')
        data = self.read('dump.safetensors')
        size, = struct.unpack('<Q', data[:8])
        self.assertGreater(len(json.loads(data[8:8 + size])), 1)

    def test_parts(self):
        parts = ['--text-encoder', f'{model}/text_encoder', '--vae', f'{model}/vae', '--tokenizer',
                 f'{model}/tokenizer', '--variant', 'turbo']
        transformer = f'{model}/transformer'
        seed = ['a cat', '--seed', '5', '-o', '-']
        self.assertEqual(png_pixels(self.run_model(transformer, *seed, *parts).stdout),
                         png_pixels(self.run_model(model, *seed).stdout))
        # A part that is not named is looked for beside the transformer; one that is named must be there.
        self.run_model(transformer, 'a cat', '--variant', 'turbo')
        self.assertIn('nonsense', self.run_model(transformer, 'a cat', *parts, '--vae', f'{model}/nonsense',
                                                 code=3).err)
        shown = json.loads(self.zimage('show', transformer, *parts, '--json', '-v').out)
        self.assertEqual(shown['quantization'], 'BF16')
        self.assertEqual({tensor['type'] for tensor in shown['tensors']}, {'BF16'})

    def test_device_of_environment(self):
        self.run_model(model, 'a cat', env=environment(ZIM_DEVICE='cpu'))
        self.assertIn('nonsense', self.run_model(model, 'a cat', env=environment(ZIM_DEVICE='nonsense'), code=1).err)
        self.run_model(model, 'a cat', '--device', 'cpu', env=environment(ZIM_DEVICE='nonsense'))


class Prompt(Case):
    def saved(self, *args, **options):
        self.run_model(model, *args, '-o', 'p.png', **options)
        return png_texts(self.read('p.png'))['parameters'].rsplit('\nSteps: ', 1)[0]

    def test_standard_input(self):
        self.assertEqual(self.saved(input=b'from a pipe\n'), 'from a pipe')
        self.assertEqual(self.saved(input='two\nlines 夕日'.encode()), 'two\nlines 夕日')
        self.assertEqual(self.saved('-', input=b'a dash\r\n'), 'a dash')

    def test_arguments_win(self):
        self.assertEqual(self.saved('an argument', input=b'from a pipe'), 'an argument')

    def test_dashes(self):
        self.run_model('-o', 'p.png', '--', model, '-starts', '--with', '-dashes', '--', 'x')
        self.assertTrue(png_texts(self.read('p.png'))['parameters'].startswith('-starts --with -dashes -- x\n'))

    def test_c_locale(self):
        self.assertEqual(self.saved('夕日 🌄', env=environment(LC_ALL='C')), '夕日 🌄')
        out = self.run_model(model, '夕日', env=environment(LC_ALL='C')).out
        self.assertIn('./夕日-', out)

    def test_empty(self):
        for args, given in [([''], b''), ([' ', '\t'], b''), ([], b''), ([], b' \n\n'), (['-'], b'')]:
            result = self.run_model(model, *args, input=given, code=4)
            self.assertEqual(result.err, 'zimage: Parameter “prompt” is empty, expected a text\n')
        self.assertEqual(self.files(), [])

    def test_not_text(self):
        self.assertIn('has the byte 0xff at offset 2, expected valid UTF-8', self.run_bytes(b'a \xff'))
        self.assertIn('not a prompt', self.run_model(model, input=b'a\0b', code=4).err)
        self.assertIn('not a prompt', self.run_model(model, input=b'a' * (2 << 20), code=4).err)

    def run_bytes(self, prompt):
        result = subprocess.run([ZIMAGE.encode(), b'run', model.encode(), prompt], cwd=self.folder.name,
                                env=environment(), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=TIMEOUT)
        self.assertEqual(result.returncode, 4)
        return result.stderr.decode()


class Errors(Case):
    def fails(self, code, message, *args, **options):
        err = self.run_model(model, 'a cat', *args, code=code, **options).err
        self.assertIn(message, err)
        self.assertTrue(err.startswith('zimage: '), err)
        self.assertEqual(self.files(), [])

    def test_numbers_that_are_none(self):
        self.fails(2, 'Value of “steps” is “3x”, expected a whole number', '--steps', '3x')
        self.fails(2, 'Value of “steps” is “”, expected a whole number', '--steps', '')
        self.fails(2, 'Value of “seed” is “1e3”, expected a whole number', '--seed', '1e3')
        self.fails(2, 'Value of “n” is “99999999999”, expected a whole number from', '--n', '99999999999')
        self.fails(2, 'Value of “cfg” is “4,5”, expected a number', '--cfg', '4,5')
        self.fails(2, 'Value of “size” is “64”, expected width and height, like “1024x768”', '--size', '64')
        self.fails(2, 'Value of “rng” is “gpu”, expected one of: cpu, cuda', '--rng', 'gpu')
        self.fails(2, 'Value of “precision” is “f8”, expected one of: auto, f32, bf16, f16', '--precision', 'f8')

    def test_out_of_range(self):
        self.fails(4, 'Parameter “width” is 40, expected a multiple of 16 from 16 to 8192', '--size', '40x32')
        self.fails(4, 'Parameter “height” is -16, expected', '--width', '16', '--height', '-16')
        self.fails(4, 'Parameter “width” is 1000000, expected', '--size', '1000000x32')
        self.fails(4, 'Parameter “steps” is 1001, expected a whole number from 0 to 1000', '--steps', '1001')
        self.fails(4, 'Parameter “seed” is -2, expected', '--seed', '-2')
        self.fails(4, 'Parameter “seed” is 9007199254740992, expected', '--seed', '9007199254740992')
        self.fails(4, 'Parameter “n-images” is 0, expected', '--n', '0')
        self.fails(4, 'Parameter “guidance” is 101, expected', '--guidance', '101')
        self.fails(4, 'Parameter “guidance” is nan, expected', '--guidance', 'nan')
        self.fails(4, 'Parameter “guidance” is -0.5, expected', '--guidance', '-0.5')
        self.fails(4, 'Parameter “cfg-truncation” is 2, expected', '--cfg-truncation', '2')
        self.fails(4, 'Parameter “max-tokens” is 0, expected', '--max-tokens', '0')
        self.fails(4, 'Quality is 101, expected', '--quality', '101', '-o', 'a.jpg')

    def test_no_model(self):
        for name in ['nonsense', './nonsense', '/nonsense/folder', 'nonsense.safetensors']:
            result = self.zimage('run', name, 'a cat', code=3)
            self.assertIn('nonsense', result.err)
        self.assertEqual(self.files(), [])

    def test_no_device(self):
        self.fails(1, 'nonsense', '--device', 'nonsense')

    def test_formats(self):
        known = 'expected one of: png, jpg, jpeg, webp'
        self.fails(2, f'Format “gif” is unknown, {known}', '-o', 'a.gif')
        self.fails(2, f'Format “tiff” is unknown, {known}', '--format', 'tiff')
        self.fails(2, known, '-o', 'name')

    def test_folders(self):
        self.fails(1, 'Pictures cannot be saved in “missing/”: No such file or directory', '-o', 'missing/')
        self.fails(1, 'Pictures cannot be saved in “missing”: No such file or directory', '-o', 'missing/a.png')
        self.fails(1, 'Pictures cannot be saved in “/dev/null”: Not a directory', '-o', '/dev/null/a.png')
        self.fails(1, '/proc/a.png', '-o', '/proc/a.png')
        self.fails(1, '“/proc/a-cat-', '-o', '/proc')

    def test_read_only_folder(self):
        options = {}
        os.chmod(self.folder.name, 0o555)
        if os.geteuid() == 0:
            # Permissions mean nothing to root, so the program runs as somebody else, if that one can reach it.
            os.chmod(work.name, 0o755)
            options = {'user': 65534, 'group': 65534}
            if subprocess.run(['test', '-x', ZIMAGE], **options).returncode != 0:
                self.skipTest('the build folder is only for root')
        self.fails(1, 'Pictures cannot be saved in “.”: Permission denied', **options)
        self.fails(1, 'Permission denied', '-o', 'a.png', **options)

    def test_full_disk(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        self.fails(1, 'File too large', preexec_fn=limit)
        self.fails(1, 'File too large', '-o', 'a.png', preexec_fn=limit)
        self.fails(1, 'No space left on device', '-o', '/dev/full', '--format', 'png')

    def test_full_standard_output(self):
        with open('/dev/full', 'wb') as full:
            self.fails(1, 'Failed to write to standard output: No space left on device', '-o', '-', stdout=full)

    def test_standard_output_for_one(self):
        self.fails(2, 'Standard output takes one picture, and 2 were asked for', '-o', '-', '-n', '2')
        self.fails(2, '“--json” and “-o -” cannot both', '-o', '-', '--json')

    def test_no_questions_into_a_pipe(self):
        main, side = pty.openpty()
        result = self.run_model(model, code=2, stdin=side)
        os.close(main)
        os.close(side)
        self.assertIn('a prompt is expected', result.err)


class Output(Case):
    def test_extensions(self):
        for name, magic in [('a.png', b'\x89PNG'), ('a.jpg', b'\xff\xd8\xff'), ('a.JPEG', b'\xff\xd8\xff')]:
            self.run_model(model, 'a cat', '-o', name)
            self.assertTrue(self.read(name).startswith(magic))

    def test_format_wins(self):
        self.run_model(model, 'a cat', '-o', 'a.png', '--format', 'jpeg')
        self.run_model(model, 'a cat', '-o', 'noextension', '--format', 'jpg')
        self.run_model(model, 'a cat', '--format', 'jpeg')
        self.assertTrue(self.read('a.png').startswith(b'\xff\xd8\xff'))
        self.assertTrue(self.read('noextension').startswith(b'\xff\xd8\xff'))
        self.assertRegex(self.files()[0], r'^a-cat-.*\.jpg$')

    def test_folder(self):
        os.mkdir(self.path('out'))
        self.assertIn('saved to: out/a-cat-', self.run_model(model, 'a cat', '-o', 'out/').out)
        self.assertIn('saved to: out/a-cat-', self.run_model(model, 'a cat', '-o', 'out').out)
        self.assertEqual(len(os.listdir(self.path('out'))), 2)
        self.assertEqual(self.files(), ['out'])

    def test_standard_output(self):
        out = self.run_model(model, 'a cat', '--seed', '5', '-o', '-')
        self.assertEqual(out.err, '')
        self.assertEqual(self.files(), [])
        self.run_model(model, 'a cat', '--seed', '5', '-o', 'a.png')
        self.assertEqual(out.stdout, self.read('a.png'))
        self.assertTrue(self.run_model(model, 'a cat', '-o', '-', '--format', 'jpeg').stdout.startswith(b'\xff\xd8'))

    def test_replaces_named_file(self):
        with open(self.path('a.png'), 'w') as file:
            file.write('old')
        self.run_model(model, 'a cat', '-o', 'a.png')
        self.assertTrue(self.read('a.png').startswith(b'\x89PNG'))
        self.assertEqual(self.files(), ['a.png'])

    def test_unicode_names(self):
        prompt = 'Пейзаж 夕日 ' + 'ไทย ' * 20
        name = self.run_model(model, prompt, '--quiet').out.strip()
        self.assertRegex(name, r'^\./пейзаж-夕日-ไทย.*-\d{8}-\d{6}\.png$')
        self.assertLessEqual(len(name[2:].rsplit('-', 2)[0].encode()), 50)
        self.assertEqual(self.files(), [name[2:]])

    def test_names_without_letters(self):
        self.assertRegex(self.run_model(model, '../../!', '--quiet').out, r'^\./image-\d{8}-\d{6}\.png\n$')

    def test_many_at_once(self):
        """Programs that end in the same second take names of their own."""
        runs = [subprocess.Popen([ZIMAGE, 'run', model, 'a cat', '--size', SIZE, '--steps', '1', '-q'],
                                 cwd=self.folder.name, env=environment(), stdout=subprocess.PIPE,
                                 stdin=subprocess.DEVNULL)
                for _ in range(4)]
        names = [run.communicate(timeout=TIMEOUT)[0].decode().strip() for run in runs]
        self.assertEqual(len(set(names)), 4)
        self.assertEqual(sorted(name[2:] for name in names), self.files())


class Cancel(Case):
    def start(self, *args):
        run = subprocess.Popen([ZIMAGE, 'run', model, 'a cat', *LONG, *args], cwd=self.folder.name,
                               env=environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               stdout=subprocess.PIPE)
        time.sleep(1)
        self.assertIsNone(run.poll(), run.stderr.read() if run.poll() is not None else None)
        return run

    def end(self, run, number, code):
        run.send_signal(number)
        start = time.monotonic()
        out, err = run.communicate(timeout=TIMEOUT)
        self.assertLess(time.monotonic() - start, 5)
        self.assertEqual(run.returncode, code)
        self.assertEqual(err, b'zimage: Cancelled\n')
        self.assertEqual(out, b'')
        self.assertEqual(self.files(), [])

    def test_interrupt(self):
        self.end(self.start(), signal.SIGINT, 130)

    def test_terminate(self):
        self.end(self.start('-o', 'a.png'), signal.SIGTERM, 143)


class Memory(Case):
    """Budgets, on the CPU and on a Vulkan device where there is one."""
    NEEDS = r'needs at least [^(]*\(([\d,]+) bytes\) of memory on “'

    def least(self, *args):
        err = self.run_model(*args, '--memory-budget', '1K', code=1).err
        self.assertRegex(err, self.NEEDS)
        self.assertEqual(self.files(), [])
        return int(re.search(self.NEEDS, err)[1].replace(',', ''))

    def vulkan(self):
        if os.environ.get('ZIM_TEST_VULKAN') == 'none':
            self.skipTest('Vulkan is left out')
        devices = json.loads(self.zimage('devices', '--json').out)
        for device in devices:
            if device['id'].startswith('vulkan') and os.environ.get('ZIM_TEST_VULKAN', '') in device['name']:
                return device['id']
        self.skipTest('this machine has no Vulkan device')

    def test_cpu(self):
        least = self.least(model, 'a cat')
        run = self.run_model(model, 'a cat', '--memory-budget', str(least), '--json')
        self.assertEqual(json.loads(run.out)['memory_plan']['mode'], 'mapped')
        self.run_model(model, 'a cat', '--memory-budget', str(least - 1), code=1)

    def test_environment(self):
        env = environment(ZIM_MEMORY_BUDGET='1K')
        self.assertRegex(self.run_model(model, 'a cat', code=1, env=env).err, self.NEEDS)
        self.run_model(model, 'a cat', '--memory-budget', '1GiB', env=env)
        self.assertIn('ZIM_MEMORY_BUDGET: “much” is not an amount of memory',
                      self.run_model(model, 'a cat', code=2, env=environment(ZIM_MEMORY_BUDGET='much')).err)

    def test_vulkan(self):
        args = [model, 'a cat', '--device', self.vulkan(), '--seed', '7', '--steps', '1']
        least = self.least(*args)
        whole = self.run_model(*args, '-o', 'whole.png')
        self.assertRegex(whole.err, r'Memory: .* of .*, everything stays\n')
        streamed = self.run_model(*args, '--memory-budget', str(least), '-o', 'streamed.png')
        self.assertRegex(streamed.err, r'Memory: .* of .*, weights are streamed\n')
        self.assertEqual(png_pixels(self.read('whole.png')), png_pixels(self.read('streamed.png')))
        plan = json.loads(self.run_model(*args, '--memory-budget', str(least), '--json').out)['memory_plan']
        self.assertEqual(plan['mode'], 'streamed')
        self.assertEqual(plan['minimum_bytes'], least)
        self.assertGreater(plan['streamed_bytes'], 0)
        self.assertLessEqual(plan['planned_bytes'], plan['budget_bytes'])


class Bench(Case):
    def check(self, result):
        for key in ['device', 'threads', 'precision', 'peak_gflops', 'stages', 'peak_memory_bytes', 'load_seconds']:
            self.assertIn(key, result)
        self.assertEqual(set(result['stages']), {'text', 'step', 'decode'})
        for stage in result['stages'].values():
            self.assertGreater(stage['seconds'], 0)
            self.assertGreater(stage['cpu_seconds'], 0)
            self.assertGreater(stage['gflops'], 0)
            self.assertGreater(stage['peak_percent'], 0)

    def test_json(self):
        result = json.loads(self.zimage('bench', model, '--size', '64x64', '--precision', 'f32', '--json').out)
        self.check(result)
        self.assertEqual(result['precision'], 'f32')

    def test_table(self):
        out = self.zimage('bench', model, '--size', '64x64').out
        for words in [r'^threads +\d', r'^precision +\S', r'^peak +\d+ GFLOP/s', r'^memory +[\d.]+\s[KMGT]iB',
                      r'^STAGE +SECONDS +CPU SECONDS +GFLOP/S +% OF PEAK', r'^one step +[\d.]+ +[\d.]+ +\d+ +[\d.]+']:
            self.assertRegex(out, re.compile(words, re.MULTILINE))

    def test_environment_warning(self):
        err = self.zimage('bench', model, '--size', '64x64', env=environment(OPENBLAS_CORETYPE='Haswell')).err
        self.assertIn('OPENBLAS_CORETYPE is set to “Haswell”', err)

    def test_errors(self):
        self.assertIn('nonsense', self.zimage('bench', '--synthetic', 'nonsense', code=3).err)
        self.zimage('bench', './nonsense', code=3)
        self.assertIn('“size” is “1”', self.zimage('bench', model, '--size', '1', code=2).err)
        self.assertIn('“precision” is “f8”', self.zimage('bench', model, '--precision', 'f8', code=2).err)
        self.assertIn('nothing to tune', self.zimage('bench', model, '--tune', '--device', 'cpu', code=1).err)


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, args, cwd, **env):
        self.seen = b''
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execve(ZIMAGE, [ZIMAGE, *args], environment(**env))

    def read_some(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def expect(self, pattern, seconds=30):
        """Waits for a text and returns everything up to its end."""
        end = time.monotonic() + seconds
        while True:
            match = re.search(pattern.encode(), self.seen)
            if match:
                before, self.seen = self.seen[:match.end()], self.seen[match.end():]
                return before.decode(errors='replace')
            if time.monotonic() > end or not self.read_some(end - time.monotonic()):
                raise AssertionError(f'“{pattern}” did not come: {self.seen[-2000:]!r}')

    def type(self, text):
        os.write(self.fd, text.encode())

    def finish(self):
        while self.read_some(30):
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return self.seen.decode(errors='replace'), os.waitstatus_to_exitcode(status)


class OnTerminal(Case):
    def run_terminal(self, *args, **env):
        return Terminal(['run', model, '--size', SIZE, '--steps', '2', *args], self.folder.name,
                        ZIMAGE_INLINE=env.pop('ZIMAGE_INLINE', 'none'), **env)

    def test_progress(self):
        out, code = self.run_terminal('a cat').finish()
        self.assertEqual(code, 0)
        self.assertIn('\x1b[K', out)
        self.assertRegex(out, r'\r\x1b\[KGenerating: step 2/2\r\nImage saved to: \./a-cat-')

    def test_no_progress_when_quiet_or_dumb(self):
        for args, env in [(['-q'], {}), ([], {'TERM': 'dumb'})]:
            out, code = self.run_terminal('a cat', *args, **env).finish()
            self.assertEqual(code, 0)
            self.assertNotIn('\x1b', out)
            self.assertNotIn('Generating', out)

    def test_no_picture_bytes_on_terminal(self):
        out, code = self.run_terminal('a cat', '-o', '-').finish()
        self.assertEqual(code, 2)
        self.assertIn('Standard output is a terminal', out)

    def test_kitty(self):
        out, code = self.run_terminal('a cat', '--seed', '5', '-o', 'a.png', ZIMAGE_INLINE='kitty').finish()
        parts = re.findall(r'\x1b_G([^;]*);([^\x1b]*)\x1b\\', out)
        self.assertEqual(code, 0)
        self.assertTrue(parts[0][0].startswith('a=T,f=100'))
        self.assertTrue(parts[-1][0].endswith('m=0'))
        self.assertTrue(all(part[0].endswith('m=1') for part in parts[:-1]))
        self.assertTrue(all(len(part[1]) <= 4096 for part in parts))
        self.assertEqual(png_size(base64.b64decode(''.join(part[1] for part in parts))), (32, 32))

    def test_kitty_scales(self):
        out, code = self.run_terminal('a cat', '--size', '768x512', '--steps', '1', ZIMAGE_INLINE='kitty').finish()
        parts = re.findall(r'\x1b_G[^;]*;([^\x1b]*)\x1b\\', out)
        width, height = png_size(base64.b64decode(''.join(parts)))
        # 80 columns of 8 pixels and 24 rows of 16, less three.
        self.assertLessEqual(width, 640)
        self.assertLessEqual(height, 336)
        self.assertAlmostEqual(width / height, 1.5, places=2)

    def test_iterm(self):
        out, _ = self.run_terminal('a cat', ZIMAGE_INLINE='', TERM_PROGRAM='iTerm.app').finish()
        match = re.search(r'\x1b\]1337;File=inline=1;[^:]*:([^\a]*)\a', out)
        self.assertEqual(png_size(base64.b64decode(match[1])), (32, 32))

    def test_sixel(self):
        out, _ = self.run_terminal('a cat', ZIMAGE_INLINE='sixel').finish()
        if '\x1bP' not in out:
            self.skipTest('built without libsixel')
        self.assertRegex(out, r'\x1bP[\d;]*q"1;1;32;32[^\x1b]*\x1b\\')

    def test_tmux_wraps(self):
        out, _ = self.run_terminal('a cat', ZIMAGE_INLINE='kitty', TMUX='x').finish()
        self.assertIn('\x1bPtmux;\x1b\x1b_Ga=T', out)
        # Unless it is told to, nothing is sent through tmux.
        out, _ = self.run_terminal('a cat', ZIMAGE_INLINE='', TMUX='x', KITTY_WINDOW_ID='1').finish()
        self.assertNotIn('_G', out)

    def test_unknown_terminal_gets_no_picture(self):
        out, code = self.run_terminal('a cat', ZIMAGE_INLINE='').finish()
        self.assertEqual(code, 0)
        self.assertNotRegex(out, r'\x1b[_\]P]')

    def test_nothing_inline_when_quiet_or_json(self):
        for flag in ['--quiet', '--json']:
            out, _ = self.run_terminal('a cat', flag, ZIMAGE_INLINE='kitty').finish()
            self.assertNotIn('\x1b_G', out)

    def test_interrupt(self):
        terminal = self.run_terminal('a cat', *LONG)
        terminal.expect(r'Generating: step \d')
        terminal.type('\x03')
        out, code = terminal.finish()
        self.assertEqual(code, 130)
        self.assertIn('Cancelled', out)
        self.assertEqual(self.files(), [])


class Interactive(Case):
    def setUp(self):
        super().setUp()
        self.state = self.path('state')
        os.mkdir(self.state)
        self.pictures = self.path('pictures')
        os.mkdir(self.pictures)

    def start(self, *args, **env):
        terminal = Terminal(['run', model, '--size', SIZE, '--steps', '2', *args], self.pictures,
                            XDG_STATE_HOME=self.state, ZIMAGE_INLINE='none', **env)
        terminal.expect('>>> ')
        return terminal

    def ask(self, terminal, text):
        terminal.type(text + '\r')
        return terminal.expect('\n(.|\n)*>>> ')

    def history(self):
        with open(os.path.join(self.state, 'zimage', 'history'), encoding='utf-8') as file:
            return file.read().splitlines()

    def test_session(self):
        terminal = self.start('--seed', '5')
        self.assertRegex(self.ask(terminal, 'a cat 夕日'),
                         r'Image saved to: \./a-cat-夕日-\S+\.png \(seed 5, 2 steps, 32x32, ')
        self.assertIn('Set steps to: 3', self.ask(terminal, '/set steps 3'))
        self.assertIn('Set size to: 48x32', self.ask(terminal, '/set size 48x32'))
        self.assertIn('Set seed to: random', self.ask(terminal, '/set seed'))
        self.assertIn('Set n to: 2', self.ask(terminal, '/set n 2'))
        out = self.ask(terminal, 'a dog')
        self.assertEqual(len(re.findall(r'Image saved to: \./a-dog-\S+\.png \(seed \d+, 3 steps, 48x32, ', out)), 2)
        terminal.type('/bye\r')
        self.assertEqual(terminal.finish()[1], 0)
        self.assertEqual(len(os.listdir(self.pictures)), 3)

    def test_settings(self):
        terminal = self.start()
        for setting, shown in [('negative fog, rain', 'Set negative to: fog, rain'), ('neg', 'Set negative to: none'),
                               ('w 64', 'Set width to: 64'), ('cfg 4.1', 'Set cfg to: 4.1'),
                               ('guidance', 'Set guidance to: the model’s own'), ('rng cuda', 'Set rng to: cuda'),
                               ('max-tokens   77  ', 'Set max-tokens to: 77')]:
            self.assertIn(shown, self.ask(terminal, f'/set {setting}'))
        out = self.ask(terminal, '/show')
        for line in ['Model', 'tiny', 'Device', 'Precision', 'width +64', 'rng +cuda', 'max-tokens +77',
                     'seed +random']:
            self.assertRegex(out, line)
        terminal.type('\x04')
        self.assertEqual(terminal.finish()[1], 0)

    def test_refusals(self):
        terminal = self.start()
        for line, shown in [('/set', 'Usage: /set NAME [VALUE]'), ('/set foo 1', 'Unknown setting “foo”'),
                            ('/set prompt x', 'Unknown setting “prompt”'),
                            ('/set steps 5x', 'Value of “steps” is “5x”, expected a whole number'),
                            ('/set steps -1', 'Parameter “steps” is -1, expected'),
                            ('/set size 40x40', 'Parameter “width” is 40, expected a multiple of 16'),
                            ('/foo', 'Unknown command “/foo”'), ('/byeXYZ', 'Unknown command “/byeXYZ”'),
                            ('/etc/passwd', 'Unknown command “/etc/passwd”')]:
            self.assertIn(shown, self.ask(terminal, line))
        self.assertRegex(self.ask(terminal, '/show'), r'steps +2')
        self.assertIn('/bye', self.ask(terminal, '/help'))
        self.assertIn('/bye', self.ask(terminal, '/?'))
        self.ask(terminal, '   ')
        terminal.type('/bye\r')
        self.assertEqual(terminal.finish()[1], 0)
        self.assertEqual(os.listdir(self.pictures), [])

    def test_interrupt(self):
        terminal = self.start()
        terminal.type('half a prompt')
        terminal.expect('half a prompt')
        terminal.type('\x03')
        terminal.expect('>>> ')
        terminal.type('\x03')
        terminal.expect('Ctrl\\+D leaves')
        terminal.expect('>>> ')
        self.ask(terminal, '/set size 256x256')
        self.ask(terminal, '/set steps 1000')
        terminal.type('a cat\r')
        terminal.expect(r'Generating: step \d')
        terminal.type('\x03')
        self.assertIn('Cancelled', terminal.expect('>>> '))
        self.assertEqual(os.listdir(self.pictures), [])

        # The session goes on, with the model that it has.
        self.ask(terminal, '/set size 32x32')
        self.ask(terminal, '/set steps 1')
        self.assertIn('Image saved to', self.ask(terminal, 'a dog'))
        terminal.type('/bye\r')
        self.assertEqual(terminal.finish()[1], 0)

    def test_completion(self):
        terminal = self.start()
        terminal.type('/se\tcfg-t\t')
        terminal.expect('/set cfg-truncation ')
        terminal.type('0.5\r')
        terminal.expect('Set cfg-truncation to: 0.5')
        terminal.expect('>>> ')
        terminal.type('/set rng cu\t\r')
        terminal.expect('Set rng to: cuda')
        terminal.expect('>>> ')
        terminal.type('/bye\r')
        self.assertEqual(terminal.finish()[1], 0)

    def test_history(self):
        terminal = self.start()
        for line in ['/set steps 1', '/set steps 1', '/show']:
            self.ask(terminal, line)
        terminal.type('\x1b[A\x1b[A\r')
        terminal.expect('Set steps to: 1')
        terminal.expect('>>> ')
        terminal.type('/bye\r')
        terminal.finish()
        self.assertEqual(self.history(), ['/set steps 1', '/show', '/set steps 1', '/bye'])
        path = os.path.join(self.state, 'zimage', 'history')
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)

        terminal = self.start()
        terminal.type('\x1b[A')
        terminal.expect('/bye')
        terminal.type('\r')
        terminal.finish()

    def test_no_history(self):
        terminal = self.start(ZIMAGE_NOHISTORY='1')
        self.ask(terminal, '/show')
        terminal.type('/bye\r')
        terminal.finish()
        self.assertEqual(os.listdir(self.state), [])

    def test_errors_do_not_end_it(self):
        terminal = self.start('-o', '/dev/full', '--format', 'png')
        self.assertIn('No space left on device', self.ask(terminal, 'a cat'))
        terminal.type('/bye\r')
        self.assertEqual(terminal.finish()[1], 0)


if __name__ == '__main__':
    unittest.main()
