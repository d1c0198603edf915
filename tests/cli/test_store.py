#!/usr/bin/env python3
# test_store.py: models in the store, as a user meets them, and what is left after the worst
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# ZIMAGE is the program, MAKE_TINY_MODEL makes a model of random weights in a folder. ZIM_KILLS is how often a command
# is killed in the middle.

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
import unittest

import test_cli
from test_cli import TIMEOUT, ZIMAGE, Case, environment, png_pixels

KILLS = int(os.environ.get('ZIM_KILLS', '10'))


def setUpModule():
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
        self.assertRegex(self.create('z-image').out, r'^Created z-image:latest \([\d.]+\sMiB\)\n$')
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


class Worst(StoreCase):
    def start(self, *args, **options):
        return subprocess.Popen([ZIMAGE, *args], cwd=self.folder.name, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)

    def test_kills(self):
        """Whenever create is killed, the store is sound, has the model or has it not, and the next try goes on."""
        seed = random.randrange(1 << 30)
        draw = random.Random(seed)
        begin = time.monotonic()
        self.create('a')
        duration = time.monotonic() - begin
        shutil.rmtree(self.store)
        for kill in range(KILLS):
            with self.subTest(seed=seed, kill=kill):
                if draw.random() < 0.3:
                    self.zimage('store', 'prune')
                before = set(self.blobs())
                process = self.start('create', 'a', '-f', test_cli.model)
                time.sleep(draw.random() * duration)
                process.kill()
                process.communicate(timeout=TIMEOUT)
                self.assertIn('All is well', self.zimage('store', 'check').out)
                self.assertLessEqual(before, set(self.blobs()))
                if self.names() == ['a:latest']:
                    self.picture('a')
                    self.zimage('rm', 'a')
        self.create('a')
        self.assertEqual(self.picture('a'), self.picture(test_cli.model))
        self.zimage('store', 'prune')
        self.assertEqual(os.listdir(os.path.join(self.store, 'partial')), [])
        self.zimage('store', 'check')

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
        subprocess.run([test_cli.MAKE_TINY_MODEL, large, '--size', 'large', '--dtype', 'f32'], check=True,
                       timeout=TIMEOUT)
        size = sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(large) for name in names)
        script = ('import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);'
                  'print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)')
        peaks = [int(subprocess.run(['python3', '-c', script, ZIMAGE, *args], env=self.env, check=True, timeout=TIMEOUT,
                                    capture_output=True, text=True).stdout.splitlines()[-1]) * 1024
                 for args in [['show', large], ['create', 'a', '-f', large]]]
        self.assertGreater(size, 100 << 20)
        self.assertLess(peaks[1] - peaks[0], 24 << 20, peaks)


if __name__ == '__main__':
    unittest.main()
