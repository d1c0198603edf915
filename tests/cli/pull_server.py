# pull_server.py: a server that speaks the protocols of registries and of Hugging Face, for programs that pull from it
#
# SPDX-License-Identifier: LGPL-2.1-or-later

import hashlib
import http.server
import json
import os
import re
import threading
import time

COMMIT = '0123456789abcdef0123456789abcdef01234567'


class Server(http.server.ThreadingHTTPServer):
    """Serves a store's model as library/m:latest, and a diffusers folder as every repository there is."""
    daemon_threads = True

    def __init__(self, store, folder):
        super().__init__(('127.0.0.1', 0), Handler)
        self.store, self.folder = store, folder
        self.pause = 0    # seconds before each answer
        self.asked = []   # paths, and where their ranges begin
        self.url = f'http://127.0.0.1:{self.server_port}'
        self.listing = self.list()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *args):
        self.shutdown()
        super().__exit__(*args)

    def handle_error(self, request, address):
        """Whoever is killed does not say goodbye."""

    def list(self):
        siblings = []
        for path, _, names in os.walk(self.folder):
            for name in names:
                file = os.path.join(path, name)
                sibling = {'rfilename': os.path.relpath(file, self.folder), 'size': os.path.getsize(file)}
                if name.endswith('.safetensors'):
                    with open(file, 'rb') as opened:
                        sibling['lfs'] = {'sha256': hashlib.sha256(opened.read()).hexdigest()}
                siblings.append(sibling)
        return json.dumps({'sha': COMMIT, 'siblings': siblings}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def find(self):
        path = self.path.partition('?')[0]
        if '/blobs/sha256:' in path:
            return os.path.join(self.server.store, 'blobs', 'sha256-' + path.rpartition(':')[2])
        if path.endswith('/m/manifests/latest'):
            return os.path.join(self.server.store, 'manifests-v2/ollama.com/library/m/latest')
        return os.path.join(self.server.folder, path.partition(f'/resolve/{COMMIT}/')[2] or 'nothing')

    def read(self):
        """The bytes of what was asked for, and how many the whole has."""
        if self.path.startswith('/api/models/'):
            return self.server.listing, len(self.server.listing), None
        path = self.find()
        size = os.path.getsize(path)
        match = re.fullmatch(r'bytes=(\d+)-(\d+)', self.headers.get('Range', ''))
        begin, end = (int(match[1]), min(int(match[2]) + 1, size)) if match else (0, size)
        with open(path, 'rb') as file:
            file.seek(begin)
            return file.read(end - begin), size, begin if match else None

    def do_GET(self):
        time.sleep(self.server.pause)
        try:
            data, size, begin = self.read()
        except OSError:
            self.send_error(404)
            return
        self.server.asked.append((self.path, begin))
        self.send_response(200 if begin is None else 206)
        if begin is not None:
            self.send_header('Content-Range', f'bytes {begin}-{begin + len(data) - 1}/{size}')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)
