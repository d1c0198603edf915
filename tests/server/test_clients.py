#!/usr/bin/env python3
# test_clients.py: the server with other people's clients
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# “./dev test” and “./dev clients” install the packages of clients.txt and clients-node.txt in .venv/, whose Python
# runs this if it is there. What is missing is skipped; if a class is given and nothing of it could be run, with the
# exit code that tells so. ZIM_EXAMPLES is how many requests schemathesis thinks of for each operation.

import asyncio
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(os.path.dirname(os.path.dirname(HERE)), '.venv')
PYTHON = os.path.join(VENV, 'bin', 'python')
if os.path.exists(PYTHON) and os.path.realpath(sys.prefix) != os.path.realpath(VENV):
    os.execv(PYTHON, [PYTHON, *sys.argv])

import served
from served import LONG, TIMEOUT, Server, ServerCase

try:
    import openai
except ImportError:
    openai = None
try:
    import ollama
except ImportError:
    ollama = None

EXTRA = {'steps': 4, 'seed': 7}
EXAMPLES = int(os.environ.get('ZIM_EXAMPLES', '2'))
NOT_RUN = 77
NODE = shutil.which('node')
NODE_PATH = os.path.join(VENV, 'node_modules')
HAS_NODE_CLIENTS = NODE and all(os.path.isdir(os.path.join(NODE_PATH, name)) for name in ('openai', 'ollama'))
SCHEMATHESIS = shutil.which('schemathesis', path=os.path.dirname(sys.executable))


def tearDownModule():
    served.clean_up()


@unittest.skipIf(openai is None, 'the package openai is not installed')
class OpenAI(ServerCase):
    def setUp(self):
        self.client = openai.OpenAI(base_url=f'http://127.0.0.1:{self.server.port}/v1', api_key='none', max_retries=0)
        self.addCleanup(self.client.close)

    def generate(self, **fields):
        return self.client.images.generate(**{'model': 'tiny', 'prompt': 'a cat', 'size': '64x64', 'extra_body': EXTRA,
                                              **fields})

    def test_pictures(self):
        answer = self.generate(n=2, output_format='jpeg', quality='high', background='auto')
        self.assertEqual(len(answer.data), 2)
        for picture in answer.data:
            self.assertTrue(base64.b64decode(picture.b64_json).startswith(b'\xff\xd8'))
        self.assertEqual(answer.output_format, 'jpeg')

    def test_url(self):
        answer = self.generate(response_format='url')
        path = re.sub(r'^http://[^/]+', '', answer.data[0].url)
        self.assertTrue(self.server.get(path).data.startswith(b'\x89PNG'))

    def test_stream(self):
        events = list(self.generate(stream=True, partial_images=2))
        self.assertEqual([event.type for event in events],
                         ['image_generation.partial_image'] * 2 + ['image_generation.completed'])
        self.assertEqual([event.partial_image_index for event in events[:2]], [0, 1])
        for event in events:
            self.assertTrue(base64.b64decode(event.b64_json).startswith(b'\x89PNG'))
        self.assertEqual(events[-1].usage.total_tokens, 0)

    def test_models(self):
        self.assertEqual([model.id for model in self.client.models.list()], ['tiny:latest'])

    def test_errors(self):
        for fields, kind in [({'model': 'none'}, openai.NotFoundError), ({'prompt': ''}, openai.BadRequestError),
                             ({'size': '65x64'}, openai.BadRequestError),
                             ({'size': '4096x4096', 'extra_body': {'steps': 1000}}, openai.UnprocessableEntityError)]:
            with self.assertRaises(kind) as context:
                self.generate(**fields)
            self.assertIsInstance(context.exception.body['message'], str)

    def test_closed_stream(self):
        stream = self.generate(stream=True, partial_images=1, extra_body={'steps': 1000})
        self.server.wait_for(lambda: self.server.metric('zimage_jobs_running') == 1)
        stream.close()
        self.server.wait_for(lambda: self.server.metric('zimage_jobs_running') == 0)

    def test_async(self):
        async def run():
            async with openai.AsyncOpenAI(base_url=self.client.base_url, api_key='none') as client:
                answers = await asyncio.gather(*(client.images.generate(
                    model='tiny', prompt='a cat', size='64x64', extra_body={'steps': 1, 'seed': i}) for i in range(4)))
                return [answer.data[0].model_extra['seed'] for answer in answers]
        self.assertEqual(asyncio.run(run()), [0, 1, 2, 3])


def serve_strictly(case):
    """A server that takes three keys, of each a job at a time, and lets one job wait."""
    with tempfile.NamedTemporaryFile('w', suffix='.keys', delete=False) as file:
        file.write('one\ntwo\nthree\n')
    case.addCleanup(os.unlink, file.name)
    server = Server('--api-key-file', file.name, '--max-per-client', '1', '--max-queue', '1', '--grace', '0',
                    served.model, env=case.env)
    case.addCleanup(server.stop)
    return server


@unittest.skipIf(openai is None, 'the package openai is not installed')
class Strict(ServerCase):
    def test_errors(self):
        server = serve_strictly(self)
        clients = {key: openai.OpenAI(base_url=f'http://127.0.0.1:{server.port}/v1', api_key=key, max_retries=0)
                   for key in ['one', 'two', 'three', 'four']}
        for client in clients.values():
            self.addCleanup(client.close)
        fields = {'model': 'tiny', 'prompt': 'a cat', 'size': '256x256'}
        server.post('/api/jobs', LONG, headers={'Authorization': 'Bearer one'})
        with self.assertRaises(openai.AuthenticationError):
            clients['four'].models.list()
        with self.assertRaises(openai.RateLimitError) as context:
            clients['one'].images.generate(**fields)
        self.assertEqual(context.exception.response.headers['Retry-After'], '5')
        stream = clients['two'].images.generate(**fields, stream=True, partial_images=1)
        with self.assertRaises(openai.InternalServerError) as context:
            clients['three'].images.generate(**fields)
        self.assertEqual(context.exception.status_code, 503)
        server.process.send_signal(signal.SIGTERM)
        with self.assertRaisesRegex(openai.APIError, 'stopped'):
            list(stream)


@unittest.skipIf(ollama is None, 'the package ollama is not installed')
class Ollama(ServerCase):
    STORED = ['stored']

    def setUp(self):
        self.client = ollama.Client(host=f'http://127.0.0.1:{self.server.port}')

    def test_generate(self):
        answer = self.client.generate(model='tiny', prompt='a cat', width=64, height=64, steps=2, options={'seed': 7})
        self.assertTrue(answer.done)
        self.assertTrue(base64.b64decode(answer.image).startswith(b'\x89PNG'))

    def test_stream(self):
        parts = list(self.client.generate(model='tiny', prompt='a cat', width=64, height=64, steps=3, stream=True))
        self.assertEqual([part.completed for part in parts[:-1]], [0, 1, 2, 3])
        self.assertTrue(base64.b64decode(parts[-1].image).startswith(b'\x89PNG'))

    def test_models(self):
        self.assertEqual({model.model for model in self.client.list().models}, {'tiny:latest', 'stored:latest'})
        self.assertEqual(self.client.show('stored').capabilities, ['image'])
        self.client.copy('stored', 'copied')
        self.client.generate(model='copied')
        self.assertIn('copied:latest', {model.model for model in self.client.ps().models})
        self.client.generate(model='copied', keep_alive=0)
        self.assertNotIn('copied:latest', {model.model for model in self.client.ps().models})
        self.assertEqual(self.client.create(model='created', from_='stored').status, 'success')
        for name in ['copied', 'created']:
            self.assertEqual(self.client.delete(name).status, 'success')

    def test_errors(self):
        with self.assertRaises(ollama.ResponseError) as context:
            self.client.generate(model='none', prompt='x')
        self.assertEqual(context.exception.status_code, 404)


@unittest.skipUnless(HAS_NODE_CLIENTS, 'Node or its packages openai and ollama are not installed')
class Node(ServerCase):
    STORED = ['stored']

    def test_clients(self):
        strict = serve_strictly(self)
        env = {**os.environ, 'NODE_PATH': NODE_PATH, 'URL': f'http://127.0.0.1:{self.server.port}',
               'STRICT': f'http://127.0.0.1:{strict.port}', 'STRICT_PID': str(strict.process.pid)}
        result = subprocess.run([NODE, os.path.join(HERE, 'test_clients.js')], env=env, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=3 * TIMEOUT, check=False)
        self.assertEqual(result.returncode, 0, result.stdout.decode())
        # It says how many it ran: a file without tests would pass as well.
        self.assertRegex(result.stdout.decode(), r'(?m)^(# |ℹ )pass [1-9]\d')
        self.assertRegex(result.stdout.decode(), r'(?m)^(# |ℹ )(skipped|todo) 0')


@unittest.skipIf(SCHEMATHESIS is None, 'the package schemathesis is not installed')
class Schemathesis(ServerCase):
    """Requests that the description allows, and such as it does not, get answers that it describes; none is a 5xx.

    Those at the borders of every field, and a few others, unless it is said how many: “./dev clients” wants many.
    """

    ARGS = ['--max-work', '0.3', '--max-queue', '100000']
    STORED = ['stored']

    def test_description(self):
        # A pull would ask servers of the Internet. Names of models, and what is too much, follow rules that a schema
        # cannot tell: that right requests are granted is shown by test_contract.py.
        args = ['run', f'http://127.0.0.1:{self.server.port}/openapi.json', '--exclude-path', '/api/pull', '--checks',
                'all', '--exclude-checks', 'positive_data_acceptance', '--max-examples', str(EXAMPLES), '--seed', '1',
                '--suppress-health-check', 'all', '--no-shrink', '--request-timeout', str(TIMEOUT),
                '--continue-on-failure', '--no-color']
        result = subprocess.run([SCHEMATHESIS, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                timeout=20 * TIMEOUT, check=False, cwd=served.work)
        text = result.stdout.decode()
        self.assertEqual(result.returncode, 0, text)
        cases = int(re.search(r'(\d+) generated', text)[1])
        print(f'# {cases} requests')
        self.assertGreater(cases, 500)
        self.assertEqual(self.server.get('/healthz').status, 200)


@unittest.skipIf(shutil.which('curl') is None, 'there is no curl')
class Curl(ServerCase):
    def check_lines(self, path, n_lines):
        """Lines that a text says to type are typed as they are, but for the port and large pictures."""
        with open(os.path.join(served.SOURCE, path), encoding='utf-8') as file:
            lines = re.findall(r'(?m)^ +(curl (?:.*\\\n)*.*)$', file.read())
        self.assertEqual(len(lines), n_lines)
        for line in lines:
            self.assertIn(':11434', line)
            line = line.replace(':11434', f':{self.server.port}').replace('1024x1024', '64x64')
            out = subprocess.run(['sh', '-c', line], capture_output=True, check=True, timeout=TIMEOUT).stdout
            answer = json.loads(out)
            if 'data' in answer:
                self.assertTrue(base64.b64decode(answer['data'][0]['b64_json']).startswith(b'\x89PNG'))
            else:
                self.server.wait_for_job(answer['id'], 'done')

    def test_lines_of_the_readme(self):
        self.check_lines('README.md', 1)

    def test_lines_of_the_book(self):
        self.check_lines('libzimage/doc/server.md', 2)


def main():
    program = unittest.main(exit=False)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    # A test that is skipped as a whole is to be seen as such.
    if result.skipped and len(result.skipped) == result.testsRun:
        print(*sorted({reason for _, reason in result.skipped}), sep='\n')
        sys.exit(NOT_RUN)


if __name__ == '__main__':
    main()
