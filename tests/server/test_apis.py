#!/usr/bin/env python3
# test_apis.py: the APIs: OpenAI, Ollama, jobs
#
# SPDX-License-Identifier: LGPL-2.1-or-later

import base64
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'cli'))

import pull_server
import served
from served import LONG, QUICK, TIMEOUT, ZIMAGE, Server, ServerCase, environment, parse_events, png_size


def tearDownModule():
    served.clean_up()


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
        answer = self.server.post('/api/copy', {'source': 'tiny', 'destination': 'brought'})
        self.assertEqual((answer.status, answer.data), (200, b''))
        self.assertEqual(self.generate(model='brought', stream=False).status, 200)
        for name in ['copied', 'created', 'created2', 'brought']:
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


class Installed(unittest.TestCase):
    """Models that are installed with the program: they need neither the store nor the command line."""

    DEMO = os.path.join(served.SOURCE, 'data', 'models', 'demo')

    def setUp(self):
        served.set_up_model()
        folder = tempfile.TemporaryDirectory(prefix='zimage-installed-')
        self.addCleanup(folder.cleanup)
        models = os.path.join(folder.name, 'share', 'zimage', 'models')
        os.makedirs(os.path.join(models, 'empty'))
        os.makedirs(os.path.join(models, 'unreadable'))
        with open(os.path.join(models, 'unreadable', 'model_index.json'), 'w', encoding='utf-8') as file:
            file.write('?')
        os.symlink(self.DEMO, os.path.join(models, 'demo'))
        self.env = environment(os.path.join(folder.name, 'store'), XDG_DATA_DIRS=os.path.join(folder.name, 'share'))

    def serve(self, *args):
        server = Server(*args, env=self.env)
        self.addCleanup(server.stop)
        return server

    def put_into_store(self, name):
        subprocess.run([ZIMAGE, 'create', name, '-f', served.model, '--quiet'], check=True, timeout=TIMEOUT,
                       env=self.env)

    def tags(self, server):
        return {model['name']: model for model in server.get('/api/tags').json['models']}

    def ids(self, server):
        return [model['id'] for model in server.get('/v1/models').json['data']]

    def picture(self, server, **fields):
        answer = server.post('/v1/images/generations', {**QUICK, 'seed': 7, **fields})
        self.assertEqual(answer.status, 200, answer.data)
        return answer.json['data'][0]['b64_json']

    def test_demo(self):
        """It is listed, described and used by its name, and by none if there is no other."""
        server = self.serve()
        self.assertEqual(self.ids(server), ['demo:latest'])
        demo, = self.tags(server).values()
        self.assertEqual((demo['name'], demo['digest'], demo['details']['quantization_level']),
                         ('demo:latest', '', 'BF16'))
        self.assertGreater(demo['size'], 10 << 20)
        self.assertEqual(server.get('/v1/models/demo').json['id'], 'demo:latest')
        self.assertEqual(server.post('/api/show', {'model': 'demo'}).json['model_info']['image.width'], 128)
        out = subprocess.run([ZIMAGE, 'run', 'demo', 'a cat', '--size', '64x64', '--steps', '1', '--seed', '7', '-o',
                              '-'], env=self.env, capture_output=True, check=True, timeout=TIMEOUT).stdout
        self.assertEqual(base64.b64decode(self.picture(server, model='demo')), out)
        for name in ['demo:latest', None]:
            self.assertEqual(base64.b64decode(self.picture(server, model=name)), out)
        lines = server.post('/api/generate', {**QUICK, 'model': 'demo', 'options': {'seed': 7}}).data.splitlines()
        self.assertEqual(base64.b64decode(json.loads(lines[-1])['image']), out)
        self.assertEqual([model['name'] for model in server.get('/api/ps').json['models']], ['demo:latest'])
        self.assertEqual(self.ids(server), ['demo:latest'])

    def test_names(self):
        """Only what is listed is found: no path, no other tag, nothing that is no model."""
        server = self.serve()
        for name in ['demo:other', '../models/demo', 'models', '..', '.', 'x/demo', self.DEMO, 'Demo', 'empty',
                     'unreadable']:
            answer = server.post('/v1/images/generations', {**QUICK, 'model': name})
            self.assertGreaterEqual(answer.status, 400, name)
            self.assertNotIn(name, self.ids(server))

    def test_the_store_comes_first(self):
        """Also if it has one of the same name, which is listed once."""
        self.put_into_store('other')
        server = self.serve()
        self.assertEqual(self.ids(server), ['other:latest', 'demo:latest'])
        tiny = self.picture(server)
        self.assertNotEqual(tiny, self.picture(server, model='demo'))
        server.post('/api/generate', {'model': 'demo', 'keep_alive': 0})
        self.put_into_store('demo')
        self.assertEqual(sorted(self.ids(server)), ['demo:latest', 'other:latest'])
        self.assertNotEqual(self.tags(server)['demo:latest']['digest'], '')
        self.assertEqual(tiny, self.picture(server, model='demo'))
        server.delete('/api/delete', {'model': 'demo'})
        self.assertEqual(self.tags(server)['demo:latest']['digest'], '')

    def test_named_when_started(self):
        """A name is the model's name, whether it is installed or of the store; nothing is listed twice."""
        self.put_into_store('other')
        server = self.serve('demo', 'other', served.model)
        self.assertEqual(self.ids(server), ['demo:latest', 'other:latest', 'tiny:latest'])
        self.assertEqual(self.picture(server), self.picture(server, model='demo'))
        self.assertEqual(self.picture(server, model='other'), self.picture(server, model='tiny'))

    def test_create(self):
        """What is no model of the store yet becomes one."""
        server = self.serve(served.model)
        for name in ['demo', 'tiny']:
            lines = server.post('/api/create', {'model': 'new/' + name, 'from': name}).data.splitlines()
            self.assertEqual(json.loads(lines[-1]), {'status': 'success'})
            self.assertEqual(self.picture(server, model='new/' + name), self.picture(server, model=name))


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
        # An event says what the job itself says, in its words.
        self.assertEqual(set(events[0][1]), {'state', 'stage', 'position', 'step', 'total', 'fraction', 'eta'})
        self.assertEqual({**events[0][1], 'eta': None}, {**{name: job[name] for name in events[0][1]}, 'eta': None})
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


if __name__ == '__main__':
    unittest.main()
