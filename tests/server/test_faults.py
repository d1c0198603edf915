#!/usr/bin/env python3
# test_faults.py: what clients, files and networks do wrong
#
# SPDX-License-Identifier: LGPL-2.1-or-later

import json
import re
import socket
import time
import unittest

import served
from served import LONG, QUICK, TIMEOUT, Keyed, Server, ServerCase


def tearDownModule():
    served.clean_up()


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


if __name__ == '__main__':
    unittest.main()
