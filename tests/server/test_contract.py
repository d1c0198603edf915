#!/usr/bin/env python3
# test_contract.py: answers are those that openapi.json describes
#
# SPDX-License-Identifier: LGPL-2.1-or-later

import unittest

import served
from served import ServerCase


def tearDownModule():
    served.clean_up()


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


if __name__ == '__main__':
    unittest.main()
