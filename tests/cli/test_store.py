#!/usr/bin/env python3
# test_store.py: models in the store, as a user meets them, and what is left after the worst
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# ZIMAGE is the program, MAKE_TINY_MODEL makes a model of random weights in a folder. ZIM_KILLS is how often commands
# are killed in the middle.

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import gguf_file
import pull_server
import test_cli
from test_cli import TIMEOUT, ZIMAGE, Case, environment, png_pixels

KILLS = int(os.environ.get('ZIM_KILLS', '10'))


def setUpModule():
    # Most of the time would be spent waiting until files are on a disk, of which none of this tells anything.
    if os.access('/dev/shm', os.W_OK) and shutil.disk_usage('/dev/shm').free > 1 << 30:
        tempfile.tempdir = '/dev/shm'
    test_cli.setUpModule()


def tearDownModule():
    test_cli.tearDownModule()


class StoreCase(Case):
    def setUp(self):
        super().setUp()
        self.store = self.path('store')
        self.env = environment(ZIMAGE_MODELS=self.store)

    def zimage(self, *args, **options):
        options.setdefault('env', self.env)
        return super().zimage(*args, **options)

    def create(self, name, *args, **options):
        return self.zimage('create', name, '-f', test_cli.model, *args, **options)

    def names(self):
        return [model['name'] for model in json.loads(self.zimage('list', '--json').out)]

    def blobs(self):
        folder = os.path.join(self.store, 'blobs')
        return sorted(os.listdir(folder)) if os.path.exists(folder) else []

    def picture(self, name):
        return png_pixels(self.run_model(name, 'a cat', '--seed', '5', '-o', '-').stdout)


class Models(StoreCase):
    def test_create_and_run(self):
        self.assertRegex(self.create('z-image').out, r'^Created z-image:latest \([\d.]+\sMiB\) at [\d.]+\s.iB/s\n$')
        self.assertEqual(self.picture('z-image'), self.picture(test_cli.model))
        self.assertEqual(self.create('x/y:z', '--quiet').out, '')
        self.assertEqual(self.names(), ['z-image:latest', 'x/y:z'])
        self.assertIn('All is well', self.zimage('store', 'check').out)

    def test_create_in_the_folder(self):
        shutil.copytree(test_cli.model, self.folder.name, dirs_exist_ok=True)
        self.zimage('create', 'here')
        self.assertEqual(self.names(), ['here:latest'])

    def test_create_of_parts(self):
        folder = test_cli.model
        self.zimage('create', 'parts', '-f', f'{folder}/transformer', '--text-encoder', f'{folder}/text_encoder',
                    '--vae', f'{folder}/vae', '--tokenizer', f'{folder}/tokenizer', '--variant', 'turbo')
        self.create('whole')
        self.assertEqual(self.picture('parts'), self.picture('whole'))

    def test_create_quantized(self):
        self.create('whole')
        self.create('small', '--quantize', 'fp8', '--keep', r'layers\.0\.=int8', '--keep', 'adaLN=bf16')
        shown = self.zimage('show', 'small', '-v').out
        self.assertRegex(shown, r'quantization +F8_E4M3')
        self.assertRegex(shown, r'layers\.0\.attention\.to_q\.weight +INT8')
        self.assertRegex(shown, r'layers\.1\.adaLN_modulation\.0\.weight +BF16')
        self.assertNotEqual(self.picture('small'), self.picture('whole'))
        self.zimage('create', 'again', '-f', test_cli.model, '-q', 'q8_0')
        self.assertIn('expected one of fp8, q8_0', self.zimage('create', 'bad', '-q', 'q9', '-f', test_cli.model,
                                                               code=1).err)
        self.assertEqual(self.names(), ['again:latest', 'small:latest', 'whole:latest'])

    def test_create_of_several(self):
        """What a file or folder is, it tells itself."""
        folder = test_cli.model
        parts = ['vae', 'transformer', 'tokenizer', 'text_encoder']
        self.create('whole')
        flags = [flag for part in parts for flag in ['-f', f'{folder}/{part}']]
        self.zimage('create', 'parts', *flags, '--variant', 'turbo')
        self.zimage('create', 'options', '--variant', 'turbo', '--transformer', f'{folder}/transformer',
                    '--text-encoder', f'{folder}/text_encoder', '--vae', f'{folder}/vae',
                    '--tokenizer', f'{folder}/tokenizer')
        self.zimage('create', 'mixed', '-f', folder, '-f', f'{folder}/transformer')
        picture = self.picture('whole')
        for name in ['parts', 'options', 'mixed']:
            self.assertEqual(self.picture(name), picture, name)

    def test_gguf(self):
        """Quantized files, as ComfyUI and llama.cpp have them: run as they are, and created from."""
        source = self.path('single')
        subprocess.run([os.environ['MAKE_TINY_MODEL'], '--size', 'single', source], check=True, timeout=TIMEOUT)
        self.zimage('create', 'quantized', '-f', source, '-q', 'q8_0', '--keep', r'layers.*_proj=q4_k', '--keep',
                    'feed_forward=q4_0')
        parts = [self.path('z_image_turbo-Q8_0.gguf'), '--text-encoder', self.path('Qwen3-4B-Q4_K_M.gguf'), '--vae',
                 f'{source}/vae/diffusion_pytorch_model.safetensors']
        gguf_file.write_transformer(parts[0], self.store, 'quantized')
        gguf_file.write_text_encoder(parts[2], self.store, 'quantized', f'{source}/tokenizer/tokenizer.json')
        # Not a byte of the weights is another, so no pixel is.
        args = ['a cat', '--size', '64x64', '--steps', '2', '--seed', '5', '-o', '-']
        expected = png_pixels(self.zimage('run', 'quantized', *args).stdout)
        self.assertEqual(png_pixels(self.zimage('run', *parts, *args).stdout), expected)
        self.zimage('create', 'again', '-f', *parts)
        shown = self.zimage('show', 'again', '-v').out
        for line in [r'layers\.0\.attention\.to_q\.weight +Q8_0', r'layers\.0\.feed_forward\.w1\.weight +Q4_0',
                     r'text_encoder/\S*layers\.0\.self_attn\.q_proj\.weight +Q4_K']:
            self.assertRegex(shown, line)
        self.assertEqual(png_pixels(self.zimage('run', 'again', *args).stdout), expected)

    def test_create_of_nonsense(self):
        folder = test_cli.model
        self.assertIn('are the same part of a model', self.zimage('create', 'a', '-f', f'{folder}/vae', '-f',
                                                                  f'{folder}/vae', code=1).err)
        self.assertIn('There is no transformer in', self.zimage('create', 'a', '-f', f'{folder}/vae', '-f',
                                                                f'{folder}/tokenizer', code=3).err)
        self.assertIn('There is nothing at', self.zimage('create', 'a', '-f', folder, '-f', 'nothing', code=3).err)
        self.assertIn('has neither a “model_index.json” nor files of weights', self.zimage('create', 'a', code=1).err)
        self.assertEqual(self.names(), [])

    def test_list(self):
        self.assertEqual(self.zimage('list').out.split(), ['NAME', 'ID', 'SIZE', 'MODIFIED'])
        self.create('a')
        line = self.zimage('list').out.splitlines()[1]
        self.assertRegex(line, r'^a:latest  [0-9a-f]{12}  +[\d.]+\sMiB  \d{4}-\d\d-\d\d \d\d:\d\d$')
        model, = json.loads(self.zimage('list', '--json').out)
        self.assertEqual(list(model), ['name', 'digest', 'size', 'modified_at'])
        self.assertRegex(model['digest'], '^[0-9a-f]{64}$')

    def test_show(self):
        self.create('a')
        for name in ['a', test_cli.model]:
            out = self.zimage('show', name).out
            for line in [r'architecture +ZImagePipeline', r'variant +turbo', r'parameters +[\d.]+M',
                         r'quantization +BF16', r'steps +8', r'capabilities +image']:
                self.assertRegex(out, line)
            verbose = self.zimage('show', '-v', name).out
            self.assertRegex(verbose, r'text_encoder/model\.layers\.0\.mlp\.up_proj\.weight +BF16 +\[256, 128\]')
        shown = json.loads(self.zimage('show', 'a', '--json', '-v').out)
        self.assertEqual(shown['architecture'], 'ZImagePipeline')
        self.assertEqual(sum(tensor['size'] for tensor in shown['tensors']), shown['size'])

    def test_cp_and_rm(self):
        self.create('a')
        n = len(self.blobs())
        self.zimage('cp', 'a', 'x/b')
        self.assertEqual(self.zimage('rm', 'a').out, 'Removed a\n')
        self.assertEqual((self.names(), len(self.blobs())), (['x/b:latest'], n))
        result = self.zimage('rm', 'a', 'x/b', code=3)
        self.assertEqual(result.out, 'Removed x/b\n')
        self.assertIn('There is no model “a:latest”', result.err)
        self.assertEqual((self.names(), self.blobs()), ([], []))

    def test_missing(self):
        self.assertIn('This gets it: zimage pull z-image-turbo', self.run_model('z-image-turbo', 'x', code=3).err)
        self.assertIn('zimage create nothing -f FOLDER', self.run_model('nothing', 'x', code=3).err)
        self.assertIn('zimage pull hf.co/a/b', self.zimage('show', 'hf.co/a/b', code=3).err)
        self.assertIn('There is no model', self.zimage('cp', 'a', 'b', code=3).err)

    def test_wrong_usage(self):
        self.assertIn('is no name of a model', self.create('../../x', code=4).err)
        self.assertIn('one name is expected', self.zimage('create', code=2).err)
        self.assertIn('two names are expected', self.zimage('cp', 'a', code=2).err)
        self.assertIn('a name is expected', self.zimage('rm', code=2).err)
        self.assertIn('“check” or “prune” is expected', self.zimage('store', code=2).err)
        self.assertIn('one model is expected', self.zimage('show', code=2).err)
        self.assertEqual(os.path.exists(self.store) and os.listdir(self.store), False)

    def test_check_and_repair(self):
        self.create('a')
        blob = os.path.join(self.store, 'blobs', self.blobs()[7])
        with open(blob, 'r+b') as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last[0] ^ 1]))
        self.assertIn('is damaged', self.zimage('store', 'check', code=1).out)
        self.assertIn('is damaged', self.zimage('store', 'check', '--repair', code=1).out)
        self.assertIn('is missing', self.zimage('store', 'check', code=1).out)
        self.create('a')
        self.zimage('store', 'check')


class OnTerminal(StoreCase):
    """“run” of a model that is not there, which a server has."""

    def run_absent(self, answer, name='z-image-turbo', store=None):
        with pull_server.Server(self.store, test_cli.model) as server:
            terminal = test_cli.Terminal(['run', name, 'a cat', '--size', test_cli.SIZE, '--steps', '2'],
                                         self.folder.name, HF_ENDPOINT=server.url, ZIMAGE_MODELS=self.store,
                                         ZIMAGE_INLINE='none')
            question = terminal.expect(r'\[y/N\] ')
            terminal.type(answer)
            return question, *terminal.finish(), server.asked

    def test_yes(self):
        for name in ['z-image', 'z-image-base', 'hf.co/a/b']:
            question, out, code, asked = self.run_absent('y\n', name)
            self.assertRegex(question, rf'no model “{name}” on this machine. It has [\d.]+\sMiB to fetch, and '
                                       r'[\d.]+\s.iB are free in .*/store\.\r\nFetch it now')
            self.assertEqual(code, 0, out)
            self.assertIn('Image saved to', out)
            repository = {'z-image': 'Tongyi-MAI/Z-Image-Turbo', 'z-image-base': 'Tongyi-MAI/Z-Image'}.get(name, 'a/b')
            self.assertTrue(any(path.startswith(f'/{repository}/resolve/') for path, _ in asked))
        self.assertEqual(len(self.names()), 3)

    def test_no(self):
        for answer, expected in [('\n', 3), ('n\n', 3), ('\x04', 3), ('\x03', 130)]:
            _, out, code, _ = self.run_absent(answer)
            self.assertEqual(code, expected, out)
            if expected == 3:
                self.assertIn('This gets it: zimage pull z-image-turbo', out)
        self.assertEqual(self.names(), [])


class Worst(StoreCase):
    def start(self, *args, **options):
        return subprocess.Popen([ZIMAGE, *args], cwd=self.folder.name, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)

    def kill(self, draw, duration, *args):
        """Kills a command at some moment and says which blobs there were before; none of them is gone."""
        if draw.random() < 0.2:
            self.zimage('store', 'prune')
        before = set(self.blobs())
        process = self.start(*args)
        time.sleep(draw.random() * duration)
        process.kill()
        process.communicate(timeout=TIMEOUT)
        self.assertIn('All is well', self.zimage('store', 'check').out)
        self.assertLessEqual(before, set(self.blobs()))
        return before

    def kill_often(self, name, *args, check=lambda before: None):
        """Whenever it is killed, the store is sound, has the model or has it not, and the next try goes on."""
        seed = random.randrange(1 << 30)
        draw = random.Random(seed)
        begin = time.monotonic()
        self.zimage(*args)
        duration = time.monotonic() - begin
        shutil.rmtree(self.store)
        for kill in range(KILLS * 2 // 5):
            with self.subTest(seed=seed, kill=kill):
                check(self.kill(draw, duration, *args))
                if self.names() == [name]:
                    self.picture(name)
                    self.zimage('rm', name)
        self.zimage(*args)
        self.assertEqual(self.picture(name), self.picture(test_cli.model))
        self.zimage('store', 'prune')
        self.assertEqual(os.listdir(os.path.join(self.store, 'partial')), [])
        self.zimage('store', 'check')

    def test_kills(self):
        self.kill_often('a:latest', 'create', 'a', '-f', test_cli.model)

    def test_kills_of_a_pull(self):
        origin = self.path('origin')
        self.zimage('create', 'm', '-f', test_cli.model, env=environment(ZIMAGE_MODELS=origin))
        with pull_server.Server(origin, test_cli.model) as server:
            def check(before):
                asked = {path.rpartition(':')[2] for path, _ in server.asked}
                self.assertEqual({blob for blob in before if blob.partition('-')[2] in asked}, set())
                server.asked.clear()
            server.asked.clear()
            self.kill_often('m:latest', 'pull', 'm', '--registry', server.url, check=check)

    def test_kills_of_a_pull_from_the_hub(self):
        with pull_server.Server(self.store, test_cli.model) as server:
            self.env['HF_ENDPOINT'] = server.url
            self.kill_often('hf.co/a/b:latest', 'pull', 'hf.co/a/b')

    def test_second_pull_goes_on(self):
        """Of many tries that are killed, each fetches what those before it have not finished."""
        tries = 4
        with pull_server.Server(self.store, test_cli.model) as server:
            self.env['HF_ENDPOINT'] = server.url
            self.zimage('pull', 'hf.co/a/b')
            n_whole = len(server.asked)
            shutil.rmtree(self.store)
            server.asked.clear()
            server.pause = 0.01
            for _ in range(tries):
                process = self.start('pull', 'hf.co/a/b')
                time.sleep(0.3)
                process.kill()
                process.communicate(timeout=TIMEOUT)
            server.pause = 0
            self.zimage('pull', 'hf.co/a/b')
            # Each asks for the listing and three headers, in two pieces, and had four tensors under way.
            self.assertLessEqual(len(server.asked), n_whole + tries * (7 + 4))
        self.assertEqual(self.picture('hf.co/a/b'), self.picture(test_cli.model))

    def test_several_processes(self):
        """Some create, one prunes and removes all the time."""
        creators = [self.start('create', name, '-f', test_cli.model) for name in ['a', 'b', 'b']]
        while any(process.poll() is None for process in creators):
            pruner = self.start('store', 'prune')
            error = pruner.communicate(timeout=TIMEOUT)[1].decode()
            self.assertTrue(pruner.returncode == 0 or 'is being written to' in error, error)
            self.start('rm', 'nothing').communicate(timeout=TIMEOUT)
        for process in creators:
            error = process.communicate(timeout=TIMEOUT)[1]
            self.assertEqual(process.returncode, 0, error)
        self.assertEqual(self.names(), ['a:latest', 'b:latest'])
        self.zimage('store', 'check')

    def test_full_disk(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
        result = self.create('a', code=1, preexec_fn=limit)
        self.assertRegex(result.err, '^zimage: Could not write “.*”: File too large\n$')
        self.assertEqual(self.names(), [])
        self.zimage('store', 'check')
        self.create('a')
        self.zimage('store', 'check')

    def test_read_only(self):
        self.create('a')
        for path, _, _ in os.walk(self.store):
            os.chmod(path, 0o555)
        try:
            self.picture('a')
            self.assertEqual(self.names(), ['a:latest'])
        finally:
            for path, _, _ in os.walk(self.store):
                os.chmod(path, 0o755)

    def test_interrupt(self):
        process = self.start('create', 'a', '-f', test_cli.model)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT)
        self.assertIn(process.returncode, [0, 130, -signal.SIGINT])
        self.zimage('store', 'check')

    def test_not_the_whole_in_memory(self):
        """Creating a model takes a few buffers, however large it is."""
        large = os.path.join(self.folder.name, 'large')
        subprocess.run([test_cli.MAKE_TINY_MODEL, large, '--dtype', 'f32'], check=True, timeout=TIMEOUT)
        size = sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(large) for name in names)
        script = ('import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);'
                  'print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)')
        # AddressSanitizer keeps what was freed for a while, unless told not to.
        env = {**self.env, 'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':quarantine_size_mb=0'}
        peaks = [int(subprocess.run(['python3', '-c', script, ZIMAGE, *args], env=env, check=True, timeout=TIMEOUT,
                                    capture_output=True, text=True).stdout.splitlines()[-1]) * 1024
                 for args in [['show', large], ['create', 'a', '-f', large]]]
        self.assertGreater(size, 48 << 20)
        self.assertLess(peaks[1] - peaks[0], 16 << 20, peaks)


if __name__ == '__main__':
    unittest.main()
