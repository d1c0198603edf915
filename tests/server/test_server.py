#!/usr/bin/env python3
# test_server.py: the server as its clients meet it
#
# SPDX-License-Identifier: LGPL-2.1-or-later

import base64
import contextlib
import json
import os
import pty
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'cli'))

import pull_server
import served
from served import LONG, QUICK, TIMEOUT, ZIMAGE, Server, ServerCase, environment, parse_events


def tearDownModule():
    served.clean_up()


def png_size(data):
    assert data.startswith(b'\x89PNG'), data[:20]
    return struct.unpack('>II', data[16:24])


class OpenAI(ServerCase):
    STORED = ['x/other:tag']

    def generate(self, **fields):
        return self.server.post('/v1/images/generations', {**QUICK, **fields})

    def test_picture(self):
        answer = self.generate(model='tiny', size='96x64', seed=7)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers['Content-Type'], 'application/json; charset=utf-8')
        self.assertEqual(list(answer.json), ['created', 'data', 'size', 'output_format', 'background', 'quality'])
        self.assertLess(abs(answer.json['created'] - time.time()), 60)
        picture, = answer.json['data']
        self.assertEqual(picture['seed'], 7)
        self.assertEqual(png_size(base64.b64decode(picture['b64_json'])), (96, 64))
        self.assertEqual(answer.json['data'], self.generate(size='96x64', seed=7).json['data'])

    def test_the_same_picture_as_the_command_line(self):
        answer = self.generate(seed=5, negative_prompt='fog', guidance_scale=2, steps=2)
        out = subprocess.run([ZIMAGE, 'run', served.model, 'a cat', '--size', '64x64', '--steps', '2', '--seed', '5',
                              '--negative', 'fog', '--guidance', '2', '-o', '-'],
                             env=self.env, capture_output=True, check=True, timeout=TIMEOUT).stdout
        self.assertEqual(base64.b64decode(answer.json['data'][0]['b64_json']), out)

    def test_several(self):
        pictures = self.generate(n=3, seed=10).json['data']
        self.assertEqual([picture['seed'] for picture in pictures], [10, 11, 12])
        self.assertEqual(len({picture['b64_json'] for picture in pictures}), 3)
        self.assertEqual(pictures[1]['b64_json'], self.generate(seed=11).json['data'][0]['b64_json'])

    def test_formats(self):
        for name, start in [('png', b'\x89PNG'), ('jpeg', b'\xff\xd8'), ('webp', b'RIFF')]:
            answer = self.generate(output_format=name, output_compression=80)
            self.assertEqual(answer.json['output_format'], name)
            self.assertTrue(base64.b64decode(answer.json['data'][0]['b64_json']).startswith(start))

    def test_url(self):
        picture, = self.generate(response_format='url', output_format='jpeg').json['data']
        self.assertNotIn('b64_json', picture)
        match = re.fullmatch(rf'http://127\.0\.0\.1:{self.server.port}(/api/jobs/[0-9a-f]{{32}}/image/0)',
                             picture['url'])
        answer = self.server.get(match[1])
        self.assertEqual((answer.status, answer.headers['Content-Type']), (200, 'image/jpeg'))
        self.assertTrue(answer.data.startswith(b'\xff\xd8'))

    def test_default_model_and_size(self):
        answer = self.server.post('/v1/images/generations',
                                  {'prompt': 'x', 'size': 'auto', 'quality': 'high', 'background': 'auto', 'user': 'me',
                                   'steps': 1, 'model': None})
        self.assertEqual(answer.json['size'], '256x256')

    def test_stream(self):
        answer = self.generate(stream=True, steps=3)
        self.assertEqual(answer.headers['Content-Type'], 'text/event-stream')
        events = list(parse_events(answer.data.decode()))
        self.assertEqual({name for name, _ in events[:-1]}, {'progress'})
        steps = [data['step'] for _, data in events[:-1] if data['stage'] == 'denoise']
        self.assertEqual(sorted(set(steps)), [0, 1, 2, 3])
        self.assertEqual({data['total'] for _, data in events[:-1] if data['stage'] == 'denoise'}, {3})
        fractions = [data['fraction'] for _, data in events[:-1]]
        self.assertEqual(fractions, sorted(fractions))
        name, data = events[-1]
        self.assertEqual(name, 'done')
        self.assertEqual(png_size(base64.b64decode(data['data'][0]['b64_json'])), (64, 64))

    def test_partial_images(self):
        answer = self.generate(stream=True, steps=4, partial_images=2, n=2, output_format='jpeg')
        events = list(parse_events(answer.data.decode()))
        for name, data in events:
            self.assertEqual(name, data['type'])
            self.assertTrue(base64.b64decode(data['b64_json']).startswith(b'\xff\xd8'))
            self.assertEqual((data['size'], data['output_format']), ('64x64', 'jpeg'))
        self.assertEqual([(name, data.get('partial_image_index')) for name, data in events],
                         [('image_generation.partial_image', 0), ('image_generation.partial_image', 1),
                          ('image_generation.completed', None), ('image_generation.completed', None)])
        self.assertIn('input_tokens_details', events[-1][1]['usage'])

    def test_models(self):
        data = self.server.get('/v1/models').json
        self.assertEqual(data['object'], 'list')
        self.assertEqual([model['id'] for model in data['data']], ['tiny:latest', 'x/other:tag'])
        self.assertEqual(data['data'][0]['object'], 'model')

    def test_model(self):
        for name in ['tiny', 'tiny:latest', 'x%2Fother:tag', 'x/other:tag']:
            answer = self.server.get('/v1/models/' + name)
            self.assertEqual((answer.status, answer.json['object'], answer.json['owned_by']), (200, 'model', 'library'))
        self.assertEqual(answer.json['id'], 'x/other:tag')
        self.assertLess(abs(answer.json['created'] - time.time()), 600)
        for name in ['none', '%2Fetc%2Fpasswd', '.%2Ftiny', 'a/b/c/d']:
            answer = self.server.get('/v1/models/' + name)
            self.assertEqual((answer.status, answer.json['error']['code']), (404, 'model_not_found'))

    def test_wrong_types(self):
        """Every field with a value of every other type."""
        values = {'a string': 'x', 'a number': 1.5, 'a truth value': True, 'a list': [1], 'an object': {'a': 1}}
        wrong = {
            'prompt': ['a number', 'a truth value', 'a list', 'an object'],
            'model': ['a number', 'a truth value', 'a list', 'an object'],
            'n': ['a string', 'a number', 'a truth value', 'a list', 'an object'],
            'size': list(values),
            'response_format': list(values),
            'output_format': list(values),
            'output_compression': list(values),
            'quality': ['a number', 'a truth value', 'a list', 'an object'],
            'background': ['a number', 'a truth value', 'a list', 'an object'],
            'user': ['a number', 'a truth value', 'a list', 'an object'],
            'stream': ['a string', 'a number', 'a list', 'an object'],
            'partial_images': list(values),
            'seed': list(values),
            'steps': list(values),
            'width': list(values),
            'height': list(values),
            'negative_prompt': ['a number', 'a truth value', 'a list', 'an object'],
            'guidance_scale': ['a string', 'a truth value', 'a list', 'an object'],
            'rng': list(values),
            'keep_alive': ['a string', 'a truth value', 'a list', 'an object'],
        }
        for field, kinds in wrong.items():
            for kind in kinds:
                with self.subTest(field=field, kind=kind):
                    answer = self.generate(**{field: values[kind]})
                    self.assertEqual(answer.status, 400)
                    error = answer.json['error']
                    self.assertEqual(list(error), ['message', 'type', 'param', 'code'])
                    self.assertEqual((error['type'], error['param']), ('invalid_request_error', field))
                    self.assertIn(field, error['message'])

    def test_out_of_range(self):
        for fields in [{'n': 0}, {'n': -1}, {'n': 10 ** 6}, {'width': 17}, {'width': -16}, {'size': '65x64'},
                       {'steps': -1},
                       {'steps': 10 ** 6}, {'seed': 2 ** 53}, {'seed': -2}, {'guidance_scale': -3},
                       {'size': '99999x16'},
                       {'partial_images': 4}, {'output_compression': 101}]:
            with self.subTest(fields):
                answer = self.generate(**fields)
                self.assertEqual((answer.status, answer.json['error']['type']), (400, 'invalid_request_error'))

    def test_missing_prompt(self):
        for fields in [{}, {'prompt': ''}, {'prompt': None}]:
            answer = self.server.post('/v1/images/generations', fields)
            self.assertEqual((answer.status, answer.json['error']['param']), (400, 'prompt'))

    def test_unknown_models(self):
        for name in ['dall-e-3', '../tiny', './tiny', '/etc/passwd', '~', served.model, 'x' * 5000, 'a.safetensors',
                     'tiny:other', 'host/a/b:c', 'a/b/c/d/e', 'ti\nny', '夕日']:
            with self.subTest(name):
                answer = self.generate(model=name)
                self.assertEqual(answer.status, 404)
                self.assertEqual((answer.json['error']['param'], answer.json['error']['code']),
                                 ('model', 'model_not_found'))
                self.assertLess(len(answer.json['error']['message']), 500)

    def test_bad_bodies(self):
        for raw in [b'', b'{', b'[]', b'1', b'"x"', b'{"prompt": "\xff"}', b'{"prompt": "a", "prompt": "b"}', b'\0',
                    b'[' * 100000, b'{"a":' * 50000, b'{"prompt": "\\ud800"}', b'{"prompt": "a"} x',
                    b'{"seed": 1e999}']:
            with self.subTest(raw[:30]):
                answer = self.server.post('/v1/images/generations', raw=raw)
                self.assertEqual((answer.status, answer.json['error']['type']), (400, 'invalid_request_error'))
        self.assertEqual(self.generate().status, 200)


class Ollama(ServerCase):
    STORED = ['stored', 'x/other:tag']

    def generate(self, **fields):
        return self.server.post('/api/generate', {'model': 'tiny', **QUICK, **fields})

    def test_stream(self):
        answer = self.generate(steps=3, options={'seed': 5})
        self.assertEqual(answer.headers['Content-Type'], 'application/x-ndjson')
        lines = [json.loads(line) for line in answer.data.splitlines()]
        self.assertEqual([(line['completed'], line['total'], line['done'], line['response']) for line in lines[:-1]],
                         [(i, 3, False, '') for i in range(4)])
        last = lines[-1]
        self.assertEqual((last['done'], last['done_reason'], last['seed'], last['model']), (True, 'stop', 5, 'tiny'))
        self.assertEqual(png_size(base64.b64decode(last['image'])), (64, 64))
        self.assertGreater(last['total_duration'], last['load_duration'])
        for line in lines:
            self.assertRegex(line['created_at'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d')

    def test_whole(self):
        answer = self.generate(stream=False, options={'seed': 5})
        self.assertEqual(answer.headers['Content-Type'], 'application/json; charset=utf-8')
        self.assertEqual(answer.json['done_reason'], 'stop')
        again = self.generate(stream=False, seed=5)
        self.assertEqual(answer.json['image'], again.json['image'])

    def test_random_seed(self):
        """0 is random here, and what is not positive is the model's own."""
        seeds = {self.generate(stream=False, options={'seed': 0}).json['seed'] for _ in range(3)}
        self.assertEqual(len(seeds), 3)
        answer = self.generate(stream=False, width=0, height=-1)
        self.assertEqual(png_size(base64.b64decode(answer.json['image'])), (256, 256))

    def test_errors(self):
        for fields, status in [({'model': 'none'}, 404), ({'model': ''}, 400), ({'model': 5}, 400), ({'width': 'x'},
                                                                                                     400),
                               ({'options': []}, 400), ({'options': {'seed': 'x'}}, 400), ({'stream': 1}, 400),
                               ({'keep_alive': 'soon'}, 400), ({'images': ['aGVsbG8=']}, 422), ({'width': 17}, 400)]:
            with self.subTest(fields):
                answer = self.generate(**fields)
                self.assertEqual(answer.status, status)
                self.assertEqual(list(answer.json), ['error'])
                self.assertIsInstance(answer.json['error'], str)

    def test_load_and_unload(self):
        def loaded():
            return [model['name'] for model in self.server.get('/api/ps').json['models']]
        answer = self.server.post('/api/generate', {'model': 'stored'})
        self.assertEqual((answer.status, answer.json['done_reason']), (200, 'load'))
        self.assertIn('stored:latest', loaded())
        answer = self.server.post('/api/generate', {'model': 'stored', 'keep_alive': 0})
        self.assertEqual((answer.json['done'], answer.json['done_reason'], answer.json['response']), (True, 'unload',
                                                                                                      ''))
        self.assertNotIn('stored:latest', loaded())
        self.generate(model='stored', keep_alive='0s', stream=False)
        self.assertNotIn('stored:latest', loaded())
        self.generate(model='stored', keep_alive=0.2, stream=False)
        self.assertIn('stored:latest', loaded())
        self.server.wait_for(lambda: 'stored:latest' not in loaded())
        self.generate(model='stored', keep_alive=-1, stream=False)
        shown, = [model for model in self.server.get('/api/ps').json['models'] if model['name'] == 'stored:latest']
        self.assertGreater(int(shown['expires_at'][:4]), 2100)
        self.assertEqual((shown['size_vram'], shown['context_length']), (0, 0))
        self.assertGreater(shown['size'], 1 << 20)

    def test_load_while_it_is_used(self):
        """What is loaded is loaded at once, whatever it is busy with."""
        job = self.server.post('/api/jobs', {**LONG, 'model': 'x/other:tag'}).json['id']
        self.server.wait_for(lambda: self.server.get(f'/api/jobs/{job}').json['step'] > 0)
        answer = self.server.post('/api/generate', {'model': 'x/other:tag'})
        self.assertEqual((answer.status, answer.json['done_reason']), (200, 'load'))
        self.assertEqual(self.server.delete(f'/api/jobs/{job}').json['state'], 'cancelled')
        self.assertGreater(self.server.get('/api/ps').json['models'][0]['expires_at'], '2000')

    def test_tags(self):
        models = {model['name']: model for model in self.server.get('/api/tags').json['models']}
        self.assertEqual(set(models), {'tiny:latest', 'stored:latest', 'x/other:tag'})
        stored = models['x/other:tag']
        self.assertRegex(stored['digest'], '^[0-9a-f]{64}$')
        self.assertEqual(set(stored), {'name', 'model', 'modified_at', 'size', 'digest', 'details'})
        self.assertEqual(stored['details']['format'], 'safetensors')

    def test_old_names_of_fields(self):
        for body in [{'name': 'stored'}, {'name': 'stored', 'model': None}, {'name': 'stored', 'model': ''},
                     {'name': '', 'model': 'stored'}, {'name': 'none', 'model': 'stored'}]:
            self.assertEqual(self.server.post('/api/show', body).status, 200, body)
        for body in [{}, {'name': ''}, {'name': None, 'model': ''}, {'name': 5, 'model': 'stored'}]:
            self.assertEqual(self.server.post('/api/show', body).status, 400, body)

    def test_show(self):
        shown = self.server.post('/api/show', {'model': 'stored'}).json
        self.assertEqual(shown['capabilities'], ['image'])
        self.assertEqual((shown['details']['family'], shown['details']['quantization_level']), ('ZImagePipeline',
                                                                                                'BF16'))
        self.assertEqual(shown['model_info']['image.steps'], 8)
        self.assertNotIn('tensors', shown)
        tensors = self.server.post('/api/show', {'name': 'stored', 'verbose': True}).json['tensors']
        self.assertEqual(list(tensors[0]), ['name', 'type', 'shape', 'size'])
        self.assertEqual(self.server.post('/api/show', {'model': 'none'}).status, 404)
        self.assertEqual(self.server.post('/api/show', {}).status, 400)

    def test_version(self):
        self.assertRegex(self.server.get('/api/version').json['version'], r'^\d+\.\d+\.\d+$')

    def test_copy_create_and_delete(self):
        def names():
            return {model['name'] for model in self.server.get('/api/tags').json['models']}
        self.assertEqual(self.server.post('/api/copy', {'source': 'stored', 'destination': 'copied'}).status, 200)
        self.assertIn('copied:latest', names())
        lines = self.server.post('/api/create', {'model': 'created', 'from': 'stored'}).data.splitlines()
        self.assertEqual(json.loads(lines[-1]), {'status': 'success'})
        answer = self.server.post('/api/create', {'model': 'created2', 'from': 'stored', 'stream': False})
        self.assertEqual(answer.json, {'status': 'success'})
        self.assertEqual(self.generate(model='created', stream=False).status, 200)
        for name in ['copied', 'created', 'created2']:
            self.assertEqual(self.server.delete('/api/delete', {'model': name}).status, 200)
        self.assertEqual(names(), {'tiny:latest', 'stored:latest', 'x/other:tag'})
        self.assertEqual(self.generate(model='created').status, 404)
        self.assertEqual(self.server.delete('/api/delete', {'model': 'created'}).status, 404)
        self.assertEqual(self.server.post('/api/copy', {'source': 'none', 'destination': 'x'}).status, 404)
        self.assertEqual(self.server.post('/api/copy', {'source': 'stored'}).status, 400)
        self.assertEqual(self.server.post('/api/copy', {'source': 'stored', 'destination': '../../x'}).status, 400)

    def test_create_of_files(self):
        """No path of a request reaches the file system."""
        for fields in [{'from': served.model}, {'from': './tiny'}, {'files': {'a': 'sha256:0'}}, {'path': '/etc'},
                       {'modelfile': 'FROM /etc'}, {'from': served.model, 'quantize': 'q8_0'},
                       {'from': './tiny', 'quantize': 'q8_0'}, {'from': 'none', 'quantize': 'q8_0'}]:
            answer = self.server.post('/api/create', {'model': 'new', **fields})
            self.assertIn(answer.status, (400, 404), answer.data)

    def test_quantize(self):
        lines = self.server.post('/api/create', {'model': 'small', 'from': 'stored', 'quantize': 'q8_0'}).data
        self.assertEqual(json.loads(lines.splitlines()[-1]), {'status': 'success'})
        details = self.server.post('/api/show', {'model': 'small'}).json['details']
        self.assertEqual(details['quantization_level'], 'Q8_0')
        sizes = {model['name']: model['size'] for model in self.server.get('/api/tags').json['models']}
        self.assertLess(sizes['small:latest'], sizes['stored:latest'])
        self.assertEqual(self.generate(model='small', stream=False).status, 200)
        fields = {'model': 'small', 'from': 'stored', 'stream': False}
        self.assertEqual(self.server.post('/api/create', {**fields, 'quantize': 'int8'}).json, {'status': 'success'})
        for quantize, status in [('q5', 422), ('bf16', 422), (8, 400), ([], 400)]:
            answer = self.server.post('/api/create', {**fields, 'quantize': quantize})
            self.assertEqual(answer.status, status, answer.data)
        self.server.delete('/api/delete', {'model': 'small'})

    def test_pull_of_other_hosts(self):
        for name in ['127.0.0.1:1/a/b', 'example.org/a/b', '169.254.169.254/latest/meta-data', '../x', '']:
            self.assertEqual(self.server.post('/api/pull', {'model': name}).status, 400, name)


class Pull(ServerCase):
    """Models that the server fetches, from a hub in this process."""

    @classmethod
    def setUpClass(cls):
        served.set_up_model()
        cls.hub = pull_server.Server(served.work, served.model)
        cls.store = tempfile.mkdtemp(prefix='zimage-store-')
        cls.env = environment(cls.store, HF_ENDPOINT=cls.hub.url)
        cls.server = Server(env=cls.env)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.hub.shutdown()
        cls.hub.server_close()

    def test_stream(self):
        self.hub.pause = 0.3
        answer = self.server.post('/api/pull', {'model': 'hf.co/a/b'})
        self.hub.pause = 0
        self.assertEqual((answer.status, answer.headers['Content-Type']), (200, 'application/x-ndjson'))
        lines = [json.loads(line) for line in answer.data.splitlines()]
        self.assertEqual([line['status'] for line in lines[-2:]], ['writing manifest', 'success'])
        completed = [line['completed'] for line in lines if line['status'] == 'pulling model']
        self.assertGreater(len(completed), 0)
        self.assertEqual(completed, sorted(completed))
        self.assertIn('hf.co/a/b:latest', [model['name'] for model in self.server.get('/api/tags').json['models']])
        picture = self.server.post('/v1/images/generations', {**QUICK, 'model': 'hf.co/a/b', 'seed': 1})
        self.assertEqual(picture.status, 200)

    def test_whole(self):
        answer = self.server.post('/api/pull', {'model': 'hf.co/c/d', 'stream': False})
        self.assertEqual((answer.status, answer.json), (200, {'status': 'success'}))
        self.assertEqual(self.server.get('/v1/models/hf.co/c/d').status, 200)

    def test_cancel_and_again(self):
        """Whoever goes away and comes again does not begin anew."""
        self.hub.pause = 0.3
        with self.server.open('POST', '/api/pull', {'model': 'hf.co/e/f'}):
            self.server.wait_for(lambda: any('/e/f/' in path for path, _ in self.hub.asked))
        self.server.wait_for(lambda: 'path=/api/pull status=499' in '\n'.join(self.server.lines))
        self.hub.pause = 0
        answer = self.server.post('/api/pull', {'model': 'hf.co/e/f', 'stream': False})
        self.assertEqual(answer.json, {'status': 'success'})

    def test_too_many(self):
        """A few at once, and no more: each takes memory and connections."""
        self.hub.pause = 1
        sockets = [self.server.open('POST', '/api/pull', {'model': f'hf.co/many/{i}'}) for i in range(4)]
        self.server.wait_for(lambda: all(any(f'/many/{i}' in path for path, _ in self.hub.asked) for i in range(4)))
        for path, body in [('/api/pull', {'model': 'hf.co/many/4'}),
                           ('/api/create', {'model': 'x', 'from': 'y', 'quantize': 'fp8'})]:
            answer = self.server.post(path, body)
            self.assertEqual((answer.status, answer.headers['Retry-After']), (503, '5'))
            self.assertIn('4 models are on their way', answer.json['error'])
        for sock in sockets:
            sock.close()
        self.hub.pause = 0
        self.server.wait_for(lambda: self.server.post('/api/pull', {'model': 'hf.co/many/4', 'stream': False}).status
                             == 200)

    def test_command_line(self):
        env = {**self.env, 'ZIMAGE_MODELS': '/nonexistent', 'ZIMAGE_HOST': f'127.0.0.1:{self.server.port}'}
        result = subprocess.run([ZIMAGE, 'pull', 'hf.co/g/h'], env=env, capture_output=True, timeout=TIMEOUT,
                                check=True)
        self.assertTrue(result.stderr.decode().endswith('success\n'), result.stderr)


class Jobs(ServerCase):
    ARGS = ['--result-time', '3s', '--max-results', '3']

    def create(self, **fields):
        answer = self.server.post('/api/jobs', {**QUICK, **fields})
        self.assertEqual(answer.status, 202, answer.data)
        self.assertEqual(answer.headers['Location'], '/api/jobs/' + answer.json['id'])
        return answer.json

    def test_life(self):
        job = self.create(seed=4, n=2, steps=2)
        self.assertRegex(job['id'], '^[0-9a-f]{32}$')
        done = self.server.wait_for_job(job['id'], 'done')
        self.assertEqual((done['stage'], done['position'], done['seed'], done['error']), ('done', 0, 4, None))
        self.assertEqual([image['seed'] for image in done['images']], [4, 5])
        self.assertGreater(done['expires_in'], 0)
        for i in range(2):
            answer = self.server.get(f'/api/jobs/{job["id"]}/image/{i}')
            self.assertEqual((answer.status, answer.headers['Content-Type']), (200, 'image/png'))
            self.assertEqual(png_size(answer.data), (64, 64))
        for n in ['2', '-1', 'x', '', '99999999999999999999']:
            self.assertEqual(self.server.get(f'/api/jobs/{job["id"]}/image/{n}').status, 404)
        self.assertEqual(self.server.delete(f'/api/jobs/{job["id"]}').status, 200)
        self.assertEqual(self.server.get(f'/api/jobs/{job["id"]}').status, 404)

    def test_events(self):
        first = self.create(**LONG)
        job = self.create(steps=4, width=256, height=256)
        stream = self.server.connect()
        stream.request('GET', f'/api/jobs/{job["id"]}/events')
        response = stream.getresponse()
        self.assertEqual(response.headers['Content-Type'], 'text/event-stream')
        self.server.delete(f'/api/jobs/{first["id"]}')
        events = list(parse_events(response.read().decode()))
        stream.close()
        self.assertEqual((events[0][0], events[0][1]['state'], events[0][1]['position']), ('progress', 'queued', 1))
        self.assertEqual(events[-1][0], 'done')
        self.assertEqual(events[-1][1]['id'], job['id'])
        previews = [data for name, data in events if name == 'preview']
        self.assertGreaterEqual(len(previews), 1)
        for preview in previews:
            self.assertTrue(base64.b64decode(preview['b64_json']).startswith(b'\xff\xd8'))
        steps = [data['step'] for name, data in events if name == 'progress' and data['stage'] == 'denoise']
        self.assertEqual(steps, sorted(steps))
        # Who comes late is told the end.
        late = list(parse_events(self.server.get(f'/api/jobs/{job["id"]}/events').data.decode()))
        self.assertEqual([name for name, _ in late], ['done'])

    def test_heartbeat(self):
        """Who waits in the queue hears something before a proxy takes the connection for dead."""
        first = self.server.post('/api/jobs', LONG).json['id']
        second = self.server.post('/api/jobs', LONG).json['id']
        with contextlib.closing(self.server.connect()) as connection:
            connection.request('GET', f'/api/jobs/{second}/events')
            response = connection.getresponse()
            lines = [response.readline() for _ in range(5)]
        self.assertEqual((lines[0], lines[3]), (b'event: progress\n', b': still here\n'))
        for job in [second, first]:
            self.server.delete(f'/api/jobs/{job}')

    def test_places_and_times(self):
        self.server.wait_for_job(self.create(steps=3)['id'], 'done')
        jobs = [self.create(**LONG)['id'], self.create()['id'], self.create()['id']]
        self.assertEqual([self.server.get(f'/api/jobs/{job}').json['position'] for job in jobs], [0, 1, 2])
        times = [self.server.get(f'/api/jobs/{job}').json['eta'] for job in jobs]
        self.assertGreater(times[0], 1)
        self.assertGreater(times[2], times[1])
        self.server.delete(f'/api/jobs/{jobs[1]}')
        self.assertEqual(self.server.get(f'/api/jobs/{jobs[2]}').json['position'], 1)
        self.server.delete(f'/api/jobs/{jobs[0]}')
        self.server.wait_for_job(jobs[2], 'done')

    def test_cancel(self):
        for moment in ['queued', 'load', 'denoise']:
            with self.subTest(moment):
                before = self.create(**LONG)['id'] if moment == 'queued' else None
                job = self.create(**LONG)['id']
                if moment == 'denoise':
                    self.server.wait_for(lambda: self.server.get(f'/api/jobs/{job}').json['step'] > 0)
                start = time.monotonic()
                answer = self.server.delete(f'/api/jobs/{job}')
                self.assertLess(time.monotonic() - start, 0.2)
                self.assertEqual((answer.status, answer.json['state']), (200, 'cancelled'))
                self.assertEqual(answer.json['error'], 'The job was cancelled')
                events = list(parse_events(self.server.get(f'/api/jobs/{job}/events').data.decode()))
                self.assertEqual([name for name, _ in events], ['error'])
                if before:
                    self.server.delete(f'/api/jobs/{before}')
        self.server.wait_for_job(self.create()['id'], 'done')

    def test_cancelled_stream(self):
        job = self.create(**LONG)['id']
        stream = self.server.connect()
        stream.request('GET', f'/api/jobs/{job}/events')
        response = stream.getresponse()
        self.server.delete(f'/api/jobs/{job}')
        events = list(parse_events(response.read().decode()))
        stream.close()
        self.assertEqual(events[-1], ('error', {'error': 'The job was cancelled'}))
        self.assertNotIn('done', [name for name, _ in events])

    def test_watcher_leaves(self):
        job = self.create(**LONG)['id']
        sock = self.server.open('GET', f'/api/jobs/{job}/events')
        sock.recv(100)
        sock.close()
        time.sleep(0.3)
        self.assertEqual(self.server.get(f'/api/jobs/{job}').json['state'], 'running')
        self.server.delete(f'/api/jobs/{job}')

    def test_expiry(self):
        jobs = [self.create()['id'] for _ in range(4)]
        self.server.wait_for_job(jobs[3], 'done')
        self.assertEqual(self.server.get(f'/api/jobs/{jobs[0]}').status, 404)
        self.assertEqual(self.server.get(f'/api/jobs/{jobs[3]}').status, 200)
        self.server.wait_for(lambda: self.server.get(f'/api/jobs/{jobs[3]}').status == 404, timeout=10)

    def test_errors(self):
        for fields, status in [({}, 400), ({'prompt': 5}, 400), ({'prompt': 'x', 'model': 'none'}, 404),
                               ({'prompt': 'x', 'preview_interval': -1}, 400), ({'prompt': 'x', 'width': 17}, 400)]:
            answer = self.server.post('/api/jobs', fields)
            self.assertEqual((answer.status, list(answer.json)), (status, ['error']))
        for method in ['GET', 'DELETE']:
            for name in ['x', '0' * 32, '%2e%2e', 'a%00b']:
                self.assertIn(self.server.request(method, f'/api/jobs/{name}').status, (400, 404))


class Contract(ServerCase):
    """What the server describes of itself is so: right requests and wrong ones get documented answers."""

    ARGS = ['--max-work', '0.3']
    STORED = ['stored']
    VALUES = [None, True, False, 0, 1, -1, 16, 64, 2 ** 53, 1e300, 0.5, '', 'x', '64x64', 'png', 'url', '5m', 'tiny',
              '夕日',
              '\0', '\ud800', [], [1], {}, {'seed': 3}, 'a' * 10000]

    def resolve(self, schema):
        if '$ref' in schema:
            return self.resolve(self.api['components']['schemas'][schema['$ref'].rsplit('/', 1)[1]])
        return schema

    def check_type(self, schema, value, where):
        schema = self.resolve(schema)
        if value is None:
            self.assertTrue(schema.get('nullable'), where)
            return
        kinds = {'string': str, 'integer': int, 'number': (int, float), 'boolean': bool, 'object': dict, 'array': list}
        self.assertIsInstance(value, kinds[schema['type']], where)
        if 'enum' in schema:
            self.assertIn(value, schema['enum'], where)
        for name in schema.get('required', []):
            self.assertIn(name, value, where)
        for name, member in (value.items() if isinstance(value, dict) and 'properties' in schema else []):
            self.assertIn(name, schema['properties'], where)
            self.check_type(schema['properties'][name], member, f'{where}.{name}')
        for member in value if isinstance(value, list) else []:
            self.check_type(schema['items'], member, where)

    def check(self, method, path, operation, answer, body):
        where = f'{method} {path} {str(body)[:300]}: {answer.status} {answer.data[:200]}'
        self.assertNotEqual(answer.status, 500, where)
        self.assertIn(str(answer.status), operation['responses'], where)
        content = operation['responses'][str(answer.status)].get('content', {})
        kind = answer.headers.get('Content-Type', '').split(';')[0]
        if content or answer.data:
            self.assertIn(kind, content, where)
        if kind == 'application/json':
            self.check_type(content[kind]['schema'], answer.json, where)

    def bodies(self, operation):
        schema = operation.get('requestBody', {}).get('content', {}).get('application/json', {}).get('schema')
        if schema is None:
            yield None
            return
        properties = self.resolve(schema)['properties']
        base = {'model': 'stored', 'prompt': 'x', 'width': 64, 'height': 64, 'steps': 1, 'source': 'stored',
                'destination': 'copied', 'from': 'stored'}
        base = {name: value for name, value in base.items() if name in properties}
        yield base
        yield {}
        for name in properties:
            yield {key: value for key, value in base.items() if key != name}
            for value in self.VALUES:
                yield {**base, name: value}

    def test_documented_answers(self):
        self.api = self.server.get('/openapi.json').json
        # Pulling would ask servers of the Internet.
        for path, operations in self.api['paths'].items():
            for method, operation in operations.items() if path != '/api/pull' else ():
                for body in self.bodies(operation):
                    # What a model is called stays as it is, so that there is one.
                    if path in ('/api/delete', '/api/copy', '/api/create') and 'stored' in str(body) and body != {}:
                        body = {**body, 'model': 'none'} if path == '/api/delete' else body
                    real = path.replace('{id}', '0' * 32).replace('{n}', '0').replace('{model}', 'x')
                    answer = self.server.request(method.upper(), real, body)
                    self.check(method.upper(), path, operation, answer, body)
                    if answer.status == 202:
                        self.server.delete(answer.headers['Location'])

    def test_methods(self):
        self.api = self.server.get('/openapi.json').json
        for path, operations in self.api['paths'].items():
            real = path.replace('{id}', '0' * 32).replace('{n}', '0').replace('{model}', 'x')
            for method in {'GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'} - {name.upper() for name in operations}:
                answer = self.server.request(method, real)
                self.assertEqual(answer.status, 405, f'{method} {path}')
                self.assertEqual(set(answer.headers['Allow'].split(', ')), {name.upper() for name in operations})


class Gone(ServerCase):
    """Clients that do not wait for the answer."""

    def cancelled(self):
        return self.server.metric('zimage_jobs_total{state="cancelled"}')

    def idle(self):
        return self.server.metric('zimage_jobs_running') == 0 and self.server.metric('zimage_queue_length') == 0

    def check(self, path, body, moment):
        before = self.cancelled()
        sock = self.server.open('POST', path, body)
        moment()
        sock.close()
        self.server.wait_for(lambda: self.cancelled() == before + 1, timeout=5)
        self.server.wait_for(self.idle)

    def running(self):
        self.server.wait_for(lambda: self.server.metric('zimage_jobs_running') == 1)

    def denoising(self):
        self.running()
        time.sleep(0.5)

    def test_waiting_for_a_picture(self):
        for moment in [self.running, self.denoising]:
            self.check('/v1/images/generations', LONG, moment)
            self.check('/api/generate', {**LONG, 'model': 'tiny', 'stream': False}, moment)

    def test_streams(self):
        for moment in [self.running, self.denoising]:
            self.check('/v1/images/generations', {**LONG, 'stream': True}, moment)
            self.check('/v1/images/generations', {**LONG, 'stream': True, 'partial_images': 3}, moment)
            self.check('/api/generate', {**LONG, 'model': 'tiny'}, moment)

    def test_in_the_queue(self):
        first = self.server.open('POST', '/v1/images/generations', LONG)
        self.running()
        before = self.cancelled()
        second = self.server.open('POST', '/v1/images/generations', LONG)
        self.server.wait_for(lambda: self.server.metric('zimage_queue_length') == 1)
        second.close()
        self.server.wait_for(lambda: self.server.metric('zimage_queue_length') == 0)
        self.assertEqual(self.cancelled(), before + 1)
        first.close()
        self.server.wait_for(self.idle)

    def test_decoding(self):
        """Gone when the picture is developed: large pictures with one step take a while."""
        self.check('/v1/images/generations', {'prompt': 'x', 'width': 1024, 'height': 1024, 'steps': 1, 'n': 4},
                   self.denoising)

    def test_before_the_end_of_the_request(self):
        for part in [b'POST /v1', b'POST /v1/images/generations HTTP/1.1\r\nHost: x',
                     b'POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"pro']:
            with socket.create_connection(('127.0.0.1', self.server.port)) as sock:
                sock.sendall(part)
        self.assertEqual(self.server.get('/healthz').status, 200)

    def test_vanished(self):
        """The system asks whether a client is still there that only waits."""
        with self.server.open('POST', '/v1/images/generations', LONG) as sock:
            self.running()
            with open('/proc/net/tcp', encoding='ascii') as file:
                ours = f':{sock.getsockname()[1]:04X}'
                timers = [line.split()[5] for line in file if line.split()[2].endswith(ours)]
        self.assertEqual([timer[:3] for timer in timers], ['02:'])
        self.server.wait_for(self.idle)

    def test_reads_nothing(self):
        """A client that takes no answer holds up nobody else."""
        sock = self.server.open('POST', '/v1/images/generations',
                                {**LONG, 'steps': 200, 'width': 64, 'height': 64, 'stream': True, 'partial_images': 3})
        answer = self.server.post('/v1/images/generations', QUICK)
        self.assertEqual(answer.status, 200)
        sock.close()
        self.server.wait_for(self.idle)


class Limits(ServerCase):
    ARGS = ['--max-queue', '4', '--max-work', '20']

    def test_queue(self):
        sockets = [self.server.open('POST', '/v1/images/generations', {**LONG, 'steps': 200})]
        self.server.wait_for(lambda: self.server.metric('zimage_jobs_running') == 1)
        sockets += [self.server.open('POST', '/v1/images/generations', QUICK) for _ in range(4)]
        self.server.wait_for(lambda: self.server.metric('zimage_queue_length') == 4)
        for path, body in [('/v1/images/generations', QUICK), ('/api/generate', {**QUICK, 'model': 'tiny'}),
                           ('/api/jobs', QUICK)]:
            start = time.monotonic()
            answer = self.server.post(path, body)
            self.assertLess(time.monotonic() - start, 0.5)
            self.assertEqual(answer.status, 503)
            self.assertEqual(answer.headers['Retry-After'], '5')
            self.assertIn('4 jobs are waiting', str(answer.json['error']))
        for sock in sockets:
            sock.close()
        self.server.wait_for(lambda: self.server.metric('zimage_jobs_running') == 0)

    def test_work(self):
        for fields in [{'width': 4096, 'height': 4096, 'steps': 2}, {'width': 1024, 'height': 1024, 'steps': 1000},
                       {'n': 1000, 'steps': 100}]:
            answer = self.server.post('/v1/images/generations', {**QUICK, **fields})
            self.assertEqual((answer.status, answer.json['error']['code']), (422, 'too_large'))
            self.assertIn('at most 20', answer.json['error']['message'])

    def test_body(self):
        body = json.dumps({**QUICK, 'user': 'x' * (2 << 20)}).encode()
        answer = self.server.post('/v1/images/generations', raw=body)
        self.assertEqual((answer.status, answer.json['error']['type']), (413, 'invalid_request_error'))

        def chunks():
            for _ in range(50):
                yield b'x' * (1 << 16)
        connection = self.server.connect()
        connection.request('POST', '/v1/images/generations', body=chunks(), encode_chunked=True,
                           headers={'Transfer-Encoding': 'chunked'})
        self.assertEqual(connection.getresponse().status, 413)
        connection.close()

    def test_endless_body(self):
        connection = self.server.connect()
        with self.assertRaises(OSError):
            connection.request('POST', '/api/jobs', body=(b'x' * (1 << 20) for _ in range(1000)),
                               encode_chunked=True, headers={'Transfer-Encoding': 'chunked'})
            connection.getresponse()
        connection.close()
        self.assertEqual(self.server.get('/healthz').status, 200)

    def test_expect(self):
        """A client that asks before it sends a large body is told at once."""
        with socket.create_connection(('127.0.0.1', self.server.port), timeout=5) as sock:
            sock.sendall(b'POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n'
                         b'Expect: 100-continue\r\n\r\n')
            self.assertIn(b' 413 ', sock.recv(1000).splitlines()[0])

    def test_slow_connections(self):
        """200 that never finish a request hold up nobody."""
        sockets = [socket.create_connection(('127.0.0.1', self.server.port)) for _ in range(200)]
        for i, sock in enumerate(sockets):
            sock.sendall(b'POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n'[:10 + i % 60])
        start = time.monotonic()
        self.assertEqual(self.server.post('/v1/images/generations', QUICK).status, 200)
        self.assertLess(time.monotonic() - start, 5)
        for sock in sockets:
            sock.settimeout(60)
            self.assertEqual(sock.recv(1), b'')
            sock.close()
        self.server.wait_for(lambda: self.server.metric('zimage_connections') <= 2)


class PerClient(ServerCase):
    ARGS = ['--max-per-client', '2']

    def test_limit(self):
        jobs = [self.server.post('/api/jobs', LONG).json['id'] for _ in range(2)]
        answer = self.server.post('/v1/images/generations', QUICK)
        self.assertEqual((answer.status, answer.json['error']['type']), (429, 'rate_limit_error'))
        self.assertEqual(answer.headers['Retry-After'], '5')
        for job in jobs:
            self.server.delete(f'/api/jobs/{job}')
        self.server.wait_for(lambda: self.server.post('/v1/images/generations', QUICK).status == 200)


class Keyed(ServerCase):
    """Tests with a server that wants a key."""

    KEYS = ''
    MORE = []

    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile('w', suffix='.keys', delete=False) as file:
            file.write(cls.KEYS)
        cls.keys = file.name
        cls.ARGS = ['--api-key-file', file.name, *cls.MORE]
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        os.unlink(cls.keys)
        super().tearDownClass()


class PerKey(Keyed):
    KEYS = 'one\ntwo\n'
    MORE = ['--max-per-client', '1']

    def test_limit(self):
        """Clients at one address are told apart by their keys, in the log as well."""
        one, two = {'Authorization': 'Bearer one'}, {'Authorization': 'Bearer two'}
        job = self.server.post('/api/jobs', LONG, headers=one).json['id']
        self.assertEqual(self.server.post('/api/jobs', LONG, headers=one).status, 429)
        other = self.server.post('/api/jobs', LONG, headers=two)
        self.assertEqual(other.status, 202)
        for name in [job, other.json['id']]:
            self.server.delete(f'/api/jobs/{name}', headers=one)
        clients = {re.search('client=(\\S+)', line)[1] for line in self.server.lines if 'path=/api/jobs ' in line}
        self.assertEqual(len(clients), 2)
        for client in clients:
            self.assertRegex(client, '^key-[0-9a-f]{8}$')


class Strangers(ServerCase):
    ARGS = ['--allow-origin', 'https://friend.example', '--allow-host', 'pictures.example']

    def test_hosts(self):
        for host, status in [('localhost', 200), ('127.0.0.1:80', 200), ('[::1]:5', 200), ('192.168.1.5', 200),
                             ('LOCALHOST:1', 200), ('pictures.example', 200), ('evil.example', 403),
                             ('localhost.evil.example', 403), ('127.0.0.1.evil.example', 403), ('', 403)]:
            answer = self.server.get('/api/tags', headers={'Host': host})
            self.assertEqual(answer.status, status, host)

    def test_origins(self):
        own = f'http://127.0.0.1:{self.server.port}'
        for origin, status in [(own, 200), ('https://friend.example', 200), ('http://friend.example', 403), ('null',
                                                                                                             403),
                               ('http://evil.example', 403), (own + '0', 403), ('http://localhost:1', 403), ('', 403)]:
            answer = self.server.post('/api/show', {'model': 'tiny'}, headers={'Origin': origin})
            self.assertEqual(answer.status, status, origin)
            allowed = answer.headers['Access-Control-Allow-Origin']
            self.assertEqual(allowed, origin if 'https://friend' in origin else None)

    def test_whole_address(self):
        """A request may name the server in its first line; then no header says otherwise."""
        for target, host, origin, status in [('localhost', 'evil.example', None, 200),
                                             ('localhost', 'evil.example', 'http://evil.example', 403),
                                             ('evil.example', 'localhost', None, 403)]:
            headers = {'Host': host, **({'Origin': origin} if origin else {})}
            self.assertEqual(self.server.get(f'http://{target}/api/tags', headers=headers).status, status)
        answer = self.server.post('http://localhost/v1/images/generations', {**QUICK, 'response_format': 'url'},
                                  headers={'Host': 'evil.example'})
        self.assertTrue(answer.json['data'][0]['url'].startswith('http://localhost/api/jobs/'))

    def test_connections_of_what_is_refused(self):
        """Also where libsoup answers before the server is asked, no connection is left when the client goes."""
        for request in ['OPTIONS *', 'GET /a%00b', 'GET /%zz', 'GET /nothing', 'PUT /']:
            for _ in range(20):
                with socket.create_connection(('127.0.0.1', self.server.port), timeout=TIMEOUT) as sock:
                    sock.sendall(f'{request} HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode())
                    self.assertIn(sock.recv(1000).split()[1], [b'400', b'404', b'405'])
            self.server.wait_for(lambda: self.server.metric('zimage_connections') == 1, timeout=5)

    def test_body_of_get(self):
        """It has no meaning."""
        self.assertEqual(self.server.get('/healthz', raw=b'junk').status, 200)

    def test_headers(self):
        for path in ['/', '/healthz', '/nothing', '/v1/models']:
            self.assertEqual(self.server.get(path).headers['X-Content-Type-Options'], 'nosniff')

    def test_languages_of_the_page(self):
        for wanted, language, text in [
                (None, 'en', 'New picture'), ('de', 'de', 'Bild'), ('de-AT,de;q=0.9,en;q=0.5', 'de', 'Bild'),
                ('tlh, fr;q=0.2, es;q=0.7', 'es', 'Imagen'), ('zh-Hans-CN', 'zh-CN', '图片'), ('zh', 'zh-CN', '图片'),
                ('ja', 'ja', '画像'), ('fr', 'fr', 'image'), ('en-GB, de;q=0.9', 'en', 'New picture'),
                ('*', 'en', 'New picture'), ('../openapi', 'en', 'New picture'), (';q=', 'en', 'New picture'),
                ('-', 'en', 'New picture')]:
            with self.subTest(wanted):
                answer = self.server.get('/', headers={'Accept-Language': wanted} if wanted else {})
                page = answer.data.decode()
                self.assertEqual((answer.status, answer.headers['Vary']), (200, 'Accept-Language'))
                self.assertIn(f'<html lang="{language}">', page)
                self.assertIn(text, page)
                self.assertNotIn("_('", page)

    def test_head(self):
        job = self.server.post('/api/jobs', LONG).json['id']
        for path in ['/v1/models', f'/api/jobs/{job}', f'/api/jobs/{job}/events']:
            answer = self.server.request('HEAD', path)
            self.assertEqual((answer.status, answer.data), (200, b''))
        self.server.delete(f'/api/jobs/{job}')

    def test_preflight(self):
        headers = {'Origin': 'https://friend.example', 'Access-Control-Request-Method': 'POST'}
        answer = self.server.request('OPTIONS', '/v1/images/generations', headers=headers)
        self.assertEqual((answer.status, answer.headers['Access-Control-Allow-Origin']), (204,
                                                                                          'https://friend.example'))
        self.assertNotIn('Access-Control-Allow-Credentials', answer.headers)
        headers['Origin'] = 'https://evil.example'
        self.assertEqual(self.server.request('OPTIONS', '/v1/images/generations', headers=headers).status, 403)

    def test_other_paths(self):
        for path in ['/nothing', '/api', '/v1', '/api/jobs/', '//', '/index.html', '/%2e%2e/%2e%2e/etc/passwd',
                     '/api/jobs/../../etc/passwd', '/web/index.html']:
            self.assertIn(self.server.get(path).status, (400, 404, 405), path)
        answer = self.server.get('/v1/nothing')
        self.assertEqual(answer.json['error']['type'], 'not_found_error')

    def test_other_methods(self):
        answer = self.server.request('PUT', '/api/jobs/x')
        self.assertEqual((answer.status, answer.headers['Allow']), (405, 'GET, DELETE'))
        self.assertEqual(self.server.get('/v1/images/generations').status, 405)
        answer = self.server.request('HEAD', '/')
        self.assertEqual((answer.status, answer.data), (200, b''))

    def test_garbage(self):
        for data in [b'\0\1\2\3\r\n\r\n', b'GET\r\n\r\n', b'GET / HTTP/9.9\r\n\r\n', b'\x16\x03\x01\x02\x00\x01',
                     b'GET / HTTP/1.1\r\n' + b'X: y\r\n' * 20000 + b'\r\n',
                     b'POST /api/jobs HTTP/1.1\r\nHost: localhost\r\n'
                     b'Content-Length: -5\r\n\r\n', b'POST /api/jobs HTTP/1.1\r\nHost: localhost\r\n'
                     b'Transfer-Encoding: chunked\r\n\r\nzz\r\n']:
            with socket.create_connection(('127.0.0.1', self.server.port), timeout=10) as sock:
                try:
                    sock.sendall(data)
                    sock.shutdown(socket.SHUT_WR)
                    sock.recv(100)
                except OSError: # it may have hung up before all was sent
                    pass
        self.assertEqual(self.server.get('/healthz').status, 200)


class Keys(Keyed):
    KEYS = '# keys\n\nsecret-1\n  secret-2  \n'

    def test_keys(self):
        for header, status in [('Bearer secret-1', 200), ('bearer secret-2', 200), ('Bearer secret', 401), ('Bearer ',
                                                                                                            401),
                               ('Bearer secret-11', 401), ('Basic secret-1', 401), ('# keys', 401), (None, 401)]:
            answer = self.server.get('/v1/models', headers={'Authorization': header} if header else {})
            self.assertEqual(answer.status, status, header)
            if status == 401:
                self.assertEqual(answer.headers['WWW-Authenticate'], 'Bearer')
                self.assertEqual(answer.json['error']['type'], 'authentication_error')

    def test_public_paths(self):
        for path in ['/', '/healthz', '/openapi.json']:
            self.assertEqual(self.server.get(path).status, 200)
        for path in ['/metrics', '/api/tags', '/api/ps', '/api/version']:
            self.assertEqual(self.server.get(path).status, 401)

    def test_results(self):
        headers = {'Authorization': 'Bearer secret-1'}
        answer = self.server.post('/v1/images/generations', {**QUICK, 'response_format': 'url'}, headers=headers)
        path = answer.json['data'][0]['url'].split('/', 3)[3]
        self.assertEqual(self.server.get('/' + path).status, 200)
        self.assertNotIn('secret', '\n'.join(self.server.lines))

    def test_turns(self):
        """One who has many jobs does not keep another waiting for all of them."""
        mine, other = ({'Authorization': f'Bearer secret-{number}'} for number in (1, 2))
        jobs = [(self.server.post('/api/jobs', LONG, headers=headers).json['id'], headers)
                for headers in (mine, mine, mine, other)]
        places = [self.server.get(f'/api/jobs/{job}', headers=headers).json['position'] for job, headers in jobs]
        for job, headers in jobs:
            self.server.delete(f'/api/jobs/{job}', headers=headers)
        self.assertEqual(places, [0, 2, 3, 1])


class Models(ServerCase):
    ARGS = ['--memory', '60M']
    STORED = ['a', 'b']

    def loaded(self):
        return {model['name'] for model in self.server.get('/api/ps').json['models']}

    def test_swapping(self):
        """Each has weights of 29 MiB and takes 14 more for a picture; 60 may be used."""
        for name in ['a', 'b', 'tiny', 'a']:
            answer = self.server.post('/api/generate', {**QUICK, 'model': name, 'stream': False})
            self.assertEqual(answer.status, 200)
            self.assertEqual(self.loaded(), {name + ':latest'})

    def test_mixed_queue(self):
        jobs = [self.server.post('/api/jobs', {**QUICK, 'model': name}).json['id'] for name in ['a', 'b', 'a', 'tiny']]
        for job in jobs:
            self.server.wait_for_job(job, 'done')

    def test_removed_while_waiting(self):
        self.server.post('/api/copy', {'source': 'a', 'destination': 'c'})
        first = self.server.post('/api/jobs', {**QUICK, 'model': 'tiny', 'steps': 500}).json['id']
        second = self.server.post('/api/jobs', {**QUICK, 'model': 'c'}).json['id']
        self.assertEqual(self.server.delete('/api/delete', {'model': 'c'}).status, 200)
        self.server.delete(f'/api/jobs/{first}')
        job = self.server.wait_for_job(second, 'failed')
        self.assertIn('c:latest', job['error'])
        self.assertEqual(self.server.post('/v1/images/generations', QUICK).status, 200)


class Memory(ServerCase):
    """Weights take 29 MiB, small pictures 14 more, one of 256² 26; 80 may be used."""

    ARGS = ['--memory', '80MiB']
    STORED = ['tiny-a', 'tiny-b']

    def generate(self, model, side=64):
        fields = {'prompt': 'a cat', 'model': model, 'steps': 1, 'width': side, 'height': side}
        return self.server.post('/v1/images/generations', fields)

    def loaded(self):
        return {model['name'] for model in self.server.get('/api/ps').json['models']
                if model['expires_at'][:4] < '2100'}

    def test_budget(self):
        self.assertEqual([self.generate(name).status for name in ['tiny-a', 'tiny-b']], [200, 200])
        self.assertEqual(self.loaded(), {'tiny-a:latest', 'tiny-b:latest'})
        # What a picture takes counts, too.
        self.assertEqual(self.generate('tiny-b', 256).status, 200)
        self.assertEqual(self.loaded(), {'tiny-b:latest'})
        # In bands of rows the decoder takes a third, which is still too much.
        answer = self.generate('tiny-b', 1024)
        self.assertEqual((answer.status, answer.json['error']['code']), (422, 'out_of_memory'))
        self.assertIn('Choose a smaller picture', answer.json['error']['message'])
        self.assertEqual(self.generate('tiny-a').status, 200)
        self.assertEqual(self.loaded(), {'tiny-a:latest', 'tiny-b:latest'})

    def test_environment(self):
        server = Server(served.model, env={**self.env, 'ZIM_MEMORY_BUDGET': '1MiB'})
        self.assertEqual(server.post('/v1/images/generations', QUICK).status, 422)
        self.assertEqual(server.stop(), 0)


class CommandLine(ServerCase):
    """The commands when a server does the work."""

    STORED = ['stored']

    def zimage(self, *args, code=0, **env):
        env = {**self.env, 'ZIMAGE_MODELS': '/nonexistent', 'ZIMAGE_HOST': f'127.0.0.1:{self.server.port}', **env}
        result = subprocess.run([ZIMAGE, *args], env=env, capture_output=True, timeout=TIMEOUT,
                                stdin=subprocess.DEVNULL,
                                check=False)
        self.assertEqual(result.returncode, code, result.stderr.decode())
        result.err = result.stderr.decode()
        return result

    def test_run(self):
        args = ['a cat', '--size', '64x64', '--steps', '2', '--seed', '5', '-o', '-']
        remote = self.zimage('run', 'tiny', *args).stdout
        local = self.zimage('run', served.model, *args, ZIMAGE_HOST='').stdout
        self.assertTrue(remote.startswith(b'\x89PNG'))
        self.assertEqual(remote, local)

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            out = self.zimage('run', 'tiny', 'a cat', '--size', '64x64', '--steps', '1', '--n', '2', '--seed', '8',
                              '-o', folder + '/x.webp').stdout.decode()
            self.assertEqual(len(os.listdir(folder)), 2)
            self.assertRegex(out, r'Image saved to: \S+ \(seed 8, 1 step, 64x64, .*\)\n'
                                  r'Image saved to: \S+ \(seed 9, 1 step, 64x64, .*\)\n$')

    def test_models(self):
        self.assertRegex(self.zimage('list').stdout.decode(),
                         r'(?s)^NAME +ID +SIZE +MODIFIED\n.*stored:latest +[0-9a-f]{12}')
        self.zimage('cp', 'stored', 'copied')
        self.assertIn('copied:latest', [model['name'] for model in json.loads(self.zimage('list', '--json').stdout)])
        self.assertEqual(self.zimage('rm', 'copied').stdout, b'Removed copied\n')
        for args in [['stored'], ['stored', '--json'], ['stored', '--verbose'], ['stored', '--verbose', '--json']]:
            local = self.zimage('show', *args, ZIMAGE_HOST='', ZIMAGE_MODELS=self.store).stdout.decode()
            self.assertEqual(self.zimage('show', *args).stdout.decode(), local)
        self.assertIn('There is no model', self.zimage('rm', 'copied', code=3).err)

    def test_json(self):
        with tempfile.TemporaryDirectory() as folder:
            args = ['run', 'tiny', 'a cat', '--size', '64x64', '--steps', '1', '--n', '2', '--seed', '8', '--json',
                    '-o']
            remote = json.loads(self.zimage(*args, folder + '/x.png').stdout)
            args[1] = served.model
            local = json.loads(self.zimage(*args, folder + '/y.png', ZIMAGE_HOST='').stdout)
            for image in remote['images'] + local['images']:
                with open(image.pop('file'), 'rb') as file:
                    self.assertEqual(png_size(file.read()), (64, 64))
        self.assertEqual(remote['images'], local['images'])
        self.assertEqual((remote['model'], remote['server']), ('tiny', f'http://127.0.0.1:{self.server.port}'))

    def test_prompt_after_prompt(self):
        """At a terminal, where pictures are shown as well."""
        with tempfile.TemporaryDirectory() as folder:
            parent, child = pty.openpty()
            process = subprocess.Popen([ZIMAGE, 'run', 'tiny', '--size', '64x64', '--steps', '1'], stdin=child,
                                       stdout=child, stderr=child, cwd=folder,
                                       env={**self.env, 'ZIMAGE_HOST': f'127.0.0.1:{self.server.port}',
                                            'ZIMAGE_INLINE': 'kitty', 'TERM': 'xterm'})
            os.close(child)
            text = b''
            for prompt, answer in [(b'/show', b'Server'), (b'a cat', b'Image saved to'), (b'a dog', b'a-dog'),
                                   (b'/bye', None)]:
                os.write(parent, prompt + b'\n')
                while answer is not None and answer not in text:
                    text += os.read(parent, 65536)
            self.assertEqual(process.wait(TIMEOUT), 0)
            os.close(parent)
            self.assertIn(b'\x1b_G', text)
            self.assertEqual(len(os.listdir(folder)), 2)

    def test_ps_and_stop(self):
        self.zimage('run', 'stored', 'x', '--size', '64x64', '--steps', '1', '-o', '-')
        self.assertIn('stored:latest', self.zimage('ps').stdout.decode())
        self.zimage('stop', 'stored')
        self.assertNotIn('stored:latest', self.zimage('ps', '--host', f'http://localhost:{self.server.port}',
                                                      ZIMAGE_HOST='').stdout.decode())
        self.zimage('stop', 'none', code=3)

    def test_errors(self):
        self.assertIn('There is no model “none”', self.zimage('run', 'none', 'x', code=3).err)
        self.assertIn('Failed to reach the server', self.zimage('ps', ZIMAGE_HOST='127.0.0.1:1', code=1).err)
        self.assertIn('is no server', self.zimage('ps', ZIMAGE_HOST='a/b', code=1).err)
        self.assertIn('a server decides', self.zimage('run', 'tiny', 'x', '--device', 'cpu', code=2).err)
        self.assertIn('is on a host of its own', self.zimage('pull', 'localhost/a/b', code=4).err)
        self.zimage('run', 'tiny', 'x', '--size', '17x17', code=4)

    def test_interrupt(self):
        """Ctrl+C ends the job on the server, too."""
        process = subprocess.Popen([ZIMAGE, 'run', 'tiny', 'x', '--size', '256x256', '--steps', '1000'],
                                   env={**self.env, 'ZIMAGE_HOST': f'127.0.0.1:{self.server.port}'},
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.server.wait_for(lambda: self.server.metric('zimage_jobs_running') == 1)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(TIMEOUT), 130)
        process.stderr.close()
        self.server.wait_for(lambda: self.server.metric('zimage_jobs_running') == 0)

    def test_where_to_listen(self):
        server = Server(served.model, env={**self.env, 'ZIMAGE_HOST': '127.0.0.2:1'})
        self.assertIn('url=http://127.0.0.2:', '\n'.join(server.lines))
        self.assertEqual(server.stop(), 0)


class Operations(unittest.TestCase):
    def setUp(self):
        served.set_up_model()
        self.store = tempfile.TemporaryDirectory(prefix='zimage-store-')
        self.addCleanup(self.store.cleanup)
        self.env = environment(self.store.name)

    def serve(self, *args, **options):
        server = Server(*args, served.model, env=self.env, **options)
        self.addCleanup(server.stop)
        return server

    def fails(self, *args, code=1):
        result = subprocess.run([ZIMAGE, 'serve', *args], env=self.env, capture_output=True, timeout=TIMEOUT,
                                check=False)
        self.assertEqual(result.returncode, code)
        return result.stderr.decode()

    def test_port_that_is_taken(self):
        server = self.serve()
        self.assertIn('--port', self.fails('--port', str(server.port)))

    def test_wrong_usage(self):
        self.assertIn('keep-alive', self.fails('--keep-alive', 'soon', code=2))
        self.assertIn('port', self.fails('--port', '70000', code=2))
        self.assertIn('There is no model', self.fails('./nothing', '--port', '0', code=3))
        self.assertIn('no-such-file', self.fails('--tls-certificate', '/no-such-file', '--port', '0'))
        self.assertIn('no-such-file', self.fails('--api-key-file', '/no-such-file', '--port', '0'))
        self.assertIn('has no key', self.fails('--api-key-file', '/dev/null', '--port', '0'))

    def test_exposure(self):
        for host in ['0.0.0.0', '::']:
            self.assertIn('--api-key-file', self.fails('--host', host, '--port', '0', code=4))
        server = self.serve('--host', '0.0.0.0', '--insecure')
        self.assertEqual(server.get('/healthz').status, 200)

    def test_health_and_metrics(self):
        server = self.serve()
        self.assertEqual(server.get('/healthz').json, {'status': 'ok'})
        server.post('/v1/images/generations', QUICK)
        answer = server.get('/metrics')
        self.assertTrue(answer.headers['Content-Type'].startswith('text/plain; version=0.0.4'))
        names = set()
        for line in answer.data.decode().splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? [0-9.e+]+)$')
            names.add(re.split(r'[ {]', line.removeprefix('# HELP ').removeprefix('# TYPE '))[0])
        for name in ['zimage_queue_length', 'zimage_jobs_total', 'zimage_job_seconds_bucket',
                     'zimage_stage_seconds_sum',
                     'process_resident_memory_bytes', 'zimage_model_bytes']:
            self.assertIn(name, names)
        self.assertEqual(server.metric('zimage_jobs_total{state="done"}'), 1)
        self.assertGreater(server.metric('zimage_stage_seconds_sum{stage="denoise"}'), 0)

    def test_log(self):
        server = self.serve()
        server.post('/v1/images/generations', {**QUICK, 'prompt': 'private'})
        server.get('/a%20b%0aevent=x%22')
        server.get('/v1/models/%ff%c3%28%c2%85%f0%9f%98%80')
        self.assertEqual(server.stop(), 0)
        for line in server.lines:
            self.assertRegex(line, r'^time=\S+Z level=info event=\w+( \w+=([^ "]+|"([^"\\]|\\.)*"))*$')
        text = '\n'.join(server.lines)
        # Bytes that are no characters, or none that can be seen, are written as numbers.
        self.assertIn('path="/v1/models/\\xff\\xc3(\\xc2\\x85😀"', text)
        self.assertRegex(text, r'event=request method=POST path=/v1/images/generations status=200 ms=[\d.]+ '
                               r'client=127.0.0.1 job=[0-9a-f]{32}')
        self.assertNotIn('private', text)

    def test_idle_unload(self):
        server = self.serve('--keep-alive', '0.3s')
        server.post('/v1/images/generations', QUICK)
        self.assertEqual(len(server.get('/api/ps').json['models']), 1)
        server.wait_for(lambda: server.get('/api/ps').json['models'] == [], timeout=5)
        self.assertEqual(server.post('/v1/images/generations', QUICK).status, 200)

    def test_socket_activation(self):
        """As systemd does it: a socket that listens already, and a word when the server is ready."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(folder.name + '/notify')
        notify.settimeout(TIMEOUT)
        with socket.create_server(('127.0.0.1', 0)) as listener:
            port = listener.getsockname()[1]
            script = 'fd=$1; shift; eval "exec 3<&$fd"; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
            process = subprocess.Popen(['bash', '-c', script, 'x', str(listener.fileno()), ZIMAGE, 'serve',
                                        served.model],
                                       env={**self.env, 'NOTIFY_SOCKET': folder.name + '/notify'},
                                       pass_fds=[listener.fileno()], stderr=subprocess.PIPE)
            server = Server.__new__(Server)
            server.port = port
            self.assertEqual(notify.recv(100), b'READY=1')
            self.assertEqual(server.post('/v1/images/generations', QUICK).status, 200)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(notify.recv(100), b'STOPPING=1')
            self.assertEqual(process.wait(TIMEOUT), 0)
            process.stderr.close()
            notify.close()
            # The socket is systemd's and still listens.
            socket.create_connection(('127.0.0.1', port)).close()

    @unittest.skipIf(shutil.which('systemd-analyze') is None, 'there is no systemd-analyze')
    def test_units(self):
        """systemd finds nothing to complain of, not even where it would go on."""
        source = os.path.join(served.SOURCE, 'data', 'systemd')
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(source, 'zimage.service.in'), encoding='utf-8') as file:
                unit = file.read().replace('@bindir@', os.path.dirname(ZIMAGE))
            with open(os.path.join(folder, 'zimage.service'), 'w', encoding='utf-8') as file:
                file.write(unit)
            shutil.copy(os.path.join(source, 'zimage.socket'), folder)
            result = subprocess.run(['systemd-analyze', '--user', 'verify', './zimage.service', './zimage.socket'],
                                    cwd=folder, env={**self.env, 'XDG_RUNTIME_DIR': folder}, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False)
        self.assertEqual((result.returncode, result.stdout), (0, b''))

    def test_socket_activation_of_no_socket(self):
        script = 'exec 3</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"'
        result = subprocess.run(['bash', '-c', script, 'x', ZIMAGE, 'serve'], env=self.env, capture_output=True,
                                timeout=TIMEOUT, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b'LISTEN_FDS', result.stderr)

    def stop_with(self, server, path, body):
        """The answer to a request that was running when the server was stopped, and the exit code."""
        connection = server.connect()
        connection.request('POST', path, body=json.dumps(body))
        server.wait_for(lambda: server.metric('zimage_jobs_running') == 1)
        server.process.send_signal(signal.SIGTERM)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return served.Answer(response, data), server.stop()

    def test_stop_finishes_what_runs(self):
        body = {**QUICK, 'steps': 60}
        answer, code = self.stop_with(self.serve('--grace', '60s'), '/v1/images/generations', body)
        self.assertEqual((answer.status, code), (200, 0))
        self.assertEqual(png_size(base64.b64decode(answer.json['data'][0]['b64_json'])), (64, 64))

    def test_stop_cancels_what_takes_too_long(self):
        server = self.serve('--grace', '0.3s')
        waiting = server.connect()
        start = time.monotonic()
        answer, code = self.stop_with(server, '/v1/images/generations', LONG)
        self.assertLess(time.monotonic() - start, 10)
        self.assertEqual((answer.status, code), (503, 0))
        self.assertIn('stopped', answer.json['error']['message'])
        waiting.close()

    def test_stop_ends_streams_with_an_error(self):
        answer, code = self.stop_with(self.serve('--grace', '0'), '/v1/images/generations', {**LONG, 'stream': True})
        events = list(parse_events(answer.data.decode()))
        self.assertEqual((events[-1][0], code), ('error', 0))
        answer, code = self.stop_with(self.serve('--grace', '0'), '/api/generate', {**LONG, 'model': 'tiny'})
        self.assertIn('stopped', json.loads(answer.data.splitlines()[-1])['error'])
        self.assertEqual(code, 0)

    def test_stop_refuses_new_connections(self):
        server = self.serve('--grace', '60s')
        sock = server.open('POST', '/v1/images/generations', LONG)
        server.wait_for(lambda: server.metric('zimage_jobs_running') == 1)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for(lambda: 'event=stop' in server.lines[-1])
        with self.assertRaises(ConnectionRefusedError):
            server.get('/healthz')
        # The second signal does not wait.
        server.process.send_signal(signal.SIGTERM)
        self.assertIn(b' 503 ', sock.recv(1000))
        sock.close()
        self.assertEqual(server.stop(), 0)

    def test_stop_when_idle(self):
        for number in [signal.SIGTERM, signal.SIGINT]:
            start = time.monotonic()
            self.assertEqual(self.serve().stop(number), 0)
            self.assertLess(time.monotonic() - start, 10)

    def test_tls(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        key, certificate = folder.name + '/key.pem', folder.name + '/cert.pem'
        made = subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
                               '-nodes', '-keyout', key, '-out', certificate, '-days', '2', '-subj', '/CN=localhost',
                               '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'], capture_output=True,
                               check=False)
        if made.returncode != 0:
            self.skipTest('there is no openssl')
        server = self.serve('--tls-certificate', certificate, '--tls-key', key)
        context = ssl.create_default_context(cafile=certificate)
        server.connect = lambda: __import__('http.client').client.HTTPSConnection('127.0.0.1', server.port,
                                                                                context=context, timeout=TIMEOUT)
        answer = server.post('/v1/images/generations', {**QUICK, 'response_format': 'url'})
        self.assertTrue(answer.json['data'][0]['url'].startswith('https://127.0.0.1:'))
        # One that never says hello is let go.
        silent = socket.create_connection(('127.0.0.1', server.port), timeout=40)
        self.assertEqual(silent.recv(1), b'')
        silent.close()
        self.assertEqual(server.get('/healthz').status, 200)

    def test_truncated_weights(self):
        """A file that is shorter than its model says is an error, not a crash."""
        store = subprocess.run([ZIMAGE, 'create', 'broken', '-f', served.model, '--quiet'], env=self.env, check=True)
        self.assertEqual(store.returncode, 0)
        server = self.serve()
        blobs = os.path.join(self.store.name, 'blobs')
        largest = max((os.path.join(blobs, name) for name in os.listdir(blobs)), key=os.path.getsize)
        os.truncate(largest, os.path.getsize(largest) // 2)
        answer = server.post('/v1/images/generations', {**QUICK, 'model': 'broken'})
        self.assertEqual((answer.status, answer.json['error']['type']), (500, 'server_error'))
        self.assertEqual(server.post('/v1/images/generations', QUICK).status, 200)


    def test_weights_cut_off_while_used(self):
        """A file that gets shorter under a job ends that job, and no other; when it is whole again, so is the model."""
        with tempfile.TemporaryDirectory() as folder:
            given = os.path.join(folder, 'given')
            shutil.copytree(served.model, given)
            with open(os.path.join(given, 'zimage.json'), 'r+', encoding='utf-8') as file:
                text = file.read().replace('"tiny"', '"given"')
                file.seek(0)
                file.write(text)
            subprocess.run([ZIMAGE, 'create', 'stored', '-f', given, '--quiet'], env=self.env, check=True)
            server = Server(served.model, given, env=self.env)
            self.addCleanup(server.stop)
            blobs = os.path.join(self.store.name, 'blobs')
            large = [path for blob in os.listdir(blobs) if os.path.getsize(path := os.path.join(blobs, blob)) > 1 << 16]
            self.cut_off(server, 'given', [os.path.join(given, 'transformer/diffusion_pytorch_model.safetensors')])
            self.cut_off(server, 'stored', large)

    def cut_off(self, server, name, paths):
        first = server.post('/v1/images/generations', {**QUICK, 'model': name, 'seed': 3})
        self.assertEqual(first.status, 200)
        contents = {}
        for path in paths:
            with open(path, 'rb') as file:
                contents[path] = file.read()
        job = server.post('/api/jobs', {**LONG, 'model': name}).json['id']
        server.wait_for(lambda: server.get(f'/api/jobs/{job}').json['step'] > 0)
        for path in paths:
            os.truncate(path, 4096)
        self.assertIn('was cut off', server.wait_for_job(job, 'failed')['error'])
        self.assertEqual(server.post('/v1/images/generations', {**QUICK, 'model': name}).status, 500)
        self.assertEqual(server.post('/v1/images/generations', {**QUICK, 'model': 'tiny'}).status, 200)
        for path in paths:
            with open(path, 'r+b') as file:
                file.write(contents[path])
        again = server.post('/v1/images/generations', {**QUICK, 'model': name, 'seed': 3})
        self.assertEqual(again.json['data'], first.json['data'])


class Load(ServerCase):
    """A tenth of what “./dev soak” does."""

    CLIENTS = 8
    REQUESTS = int(os.environ.get('ZIM_REQUESTS', '5'))
    ARGS = ['--max-queue', '32', '--keep-alive', '-1']

    def one(self, i):
        if i % 4 == 0:
            answer = self.server.post('/v1/images/generations', {**QUICK, 'seed': i})
            return answer.status == 200 and answer.json['data'][0]['seed'] == i
        if i % 4 == 1:
            answer = self.server.post('/v1/images/generations', {**QUICK, 'seed': i, 'stream': True})
            return list(parse_events(answer.data.decode()))[-1][0] == 'done'
        if i % 4 == 2:
            answer = self.server.post('/api/generate', {**QUICK, 'model': 'tiny', 'options': {'seed': i}})
            return json.loads(answer.data.splitlines()[-1])['seed'] == i
        job = self.server.post('/api/jobs', {**QUICK, 'seed': i}).json['id']
        done = list(parse_events(self.server.get(f'/api/jobs/{job}/events').data.decode()))[-1]
        return done[0] == 'done' and self.server.get(f'/api/jobs/{job}/image/0').data.startswith(b'\x89PNG')

    def run_clients(self, n_clients, work):
        results = []

        def client(number):
            for i in range(self.REQUESTS):
                results.append(work(number * self.REQUESTS + i))
        threads = [threading.Thread(target=client, args=[number]) for number in range(n_clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def test_mixed(self):
        self.one(0)
        before = {name: self.server.metric(name) for name in
                  ['zimage_server_thread_cpu_seconds_total', 'zimage_http_request_seconds_count']}
        results = self.run_clients(self.CLIENTS, self.one)
        self.assertEqual(results, [True] * (self.CLIENTS * self.REQUESTS))
        cpu, n = (self.server.metric(name) - value for name, value in before.items())
        print(f'# {1000 * cpu / n:.2f} ms of the main thread for each of {n:.0f} requests')
        self.assertLess(cpu / n, 0.005)

    def test_memory(self):
        """Resident memory does not grow with the number of requests, of all kinds."""
        n = 20 * self.REQUESTS
        for i in range(n):
            self.assertTrue(self.one(i))
        before = self.server.metric('process_resident_memory_bytes')
        for i in range(n):
            self.assertTrue(self.one(i))
        after = self.server.metric('process_resident_memory_bytes')
        print(f'# {before / 2 ** 20:.1f} MiB after {n} requests, {after / 2 ** 20:.1f} after {2 * n}')
        self.assertLess(after - before, 8 << 20)

    def test_order(self):
        """Jobs are done in the order in which they came."""
        ids = [self.server.post('/api/jobs', {**QUICK, 'steps': 3}).json['id'] for _ in range(8)]
        ends = []
        threads = [threading.Thread(target=lambda job=job: (self.server.get(f'/api/jobs/{job}/events'),
                                                            ends.append(job)))
                   for job in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Those who are told at nearly the same time may note it in any order.
        for place, job in enumerate(ends):
            self.assertLessEqual(abs(place - ids.index(job)), 2)

    def test_flood(self):
        """All at once: those that find no place are told at once, the others are served."""
        n = 10 * self.REQUESTS
        results = []

        def one():
            start = time.monotonic()
            answer = self.server.post('/v1/images/generations', QUICK)
            results.append((answer.status, time.monotonic() - start))
        threads = [threading.Thread(target=one) for _ in range(n)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        statuses = {status for status, _ in results}
        self.assertEqual(len(results), n)
        self.assertTrue(statuses <= {200, 503}, statuses)
        self.assertIn(200, statuses)
        self.assertEqual(self.server.post('/v1/images/generations', QUICK).status, 200)


if __name__ == '__main__':
    unittest.main()
