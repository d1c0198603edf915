#!/usr/bin/env python3
# test_units.py: the units of systemd, under a manager of the test's own
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# It is that of a user, in namespaces of its own: it believes that the system was booted with systemd, sees no service
# of the user who runs the test, and ends with it. Where the kernel does not allow that, the test is skipped.
# ZIMAGE_SERVICE is the generator.

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import served
from served import LONG, QUICK, TIMEOUT, Server, environment

SYSTEMD = next(filter(os.path.exists, ['/lib/systemd/systemd', '/usr/lib/systemd/systemd']), None)
SERVICE = os.environ['ZIMAGE_SERVICE']
GENERATOR = 'io.github.zimage.Generator'
INSIDE = 'ZIMAGE_INSIDE'
NOT_RUN = 77


def skip(reason):
    print(reason)
    sys.exit(NOT_RUN)


def enter():
    """Runs this file in namespaces of its own, in which /run is empty but for what says that systemd runs."""
    if SYSTEMD is None or not shutil.which('systemctl') or not shutil.which('unshare'):
        skip('There is no systemd')
    command = ['unshare', '--mount', '--pid', '--fork', '--mount-proc', '--kill-child']
    if os.getuid() != 0:
        command += ['--map-root-user']
    script = 'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system'
    if subprocess.run([*command, 'sh', '-c', script], capture_output=True, check=False).returncode != 0:
        skip('The kernel allows no namespaces')
    os.execvp('unshare', [*command, 'sh', '-c', script + ' && exec "$@"', 'sh', 'env', INSIDE + '=1', sys.executable,
                          *sys.argv])


class Manager:
    """systemd for a user, with the units that are installed, on a port that is free."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='zimage-units-')
        with socket.create_server(('127.0.0.1', 0)) as listener:
            self.port = listener.getsockname()[1]
        for name in ['run', 'units/systemd/user', 'share/dbus-1/services']:
            os.makedirs(os.path.join(self.folder, name), mode=0o700)
        data = os.path.join(served.SOURCE, 'data')
        for name in ['zimage.service.in', 'zimage-generator.service.in', 'zimage.socket']:
            self.install(os.path.join(data, 'systemd', name), 'units/systemd/user')
        self.install(os.path.join(data, 'dbus', GENERATOR + '.service.in'), 'share/dbus-1/services')
        models = os.path.join(self.folder, 'share', 'zimage', 'models')
        os.makedirs(models)
        os.symlink(served.model, os.path.join(models, 'tiny'))
        share = os.path.join(self.folder, 'share')
        self.env = environment(os.path.join(self.folder, 'store'), XDG_DATA_DIRS=share,
                               XDG_CONFIG_HOME=os.path.join(self.folder, 'units'), XDG_DATA_HOME=share,
                               XDG_RUNTIME_DIR=os.path.join(self.folder, 'run'))
        for name in ['DBUS_SESSION_BUS_ADDRESS', INSIDE]:
            self.env.pop(name, None)
        self.log = open(os.path.join(self.folder, 'log'), 'w+', encoding='utf-8')
        self.process = subprocess.Popen([SYSTEMD, '--user', '--unit=basic.target', '--log-target=console'],
                                        env=self.env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def install(self, path, folder):
        with open(path, encoding='utf-8') as file:
            text = file.read()
        for program in [served.ZIMAGE, SERVICE]:
            text = re.sub('@bindir@/' + os.path.basename(program) + r'\b(?!-)', program, text)
        text = text.replace(':11434', f':{self.port}')
        with open(os.path.join(self.folder, folder, os.path.basename(path).removesuffix('.in')), 'w',
                  encoding='utf-8') as file:
            file.write(text)

    def run(self, *command):
        return subprocess.run(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=TIMEOUT, check=False)

    def systemctl(self, *arguments):
        return self.run('systemctl', '--user', '--no-pager', *arguments)

    def is_up(self):
        end = time.monotonic() + TIMEOUT / 2
        while self.process.poll() is None and time.monotonic() < end:
            if self.systemctl('is-active', 'basic.target').stdout == 'active\n':
                return True
            time.sleep(0.1)
        return False

    def get(self, unit, name):
        return self.systemctl('show', '--value', '--property', name, unit).stdout.strip()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(TIMEOUT / 2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Units(unittest.TestCase):
    def setUp(self):
        served.set_up_model()
        self.manager = Manager()
        self.addCleanup(self.manager.stop)
        if not self.manager.is_up():
            self.manager.log.seek(0)
            self.skipTest('systemd does not start here: ' + self.manager.log.read()[-300:])
        self.server = Server.__new__(Server)
        self.server.port = self.manager.port

    def start_socket(self):
        result = self.manager.systemctl('start', 'zimage.socket')
        self.assertEqual((result.returncode, result.stdout), (0, ''))

    def test_socket(self):
        """Who connects starts the server; it is stopped in order, and whoever comes then starts it again."""
        self.start_socket()
        self.assertEqual(self.manager.get('zimage.service', 'ActiveState'), 'inactive')
        self.assertEqual(self.server.post('/v1/images/generations', QUICK).status, 200)
        self.assertEqual(self.manager.get('zimage.service', 'ActiveState'), 'active')
        first = self.manager.get('zimage.service', 'MainPID')
        self.assertEqual(self.manager.systemctl('stop', 'zimage.service').returncode, 0)
        self.assertEqual(self.manager.get('zimage.service', 'Result'), 'success')
        self.assertEqual(self.manager.get('zimage.service', 'ExecMainStatus'), '0')
        self.assertEqual(self.server.get('/healthz').json, {'status': 'ok'})
        self.assertNotEqual(self.manager.get('zimage.service', 'MainPID'), first)

    def test_stop_and_crash(self):
        """A job that runs when the server is stopped gets an answer; a server that was killed comes back."""
        self.start_socket()
        connection = self.server.connect()
        connection.request('POST', '/v1/images/generations', body=served.json.dumps(LONG))
        self.server.wait_for(lambda: self.server.metric('zimage_jobs_running') == 1)
        self.manager.systemctl('kill', '--signal=INT', 'zimage.service')
        self.manager.systemctl('stop', 'zimage.service')
        self.assertEqual(connection.getresponse().status, 503)
        connection.close()
        self.assertEqual(self.manager.get('zimage.service', 'Result'), 'success')

        self.assertEqual(self.server.get('/healthz').status, 200)
        pid = int(self.manager.get('zimage.service', 'MainPID'))
        os.kill(pid, signal.SIGKILL)
        self.server.wait_for(lambda: self.manager.get('zimage.service', 'MainPID') not in ('0', str(pid)))
        self.server.wait_for(lambda: self.manager.get('zimage.service', 'ActiveState') == 'active')
        self.assertEqual(self.server.get('/healthz').status, 200)

    @unittest.skipUnless(shutil.which('busctl') and os.path.exists('/usr/lib/systemd/user/dbus.socket'),
                         'no bus of a user session is installed')
    def test_generator(self):
        """A call on the session bus starts the generator as a unit."""
        self.server.wait_for(lambda: os.path.exists(os.path.join(self.manager.folder, 'run', 'bus')))
        path = '/' + GENERATOR.replace('.', '/')
        models = self.manager.run('busctl', '--user', 'call', GENERATOR, path, GENERATOR, 'ListModels')
        self.assertIn('"tiny:latest"', models.stdout)
        self.assertEqual(self.manager.get('zimage-generator.service', 'ActiveState'), 'active')
        job = self.manager.run('busctl', '--user', 'call', GENERATOR, path, GENERATOR, 'Generate', 'a{sv}', '4',
                               'prompt', 's', 'a cat', 'size', 's', '64x64', 'steps', 'i', '1', 'detached', 'b', 'true')
        self.assertRegex(job.stdout, '^o "/io/github/zimage/Generator/jobs/[0-9a-f]{32}"')
        state = ['busctl', '--user', 'get-property', GENERATOR, job.stdout.split('"')[1], GENERATOR + '.Job', 'State']
        self.server.wait_for(lambda: self.manager.run(*state).stdout == 's "done"\n')
        self.assertEqual(self.manager.systemctl('stop', 'zimage-generator.service').returncode, 0)
        self.assertEqual(self.manager.get('zimage-generator.service', 'Result'), 'success')


if __name__ == '__main__':
    if INSIDE not in os.environ:
        enter()
    try:
        result = unittest.main(exit=False).result
    finally:
        served.clean_up()
    if not result.wasSuccessful():
        sys.exit(1)
    if len(result.skipped) == result.testsRun:
        skip(result.skipped[0][1])
