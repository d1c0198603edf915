#!/usr/bin/env python3
# test_run.py: “zimage run --service”, and what the book says of the generator
#
# SPDX-License-Identifier: LGPL-2.1-or-later

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import session
from session import JOB, NAME, SOURCE, TIMEOUT, BusCase

SMALL = ['--size', '64x64', '--steps', '2', '--seed', '7']
LONG = ['--size', '128x128', '--steps', '1000']


def tearDownModule():
    session.clean_up()


class Folder(BusCase):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp(prefix='zimage-service-')
        self.addCleanup(shutil.rmtree, self.folder)

    def read(self, name):
        with open(os.path.join(self.folder, name), 'rb') as file:
            return file.read()

    def start(self, *arguments, env=None, **options):
        return subprocess.Popen([session.ZIMAGE, 'run', *arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
                                env=env or self.bus.environment, **options)

    def zimage(self, *arguments, code=0, env=None):
        result = subprocess.run([session.ZIMAGE, 'run', *arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
                                env=env or self.bus.environment, capture_output=True, timeout=TIMEOUT, check=False)
        self.assertEqual(result.returncode, code, result.stderr.decode())
        return result.stdout, result.stderr.decode()

    def wait_for_job(self):
        """The path of the only job that is making steps."""
        def find():
            return [path for path, interfaces in self.client.objects().items() if interfaces[JOB]['Step'] > 0]
        return self.client.wait_for(find)[0]


class Run(Folder):
    def test_same(self):
        """Names, files and words are those of a run without the generator."""
        with_service = self.zimage('--service', 'tiny', *SMALL, 'A cat, asleep')
        without = self.zimage(session.model, *SMALL, 'A cat, asleep')
        names = sorted(os.listdir(self.folder))
        self.assertEqual(len(names), 2)
        for name in names:
            self.assertRegex(name, r'^a-cat-asleep-\d{8}-\d{6}(-2)?\.png$')
        self.assertEqual(self.read(names[0]), self.read(names[1]))

        def words(output):
            return re.sub(r'[\d.]+ m?s\)', 'T)', re.sub(r'asleep-.*\.png', 'F', output[0].decode()))
        self.assertEqual(words(with_service), words(without))
        self.assertEqual(with_service[1], '')

    def test_several(self):
        self.zimage('--service', 'tiny', *SMALL, '--n', '2', '-o', 'cat.jpg', 'a cat')
        self.assertEqual(sorted(os.listdir(self.folder)), ['cat-1.jpg', 'cat-2.jpg'])
        self.assertTrue(self.read('cat-2.jpg').startswith(b'\xff\xd8\xff'))

    def test_standard_output(self):
        output, _ = self.zimage('--service', 'tiny', *SMALL, '-o', '-', 'a cat')
        job = self.client.generate(prompt='a cat', size='64x64', steps=2, seed=7)
        self.assertEqual(output, self.client.pictures(job)[0])

    def test_json(self):
        output, _ = self.zimage('--service', 'tiny', *SMALL, '--json', '--negative', 'fog', '--guidance', '2', 'a cat')
        answer = json.loads(output)
        self.assertEqual((answer['model'], answer['service']), ('tiny:latest', NAME))
        image, = answer['images']
        self.assertEqual((image['prompt'], image['negative_prompt'], image['seed'], image['guidance_scale']),
                         ('a cat', 'fog', 7, 2.0))
        self.assertEqual(os.listdir(self.folder), [os.path.basename(image['file'])])

    def test_progress(self):
        """On a terminal there is a bar, and prompts are asked for one after another."""
        fd, terminal = pty.openpty()
        env = {**self.bus.environment, 'ZIMAGE_INLINE': 'none', 'ZIMAGE_NOHISTORY': '1'}
        process = subprocess.Popen([session.ZIMAGE, 'run', '--service', 'tiny', '--size', '64x64', '--steps', '20'],
                                   cwd=self.folder, env=env, stdin=terminal, stdout=terminal, stderr=terminal,
                                   start_new_session=True)
        os.close(terminal)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.read_until(fd, '>>> ')
        os.write(fd, b'a cat\n')
        # The next prompt may come in one piece with what is before it.
        text = self.read_until(fd, 'Image saved to', '>>> ')
        self.assertRegex(text, r'Generating: step \d+/20 +\S* +\d+ %')
        os.write(fd, b'/bye\n')
        self.assertEqual(process.wait(TIMEOUT), 0)
        os.close(fd)

    def read_until(self, fd, *ends):
        """What is written until there are these words, one behind the other."""
        text = ''
        deadline = time.monotonic() + TIMEOUT
        while not re.search('.*'.join(map(re.escape, ends)), text, re.DOTALL):
            self.assertTrue(select.select([fd], [], [], max(deadline - time.monotonic(), 0))[0], text)
            text += os.read(fd, 4096).decode(errors='replace')
        return text

    def test_interrupt(self):
        process = self.start('--service', 'tiny', *LONG, 'a cat', stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        job = self.wait_for_job()
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(TIMEOUT), 130)
        self.assertLess(time.monotonic() - start, 1)
        self.assertEqual(process.stderr.read(), b'zimage: Cancelled\n')
        process.stderr.close()
        self.client.wait_for(lambda: job not in self.client.objects(), 2)
        self.assertEqual(os.listdir(self.folder), [])

    def test_kill(self):
        process = self.start('--service', 'tiny', *LONG, 'a cat')
        job = self.wait_for_job()
        process.kill()
        process.wait(TIMEOUT)
        self.client.wait_for(lambda: job not in self.client.objects(), 2)
        self.wait_until_idle()

    def test_generator_dies(self):
        process = self.start('--service', 'tiny', *LONG, 'a cat', stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.wait_for_job()
        os.kill(self.client.bus('GetConnectionUnixProcessID', NAME)[0], signal.SIGKILL)
        self.assertEqual(process.wait(TIMEOUT), 1)
        self.assertEqual(process.stderr.read(), b'zimage: The generator went away\n')
        process.stderr.close()

    def test_mistakes(self):
        _, words = self.zimage('--service', 'absent', 'a cat', code=3)
        self.assertEqual(words, 'zimage: There is no model “absent” here\n')
        _, words = self.zimage('--service', 'tiny', '--size', '2048x2048', '--n', '64', 'a cat', code=1)
        self.assertIn('million pixels', words)
        self.assertNotIn('GDBus', words)
        self.zimage('--service', 'tiny', '--steps', '-1', 'a cat', code=4)
        for other in (['--host', 'localhost'], ['--device', 'cpu'], ['--dump', 'x'], ['--vae', 'x']):
            _, words = self.zimage('--service', 'tiny', *other, 'a cat', code=2)
            self.assertIn('--service', words)

    def test_no_bus(self):
        env = {**self.bus.environment, 'DBUS_SESSION_BUS_ADDRESS': 'unix:path=/nonexistent'}
        _, words = self.zimage('--service', 'tiny', 'a cat', code=1, env=env)
        self.assertTrue(words.startswith('zimage: There is no session bus: '), words)

    def test_no_generator(self):
        bus = session.Bus()
        self.addCleanup(bus.stop)
        os.unlink(os.path.join(bus.folder, 'services', NAME + '.service'))
        bus.connect().bus('ReloadConfig')
        _, words = self.zimage('--service', 'tiny', 'a cat', code=1, env=bus.environment)
        self.assertEqual(words, 'zimage: There is no generator on the session bus: nothing is installed that is called '
                                f'{NAME}\n')


class Documentation(Folder):
    """The commands of the book are run, and print what it says."""

    def setUp(self):
        super().setUp()
        with open(os.path.join(SOURCE, 'libzimage', 'doc', 'service.md'), encoding='utf-8') as file:
            self.page = file.read()

    def blocks(self, word):
        """The indented blocks of commands that begin with a word."""
        found = [re.sub('^    ', '', block, flags=re.MULTILINE)
                 for block in re.findall(r'(?:^    .*\n)+', self.page, re.MULTILINE)]
        return [block for block in found if block.startswith(word)]

    def shell(self, block):
        result = subprocess.run(['bash', '-euo', 'pipefail', '-c', block], cwd=self.folder, env=self.bus.environment,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        self.assertEqual(result.returncode, 0, block + result.stderr)
        return result.stdout

    @unittest.skipUnless(shutil.which('gdbus'), 'no gdbus')
    def test_gdbus(self):
        lists, generate = self.blocks('gdbus')
        output = self.shell(lists)
        self.assertIn('interface io.github.zimage.Generator {', output)
        self.assertIn("'name': <'tiny:latest'>", output)
        self.assertIn("'id': <'cpu'>", output)
        answer = self.shell(generate)
        job = re.fullmatch(r"\(objectpath '(/\S+)',\)\n", answer)[1]
        self.assertEqual(len(self.client.pictures(job)), 1)

    @unittest.skipUnless(shutil.which('gdbus'), 'no gdbus')
    def test_monitor(self):
        command = re.search(r'`(gdbus monitor [^`]*)`', self.page)[1]
        process = subprocess.Popen(command.split(), env=self.bus.environment, stdout=subprocess.PIPE, text=True)
        # It says so when it listens.
        self.assertIn('Monitoring signals', process.stdout.readline())
        self.assertIn(NAME, process.stdout.readline())
        self.client.wait(self.client.generate(**session.QUICK))
        line = ''
        while 'Job.Finished' not in line:
            line = process.stdout.readline()
            self.assertNotEqual(line, '')
        self.assertIn("('done', ('', ''))", line)
        process.terminate()
        process.wait(TIMEOUT)
        process.stdout.close()

    @unittest.skipUnless(shutil.which('busctl'), 'no busctl')
    def test_busctl(self):
        commands, = self.blocks('job=')
        output = self.shell(commands)
        self.assertRegex(output, r'\.Cancel +method')
        self.assertRegex(output, r'\.Progress +signal +suudd')
        self.assertRegex(output, r's "(queued|running)"')

    def test_python(self):
        """The program on the page, which is that of the examples."""
        example = os.path.join(SOURCE, 'libzimage', 'doc', 'examples', 'service.py')
        with open(example, encoding='utf-8') as file:
            program = file.read()
        self.assertIn(program[program.index('import os'):], self.page)
        result = subprocess.run([os.environ['GI_PYTHON'], example], cwd=self.folder, env=self.bus.environment,
                                capture_output=True, text=True, timeout=TIMEOUT, check=True)
        self.assertEqual(result.stderr, '')
        self.assertIn('denoise 8/8', result.stdout)
        self.assertTrue(self.read('sunset.png').startswith(b'\x89PNG'))

    def test_complete(self):
        """Every method, signal, property, parameter and error has its place on the page."""
        with open(os.path.join(SOURCE, 'app', 'common', NAME + '.xml'), encoding='utf-8') as file:
            names = re.findall(r'<(?:method|signal|property) name="(\w+)"', file.read())
        with open(os.path.join(SOURCE, 'app', 'common', 'app-bus-error.c'), encoding='utf-8') as file:
            names += re.findall(r'PREFIX "(\w+)"', file.read())
        with open(os.path.join(SOURCE, 'app', 'service', 'service-request.c'), encoding='utf-8') as file:
            names += re.findall(r'"(\w+)"', re.search(r'own_names\[\] = \{(.*)\}', file.read())[1])
        with open(os.path.join(SOURCE, 'app', 'common', 'app-fields.c'), encoding='utf-8') as file:
            names += re.findall(r'^  \{ "[^"]*", [^,]+, "(\w+)",', file.read(), re.MULTILINE)
        self.assertGreater(len(names), 45)
        for name in names:
            self.assertRegex(self.page, rf'[`.]{name}[` ]')


if __name__ == '__main__':
    unittest.main()
