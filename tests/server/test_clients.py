#!/usr/bin/env python3
# test_clients.py: the server with other people's clients
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# “./dev clients” installs the packages of clients.txt and runs this. Without them the tests are skipped.

import asyncio
import base64
import re
import subprocess
import unittest

import served
from served import TIMEOUT, ServerCase

try:
    import openai
except ImportError:
    openai = None
try:
    import ollama
except ImportError:
    ollama = None

EXTRA = {'steps': 4, 'seed': 7}


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


class Curl(ServerCase):
    def curl(self, *args):
        return subprocess.run(['curl', '-sS', '-m', str(TIMEOUT), *args], capture_output=True, check=True).stdout

    def test_lines_of_the_book(self):
        """What the page about the server says to type."""
        with open(served.SOURCE + '/libzimage/doc/server.md', encoding='utf-8') as file:
            lines = re.findall(r"curl (http\S+)(?: \\\n *| )-d '([^']*)'", file.read())
        self.assertGreaterEqual(len(lines), 2)
        for url, body in lines:
            url = url.replace(':11434', f':{self.server.port}')
            out = self.curl(url, '-d', body.replace('1024x1024', '64x64'))
            self.assertRegex(out.decode(), r'^\{"(created|id)":')


if __name__ == '__main__':
    unittest.main()
