#!/usr/bin/env python3
# test_service.py: the generator as programs on the session bus meet it
#
# SPDX-License-Identifier: LGPL-2.1-or-later

import fcntl
import os
import re
import signal
import subprocess
import threading
import time
import unittest

from gi.repository import GLib

import session
from session import ACCESS_DENIED, ERROR, INVALID_ARGS, JOB, LONG, NAME, PATH, QUICK, TIMEOUT, Bus, BusCase

STAGES = ['load', 'encode', 'denoise', 'decode']


def tearDownModule():
    session.clean_up()


class Pictures(BusCase):
    def test_activation(self):
        """The name alone starts the program."""
        bus = Bus(session.model)
        self.addCleanup(bus.stop)
        client = bus.connect()
        self.addCleanup(client.close)
        self.assertFalse(client.bus('NameHasOwner', NAME)[0])
        self.assertRegex(client.get('Version'), r'^\d+\.\d+\.\d+$')
        pid, = client.bus('GetConnectionUnixProcessID', NAME)
        self.assertEqual(os.path.realpath(f'/proc/{pid}/exe'), os.path.realpath(session.SERVICE))

    def test_same_picture(self):
        """The descriptor gives the picture that the library makes of the seed, and nobody can change it."""
        path = os.path.join(session.work, 'own.png')
        subprocess.run([session.ZIMAGE, 'run', session.model, '--size', '64x64', '--steps', '3', '--seed', '7', '-o',
                        path, 'a cat'], check=True, timeout=TIMEOUT, env=session.environment(), capture_output=True)
        with open(path, 'rb') as file:
            own = file.read()
        job = self.client.generate(**{**QUICK, 'steps': 3})
        first, = self.client.wait(job)
        second, = self.client.wait(job)
        seals = fcntl.fcntl(first, fcntl.F_GET_SEALS)
        self.assertEqual(seals, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
        with self.assertRaises(PermissionError):
            os.write(first, b'x')
        data = session.read_all(first)
        self.assertEqual(session.png_pixels(data), session.png_pixels(own))
        self.assertEqual(data, own)
        self.assertEqual(session.read_all(second), data)

    def test_several(self):
        job = self.client.generate(**QUICK, n=2, model='tiny')
        both = self.client.pictures(job)
        next_one = self.client.pictures(self.client.generate(**{**QUICK, 'seed': 8}))
        self.assertEqual(len(both), 2)
        self.assertEqual(session.png_pixels(both[1]), session.png_pixels(next_one[0]))
        self.assertEqual(self.client.get('Seed', job, JOB), 7)

    def test_every_type_of_number(self):
        """What a program has at hand is good enough."""
        expected = self.client.pictures(self.client.generate(prompt='a cat', width=64, height=64, steps=2, seed=7))
        for kind in 'ynqiuxtd':
            fields = {name: GLib.Variant(kind, value) for name, value in
                      [('width', 64), ('height', 64), ('steps', 2), ('seed', 7)]}
            self.assertEqual(self.client.pictures(self.client.generate(prompt='a cat', **fields)), expected, kind)

    def test_properties(self):
        job = self.client.generate(**QUICK)
        self.client.wait(job)
        properties = self.client.get_all(job)
        self.assertAlmostEqual(properties.pop('Remaining'), 0)
        self.assertEqual(properties, {
            'State': 'done', 'Stage': 'done', 'Position': 0, 'Step': 1, 'Total': 1, 'Progress': 1.0, 'Seed': 7,
            'Model': 'tiny:latest', 'Detached': False, 'Warning': '', 'Error': ('', '')})

    def test_lists(self):
        models, = self.client.call('ListModels')
        tiny, = [entry for entry in models if entry['name'] == 'tiny:latest']
        self.assertGreater(tiny['size'], 100000)
        devices, = self.client.call('ListDevices')
        self.assertEqual(devices[0].keys(), {'id', 'name', 'kind', 'memory_bytes', 'precision', 'features'})
        self.assertIn(self.client.get('Device'), [entry['id'] for entry in devices])

    def test_store(self):
        """A model of the store is listed and used by its name, and is unloaded when its time is over."""
        session.store('stored', session.model)

        def stored():
            entry, = [model for model in self.client.call('ListModels')[0] if model['name'] == 'stored:latest']
            return entry
        self.assertEqual(len(stored()['digest']), 64)
        self.assertFalse(stored()['loaded'])
        self.client.pictures(self.client.generate(**QUICK, model='stored', keep_alive='1h'))
        self.assertTrue(stored()['loaded'])
        self.client.pictures(self.client.generate(**QUICK, model='stored', keep_alive=0))
        self.client.wait_for(lambda: not stored()['loaded'])


    def test_installed(self):
        """A model that is installed with the program is listed, unless the store has one of its name, and is used."""
        session.install('demo', os.path.join(session.SOURCE, 'data', 'models', 'demo'))

        def demo():
            entry, = [model for model in self.client.call('ListModels')[0] if model['name'] == 'demo:latest']
            return entry
        self.assertEqual(demo().keys(), {'name', 'size', 'loaded'})
        self.assertGreater(demo()['size'], 10 << 20)
        path = os.path.join(session.work, 'demo.png')
        subprocess.run([session.ZIMAGE, 'run', 'demo', '--size', '64x64', '--steps', '1', '--seed', '7', '-o', path,
                        'a cat'], check=True, timeout=TIMEOUT, env=session.environment(), capture_output=True)
        with open(path, 'rb') as file:
            own = file.read()
        fields = {**QUICK, 'model': 'demo', 'preview_interval': 0}
        self.assertEqual(self.client.pictures(self.client.generate(**fields, keep_alive=0)), [own])
        self.client.wait_for(lambda: not demo()['loaded'])
        session.store('demo', session.model)
        self.assertEqual(len(demo()['digest']), 64)
        self.assertNotEqual(self.client.pictures(self.client.generate(**fields)), [own])


class Signals(BusCase):
    def test_order(self):
        """Each step is told of, in order, and nothing after the end."""
        job = self.client.generate(**{**LONG, 'steps': 5})
        self.client.wait(job)
        self.client.wait_for(lambda: self.client.signals_of(job, 'Finished'))
        progress = self.client.signals_of(job, 'Progress')
        stages = [stage for stage, *_ in progress]
        steps = [step for _, step, *_ in progress]
        fractions = [fraction for *_, fraction, _ in progress]
        # Loading may have begun before the job was there to tell.
        self.assertTrue({'encode', 'denoise', 'decode'} <= set(stages))
        self.assertEqual(stages, sorted(stages, key=STAGES.index))
        self.assertEqual(sorted(set(steps)), [0, 1, 2, 3, 4, 5])
        self.assertEqual(steps, sorted(steps))
        self.assertEqual(fractions, sorted(fractions))
        self.assertEqual({total for stage, _, total, *_ in progress if stage in ('denoise', 'decode')}, {5})
        self.assertEqual(self.client.signals_of(job, 'Finished'), [('done', ('', ''))])
        names = [name for path, _, name, _ in self.client.signals if path == job]
        self.assertEqual(names[-1], 'Finished')

    def test_previews(self):
        job = self.client.generate(**{**LONG, 'steps': 4})
        self.client.wait(job)
        previews = self.client.signals_of(job, 'Preview')
        self.assertGreater(len(previews), 1)
        for _, picture in previews:
            self.assertEqual(bytes(picture[:3]), b'\xff\xd8\xff')
        steps = [step for step, _ in previews]
        self.assertEqual(steps, sorted(set(steps)))
        silent = self.client.generate(**QUICK, preview_interval=0)
        self.client.wait(silent)
        self.assertEqual(self.client.signals_of(silent, 'Preview'), [])

    def test_previews_of_others(self):
        """What others have made is not shown to everybody, unless it is detached."""
        other = self.connect()
        mine = other.generate(**{**LONG, 'steps': 3})
        other.wait(mine)
        detached = other.generate(**{**LONG, 'steps': 3}, detached=True)
        other.wait(detached)
        self.client.wait_for(lambda: self.client.signals_of(detached, 'Finished'))
        self.assertTrue(other.signals_of(mine, 'Preview'))
        self.assertTrue(self.client.signals_of(mine, 'Progress'))
        self.assertEqual(self.client.signals_of(mine, 'Preview'), [])
        self.assertTrue(self.client.signals_of(detached, 'Preview'))

    def test_properties_changed(self):
        """Whoever follows the properties by their signal alone knows all of them, and before the end is told."""
        job = self.client.generate(**QUICK)
        self.client.wait(job)
        self.client.dispatch()
        known = {}
        for path, _, name, arguments in list(self.client.signals):
            if name == 'InterfacesAdded' and arguments[0] == job:
                known.update(arguments[1][JOB])
            elif path == job and name == 'PropertiesChanged':
                self.assertEqual(arguments[0], JOB)
                self.assertEqual(arguments[2], [])
                known.update(arguments[1])
            elif path == job and name == 'Finished':
                self.assertEqual(known['State'], 'done')
        self.assertEqual(known, self.client.get_all(job))

    def test_object_manager(self):
        job = self.client.generate(**QUICK)
        self.client.wait(job)
        self.assertEqual(self.client.objects()[job][JOB]['State'], 'done')
        self.client.cancel(job)
        self.assertNotIn(job, self.client.objects())
        self.client.dispatch()
        self.assertIn((PATH, 'InterfacesRemoved'), [(path, name) for path, _, name, arguments in self.client.signals
                                                    if arguments[0] == job])
        self.assert_error('org.freedesktop.DBus.Error.UnknownMethod', self.client.wait, job)

    def test_introspection(self):
        """What is on the bus is what the installed interface says."""
        with open(os.path.join(session.SOURCE, 'app', 'common', NAME + '.xml'), encoding='utf-8') as file:
            described = set(re.findall(r'<(?:method|signal|property) name="(\w+)"', file.read()))
        job = self.client.generate(**QUICK)
        found = set()
        for path in (PATH, job):
            xml, = self.client.call('Introspect', path=path, interface='org.freedesktop.DBus.Introspectable')
            for interface in re.findall(rf'<interface name="{NAME}[^"]*">.*?</interface>', xml, re.DOTALL):
                found |= set(re.findall(r'<(?:method|signal|property)[^>]* name="(\w+)"', interface))
        self.assertEqual(found, described)


class Ends(BusCase):
    def running(self, client, **fields):
        """A job that is making steps."""
        job = client.generate(**{**LONG, **fields})
        self.client.wait_for(lambda: client.get('Step', job, JOB) > 0)
        return job

    def test_cancel(self):
        """Who cancels is told of the end within 200 ms, and the device is free soon."""
        job = self.running(self.client)
        start = time.monotonic()
        self.client.cancel(job)
        self.client.wait_for(lambda: self.client.signals_of(job, 'Finished'))
        self.assertLess(time.monotonic() - start, 0.2)
        state, (name, words) = self.client.signals_of(job, 'Finished')[0]
        self.assertEqual((state, name), ('cancelled', ERROR + 'Cancelled'))
        self.assertEqual(self.client.get('State', job, JOB), 'cancelled')
        self.assertEqual(self.client.get('Error', job, JOB), (name, words))
        self.assert_error(ERROR + 'Cancelled', self.client.wait, job)
        self.assertEqual(len(self.client.pictures(self.client.generate(**QUICK))), 1)

    def test_cancel_waiting(self):
        first = self.running(self.client)
        second = self.client.generate(**QUICK)
        self.assertEqual((self.client.get('State', second, JOB), self.client.get('Position', second, JOB)),
                         ('queued', 1))
        self.client.cancel(second)
        self.assertEqual(self.client.get('State', second, JOB), 'cancelled')
        self.assertEqual(self.client.get('State', first, JOB), 'running')
        self.client.cancel(first)

    def test_waiting_call(self):
        """A call of Wait () that came before the end is answered with it."""
        client = self.connect()
        job = self.running(client)
        thread = threading.Thread(target=lambda: (time.sleep(0.1), client.cancel(job)))
        thread.start()
        self.assert_error(ERROR + 'Cancelled', client.wait, job)
        thread.join()

    def test_caller_leaves(self):
        client = self.connect()
        jobs = [self.running(client), client.generate(**QUICK)]
        done = client.generate(**QUICK)
        self.assertTrue({*jobs, done} <= self.client.objects().keys())
        client.close()
        self.client.wait_for(lambda: not ({*jobs, done} & self.client.objects().keys()), 2)
        self.wait_until_idle()

    def test_caller_leaves_when_done(self):
        client = self.connect()
        job = client.generate(**QUICK)
        client.wait(job)
        client.close()
        self.client.wait_for(lambda: job not in self.client.objects(), 2)

    def test_caller_is_killed(self):
        """A process that dies without a word is a caller that has left."""
        code = ('import time, session; client = session.Client({!r}); job = client.generate(**session.LONG);'
                'print(job, flush=True); time.sleep(60)').format(self.bus.address)
        process = subprocess.Popen([os.environ['GI_PYTHON'], '-c', code], stdout=subprocess.PIPE, text=True,
                                   cwd=os.path.dirname(os.path.abspath(__file__)))
        job = process.stdout.readline().strip()
        self.assertIn(job, self.client.objects())
        process.send_signal(signal.SIGKILL)
        process.wait(TIMEOUT)
        process.stdout.close()
        self.client.wait_for(lambda: job not in self.client.objects(), 2)
        self.wait_until_idle()

    def test_detached(self):
        """A detached job survives its caller, and everybody may have it."""
        client = self.connect()
        job = client.generate(**{**LONG, 'steps': 3}, detached=True)
        client.close()
        self.assertTrue(self.client.get('Detached', job, JOB))
        self.assertEqual(len(self.client.pictures(job)), 1)
        self.client.cancel(job)
        self.assertNotIn(job, self.client.objects())

    def test_strangers(self):
        job = self.running(self.client)
        stranger = self.connect()
        self.assert_error(ACCESS_DENIED, stranger.cancel, job)
        self.assert_error(ACCESS_DENIED, stranger.wait, job)
        self.assertEqual(stranger.get('State', job, JOB), 'running')
        self.client.cancel(job)

    def test_failure(self):
        """A job that fails says why, in its property, its signal and the answer."""
        folder = os.path.join(session.work, 'broken')
        session.make_model(folder, '--size=small', '--nan')
        session.store('broken', folder)
        job = self.client.generate(**QUICK, model='broken')
        words = self.assert_error(ERROR + 'NonFinite', self.client.wait, job)
        self.assertEqual(self.client.get('State', job, JOB), 'failed')
        self.assertEqual(self.client.get('Error', job, JOB), (ERROR + 'NonFinite', words))
        self.assertEqual(self.client.signals_of(job, 'Finished'), [('failed', (ERROR + 'NonFinite', words))])


class Callers(BusCase):
    ARGUMENTS = ['--max-per-caller', '4', '--max-queue', '6']

    def finish_all(self, *clients):
        for client in clients:
            for job, interfaces in client.objects().items():
                if interfaces[JOB]['State'] in ('queued', 'running'):
                    try:
                        client.cancel(job)
                    except GLib.Error as error:
                        self.assertEqual(session.error_name(error), ACCESS_DENIED)
        self.wait_until_idle()

    def test_turns(self):
        """One who asks for much does not keep others waiting: the jobs of two callers alternate."""
        other = self.connect()
        mine = [self.client.generate(**{**LONG, 'steps': 2}) for _ in range(4)]
        others = [other.generate(**QUICK) for _ in range(3)]
        self.client.wait_for(lambda: all(self.client.signals_of(job, 'Finished') for job in mine + others))
        order = [path for path, _, name, _ in self.client.signals if name == 'Finished']
        self.assertEqual(order, [mine[0], others[0], mine[1], others[1], mine[2], others[2], mine[3]])

    def test_places(self):
        """A newcomer's place is before the second job of another."""
        other = self.connect()
        mine = [self.client.generate(**LONG) for _ in range(3)]
        job = other.generate(**LONG)
        places = [self.client.get('Position', path, JOB) for path in [*mine, job]]
        self.assertEqual(places, [0, 2, 3, 1])
        self.assertEqual((self.client.get('Running'), self.client.get('Waiting')), (1, 3))
        self.finish_all(self.client, other)

    def test_limit_of_caller(self):
        other = self.connect()
        for _ in range(4):
            self.client.generate(**LONG)
        words = self.assert_error(ERROR + 'TooManyJobs', self.client.generate, **QUICK)
        self.assertIn('4', words)
        job = other.generate(**QUICK)
        self.finish_all(self.client)
        self.assertEqual(len(other.pictures(job)), 1)

    def test_limit_of_all(self):
        clients = [self.connect() for _ in range(3)]
        # One runs and six wait.
        for i in range(7):
            clients[i % 3].generate(**LONG)
        self.assert_error(ERROR + 'QueueFull', self.client.generate, **QUICK)
        self.finish_all(*clients)
        self.assertEqual(len(self.client.pictures(self.client.generate(**QUICK))), 1)


class Mistakes(BusCase):
    ARGUMENTS = ['--max-work', '10']
    CASES = [
        ({}, INVALID_ARGS, 'prompt'),
        ({'prompt': ''}, INVALID_ARGS, 'prompt'),
        ({'prompt': 3}, INVALID_ARGS, 'prompt'),
        ({'prompt': 'a', 'step': 3}, INVALID_ARGS, '“step”'),
        ({'prompt': 'a', 'steps': 'many'}, INVALID_ARGS, 'steps'),
        ({'prompt': 'a', 'steps': -1}, INVALID_ARGS, 'steps'),
        ({'prompt': 'a', 'steps': 1.5}, INVALID_ARGS, 'steps'),
        ({'prompt': 'a', 'width': 65}, INVALID_ARGS, 'idth'),
        ({'prompt': 'a', 'width': GLib.Variant('t', (1 << 64) - 1)}, INVALID_ARGS, 'width'),
        ({'prompt': 'a', 'size': 'large'}, INVALID_ARGS, 'size'),
        ({'prompt': 'a', 'seed': 1 << 60}, INVALID_ARGS, 'eed'),
        ({'prompt': 'a', 'rng': 'dice'}, INVALID_ARGS, 'rng'),
        ({'prompt': 'a', 'guidance_scale': float('nan')}, INVALID_ARGS, 'uidance'),
        ({'prompt': 'a', 'guidance_scale': 'much'}, INVALID_ARGS, 'guidance_scale'),
        ({'prompt': 'a', 'preview_interval': -1}, INVALID_ARGS, 'preview_interval'),
        ({'prompt': 'a', 'keep_alive': 'soon'}, INVALID_ARGS, 'keep_alive'),
        ({'prompt': 'a', 'detached': 'yes'}, INVALID_ARGS, 'detached'),
        ({'prompt': 'a', 'model': GLib.Variant('as', ['tiny'])}, INVALID_ARGS, 'model'),
        ({'prompt': 'a', 'model': 'absent'}, ERROR + 'ModelNotFound', 'absent'),
        ({'prompt': 'a', 'model': '../../etc'}, ERROR + 'ModelNotFound', '../../etc'),
        ({'prompt': 'a', 'model': '/etc/passwd'}, ERROR + 'ModelNotFound', '/etc/passwd'),
        ({'prompt': 'a', 'size': '1024x1024', 'steps': 20}, ERROR + 'TooLarge', '10'),
    ]

    def test_parameters(self):
        for fields, name, word in self.CASES:
            with self.subTest(fields=fields):
                self.assertIn(word, self.assert_error(name, self.client.generate, **fields))
        self.assertEqual(self.client.objects(), {})

    def test_signature(self):
        """What has another signature never comes so far."""
        for arguments in (None, GLib.Variant('(s)', ('a cat',)), GLib.Variant('(a{ss})', ({'prompt': 'a cat'},))):
            self.assert_error(INVALID_ARGS, self.client.call, 'Generate', arguments)
        self.assert_error('org.freedesktop.DBus.Error.UnknownMethod', self.client.call, 'Paint')
        self.assert_error('org.freedesktop.DBus.Error.UnknownMethod', self.client.wait, PATH + '/jobs/0')


class Idle(BusCase):
    ARGUMENTS = ['--idle-time', '0.3']

    def test_idle_exit(self):
        """It ends when nobody needs it, not before, and is there again for the next one."""
        job = self.client.generate(**QUICK)
        pid, = self.client.bus('GetConnectionUnixProcessID', NAME)
        self.client.wait(job)
        time.sleep(0.6)
        # Its pictures are still to be had.
        self.assertEqual(len(self.client.pictures(job)), 1)
        self.assertEqual(self.client.bus('GetConnectionUnixProcessID', NAME)[0], pid)
        self.client.cancel(job)
        self.client.wait_for(lambda: not self.client.bus('NameHasOwner', NAME)[0], 5)
        self.client.wait_for(lambda: not os.path.exists(f'/proc/{pid}'), 5)
        self.assertEqual(len(self.client.pictures(self.client.generate(**QUICK))), 1)
        self.assertNotEqual(self.client.bus('GetConnectionUnixProcessID', NAME)[0], pid)

    def test_long_job(self):
        job = self.client.generate(**LONG)
        time.sleep(0.7)
        self.assertEqual(self.client.get('State', job, JOB), 'running')
        self.client.cancel(job)


class Leaving(BusCase):
    ARGUMENTS = ['--idle-time', '0.001']

    def test_no_call_is_lost(self):
        """Somebody who calls just when it leaves is answered all the same."""
        pids = set()
        for i in range(40):
            self.assertEqual(self.client.get('Device'), 'cpu')
            pids |= {pid for pid in [self.pid()] if pid}
            time.sleep(0.0007 * (i % 5))
        self.assertGreater(len(pids), 1)

    def pid(self):
        try:
            return self.client.bus('GetConnectionUnixProcessID', NAME)[0]
        except GLib.Error:
            return None


class Stopping(BusCase):
    def test_terminate(self):
        """Whoever waits is told why there is nothing."""
        job = self.client.generate(**LONG)
        pid, = self.client.bus('GetConnectionUnixProcessID', NAME)
        thread = threading.Timer(0.2, lambda: os.kill(pid, signal.SIGTERM))
        thread.start()
        self.assert_error(ERROR + 'Stopping', self.client.wait, job)
        thread.join()
        self.client.wait_for(lambda: not self.client.bus('NameHasOwner', NAME)[0], 5)

    def test_bus_goes(self):
        bus = Bus(session.model)
        client = bus.connect()
        client.connection.set_exit_on_close(False)
        client.generate(**LONG)
        pid, = client.bus('GetConnectionUnixProcessID', NAME)
        bus.stop()
        self.client.wait_for(lambda: not os.path.exists(f'/proc/{pid}'), 10)

    def test_exit_code(self):
        process = subprocess.Popen([session.SERVICE, session.model], env=self.bus.environment, stderr=subprocess.PIPE)
        self.client.wait_for(lambda: self.client.bus('NameHasOwner', NAME)[0])
        second = subprocess.run([session.SERVICE], env=self.bus.environment, capture_output=True, timeout=TIMEOUT,
                                text=True)
        self.assertEqual((second.returncode, second.stderr),
                         (1, f'zimage-service: {NAME} is on the session bus already\n'))
        process.terminate()
        self.assertEqual((process.wait(TIMEOUT), process.stderr.read()), (0, b''))
        process.stderr.close()

    def test_options(self):
        for arguments, word in [(['--idle-time', 'soon'], 'idle-time'), (['--max-queue', '0'], 'max-queue'),
                                (['--max-per-caller', '0'], 'max-per-caller'), (['--keep-alive', 'x'], 'keep-alive'),
                                (['--memory', 'much'], 'memory'), (['--precision', 'f8'], 'precision'),
                                (['--result-time', 'x'], 'result-time'), (['--max-work', '-1'], 'max-work'),
                                (['--nothing'], '--nothing')]:
            result = subprocess.run([session.SERVICE, *arguments], env=self.bus.environment, capture_output=True,
                                    timeout=TIMEOUT, text=True)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(word, result.stderr)

    def test_no_bus(self):
        env = {**self.bus.environment, 'DBUS_SESSION_BUS_ADDRESS': 'unix:path=/nonexistent'}
        result = subprocess.run([session.SERVICE], env=env, capture_output=True, timeout=TIMEOUT, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn('There is no session bus', result.stderr)


class Results(BusCase):
    ARGUMENTS = ['--result-time', '0.4']

    def test_time(self):
        job = self.client.generate(**QUICK)
        self.client.wait(job)
        self.assertIn(job, self.client.objects())
        self.client.wait_for(lambda: job not in self.client.objects(), 3)


if __name__ == '__main__':
    unittest.main()
