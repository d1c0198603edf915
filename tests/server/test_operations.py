#!/usr/bin/env python3
# test_operations.py: starting, stopping and using it from the command line
#
# SPDX-License-Identifier: LGPL-2.1-or-later

import base64
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

import served
from served import LONG, QUICK, TIMEOUT, ZIMAGE, Server, ServerCase, environment, parse_events, png_size


def tearDownModule():
    served.clean_up()


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
        # Whoever runs it finds the reason in the log, but not what clients have done wrong.
        self.assertEqual(server.post('/v1/images/generations', {**QUICK, 'size': 'private'}).status, 400)
        self.assertEqual(server.stop(), 0)
        text = '\n'.join(server.lines)
        self.assertRegex(text, 'status=500 .* error=".*' + re.escape(os.path.basename(largest)[:20]))
        self.assertNotIn('private', text)


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
                    self.assertTrue(select.select([parent], [], [], TIMEOUT)[0], text)
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


if __name__ == '__main__':
    unittest.main()
