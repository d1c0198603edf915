# SPDX-License-Identifier: LGPL-2.1-or-later
"""A server in a process of its own, and a client for it that is nothing but sockets.

ZIMAGE is the program, MAKE_TINY_MODEL makes a model of random weights in a folder.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

ZIMAGE = os.environ['ZIMAGE']
MAKE_TINY_MODEL = os.environ['MAKE_TINY_MODEL']
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TIMEOUT = 60
# Jobs that are over in no time, and those that last until somebody ends them.
QUICK = {'prompt': 'a cat', 'width': 64, 'height': 64, 'steps': 1}
LONG = {'prompt': 'a cat', 'width': 256, 'height': 256, 'steps': 1000}


class Answer:
    def __init__(self, response, data):
        self.status = response.status
        self.headers = response.headers
        self.data = data

    @property
    def json(self):
        return json.loads(self.data)


def parse_events(text):
    """Pairs of an event's name and its data."""
    for block in text.split('\n\n'):
        fields = dict(line.split(': ', 1) for line in block.splitlines() if not line.startswith(':'))
        if fields:
            yield fields.get('event'), json.loads(fields['data'])


class Server:
    def __init__(self, *args, env=None, ready=True, **options):
        self.process = subprocess.Popen([ZIMAGE, 'serve', '--port', '0', *args], env=env, stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, **options)
        self.lines = []
        self.port = None
        self.listening = threading.Event()
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        if ready and not self.listening.wait(TIMEOUT):
            raise RuntimeError('the server does not listen:\n' + '\n'.join(self.lines))

    def read_log(self):
        for line in self.process.stderr:
            self.lines.append(line.decode().rstrip('\n'))
            match = re.search(r'event=listen url=https?://\S+:(\d+)', self.lines[-1])
            if match:
                self.port = int(match[1])
                self.listening.set()
        self.listening.set()

    def stop(self, number=signal.SIGTERM):
        """The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(TIMEOUT)
        self.reader.join(TIMEOUT)
        self.process.stderr.close()
        return code

    def connect(self, timeout=TIMEOUT):
        return http.client.HTTPConnection('127.0.0.1', self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None, raw=None):
        data = json.dumps(body).encode() if body is not None else raw
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body=data, headers=headers or {})
            response = connection.getresponse()
            return Answer(response, response.read())

    def get(self, path, **options):
        return self.request('GET', path, **options)

    def post(self, path, body=None, **options):
        return self.request('POST', path, body, **options)

    def delete(self, path, body=None, **options):
        return self.request('DELETE', path, body, **options)

    def open(self, method, path, body=None):
        """A request whose answer is not waited for: its socket."""
        data = json.dumps(body).encode() if body is not None else b''
        sock = socket.create_connection(('127.0.0.1', self.port), timeout=TIMEOUT)
        sock.sendall(f'{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n'.encode()
                     + data)
        return sock

    def metric(self, name):
        for line in self.get('/metrics').data.decode().splitlines():
            if line.startswith(name + ' '):
                return float(line.rsplit(' ', 1)[1])
        raise KeyError(name)

    def wait_for(self, what, timeout=TIMEOUT):
        end = time.monotonic() + timeout
        while not (result := what()):
            if time.monotonic() > end:
                raise AssertionError('it did not come')
            time.sleep(0.01)
        return result

    def wait_for_job(self, job, state):
        return self.wait_for(lambda: (got := self.get(f'/api/jobs/{job}').json)['state'] == state and got)


work = None
model = None


def set_up_model():
    """Makes a tiny model once; it is called “tiny”."""
    global work, model
    if work is None:
        work = tempfile.mkdtemp(prefix='zimage-server-')
        model = os.path.join(work, 'tiny')
        subprocess.run([MAKE_TINY_MODEL, model], check=True, timeout=TIMEOUT, stdout=subprocess.DEVNULL)
    return model


def clean_up():
    shutil.rmtree(work, ignore_errors=True)


def environment(store, **changes):
    unset = ['ZIM_DEVICE', 'ZIMAGE_HOST', 'LISTEN_FDS', 'LISTEN_PID', 'NOTIFY_SOCKET', 'LANGUAGE', 'http_proxy',
             'HF_TOKEN', 'ZIMAGE_TOKEN']
    env = {name: value for name, value in os.environ.items() if name not in unset}
    # A team of threads that wait for each other is slow on a machine that has others to care for.
    env.update(LC_ALL='C.UTF-8', HOME=work, ZIMAGE_MODELS=store, ZIM_DEVICE='cpu', ZIM_THREADS='1',
               XDG_CACHE_HOME=os.path.join(work, 'cache'), XDG_STATE_HOME=os.path.join(work, 'state'),

               # The system's schemas and types of files are needed, too.
               XDG_DATA_DIRS=':'.join([os.path.join(work, 'share'), '/usr/local/share', '/usr/share']))
    env.update(changes)
    return env


class ServerCase(unittest.TestCase):
    """Tests with a server of the class's own, started once with ARGS."""

    maxDiff = None
    ARGS = []
    STORED = []

    @classmethod
    def setUpClass(cls):
        set_up_model()
        cls.store = tempfile.mkdtemp(prefix='zimage-store-')
        cls.env = environment(cls.store)
        for name in cls.STORED:
            subprocess.run([ZIMAGE, 'create', name, '-f', model, '--quiet'], check=True, timeout=TIMEOUT, env=cls.env)
        cls.server = Server(*cls.ARGS, model, env=cls.env)

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        shutil.rmtree(cls.store, ignore_errors=True)
        if code != 0:
            raise AssertionError(f'the server ended with {code}:\n' + '\n'.join(cls.server.lines[-20:]))


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


def png_size(data):
    assert data.startswith(b'\x89PNG'), data[:20]
    return struct.unpack('>II', data[16:24])
