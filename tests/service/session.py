# SPDX-License-Identifier: LGPL-2.1-or-later
"""A session bus of the tests' own, which starts the generator by its name, and clients of it.

ZIMAGE is the command line, ZIMAGE_SERVICE the generator, MAKE_TINY_MODEL makes a model of random weights in a folder.
"""

import contextlib
import os
import shlex
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest
import zlib

from gi.repository import Gio, GLib

ZIMAGE = os.environ['ZIMAGE']
SERVICE = os.environ['ZIMAGE_SERVICE']
MAKE_TINY_MODEL = os.environ['MAKE_TINY_MODEL']
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TIMEOUT = 60

NAME = 'io.github.zimage.Generator'
PATH = '/io/github/zimage/Generator'
JOB = NAME + '.Job'
PROPERTIES = 'org.freedesktop.DBus.Properties'
ERROR = 'io.github.zimage.Error.'
INVALID_ARGS = 'org.freedesktop.DBus.Error.InvalidArgs'
ACCESS_DENIED = 'org.freedesktop.DBus.Error.AccessDenied'

# Jobs that are over in no time, and those that last until somebody ends them.
QUICK = {'prompt': 'a cat', 'size': '64x64', 'steps': 1, 'seed': 7}
LONG = {'prompt': 'a cat', 'size': '128x128', 'steps': 1000}

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir={folder}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{folder}/services</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


def variant(value):
    """A Python value as one of the bus: numbers are narrow if they can be."""
    if isinstance(value, GLib.Variant):
        return value
    if isinstance(value, bool):
        return GLib.Variant('b', value)
    if isinstance(value, int):
        return GLib.Variant('i' if abs(value) < 1 << 31 else 'x', value)
    return GLib.Variant('d' if isinstance(value, float) else 's', value)


def parameters(dictionary):
    return GLib.Variant('(a{sv})', [{name: variant(value) for name, value in dictionary.items()}])


def error_name(error):
    return Gio.DBusError.get_remote_error(error)


class Client:
    """A program on the bus."""

    def __init__(self, address):
        flags = Gio.DBusConnectionFlags
        self.connection = Gio.DBusConnection.new_for_address_sync(
            address, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)
        self.signals = []
        self.connection.signal_subscribe(NAME, None, None, None, None, Gio.DBusSignalFlags.NONE, self.signal_cb)

    def signal_cb(self, connection, sender, path, interface, name, arguments):
        self.signals.append((path, interface, name, arguments.unpack()))

    def close(self):
        self.connection.close_sync(None)

    def call(self, method, arguments=None, path=PATH, interface=NAME):
        answer = self.connection.call_sync(NAME, path, interface, method, arguments, None, Gio.DBusCallFlags.NONE,
                                           TIMEOUT * 1000, None)
        return answer.unpack()

    def generate(self, **fields):
        return self.call('Generate', parameters(fields))[0]

    def cancel(self, job):
        self.call('Cancel', path=job, interface=JOB)

    def wait(self, job):
        """The files that a job has made, as descriptors."""
        answer, fds = self.connection.call_with_unix_fd_list_sync(
            NAME, job, JOB, 'Wait', None, GLib.VariantType('(ah)'), Gio.DBusCallFlags.NONE, TIMEOUT * 1000, None, None)
        return [fds.get(handle) for handle in answer.unpack()[0]]

    def pictures(self, job):
        return [read_all(fd) for fd in self.wait(job)]

    def get(self, name, path=PATH, interface=NAME):
        return self.call('Get', GLib.Variant('(ss)', (interface, name)), path, PROPERTIES)[0]

    def get_all(self, job):
        return self.call('GetAll', GLib.Variant('(s)', (JOB,)), job, PROPERTIES)[0]

    def objects(self):
        return self.call('GetManagedObjects', interface='org.freedesktop.DBus.ObjectManager')[0]

    def bus(self, method, *arguments):
        """Asks the bus itself."""
        value = GLib.Variant('(' + 's' * len(arguments) + ')', arguments)
        return self.connection.call_sync('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus',
                                         method, value, None, Gio.DBusCallFlags.NONE, TIMEOUT * 1000, None).unpack()

    def dispatch(self):
        """Takes what has come."""
        while GLib.MainContext.default().iteration(False):
            pass

    def wait_for(self, what, timeout=TIMEOUT):
        end = time.monotonic() + timeout
        while not (result := what()):
            if time.monotonic() > end:
                raise AssertionError('it did not come')
            self.dispatch()
            time.sleep(0.005)
        return result

    def signals_of(self, job, name=None):
        self.dispatch()
        return [arguments for path, _, member, arguments in self.signals
                if path == job and (name is None or member == name)]


def read_all(fd):
    with os.fdopen(fd, 'rb') as file:
        return file.read()


def png_chunks(data):
    at = 8
    while at < len(data):
        size, = struct.unpack('>I', data[at:at + 4])
        yield data[at + 4:at + 8], data[at + 8:at + 8 + size]
        at += size + 12


def png_pixels(data):
    return zlib.decompress(b''.join(body for kind, body in png_chunks(data) if kind == b'IDAT'))


work = None
model = None


def set_up():
    """Makes a tiny model once; it is called “tiny”."""
    global work, model
    if work is None:
        work = tempfile.mkdtemp(prefix='zimage-service-')
        model = os.path.join(work, 'tiny')
        make_model(model)


def make_model(folder, *options):
    subprocess.run([MAKE_TINY_MODEL, *options, folder], check=True, timeout=TIMEOUT, stdout=subprocess.DEVNULL)


def install(name, folder):
    """Puts a model where those are that are installed with the program."""
    models = os.path.join(work, 'share', 'zimage', 'models')
    os.makedirs(models, exist_ok=True)
    os.symlink(folder, os.path.join(models, name))


def store(name, folder):
    """Puts a model into the store."""
    subprocess.run([ZIMAGE, 'create', name, '-f', folder, '--quiet'], check=True, timeout=TIMEOUT, env=environment(),
                   capture_output=True)


def clean_up():
    shutil.rmtree(work, ignore_errors=True)


def environment(**changes):
    unset = ['ZIM_MEMORY_BUDGET', 'ZIMAGE_HOST', 'LANGUAGE', 'DISPLAY', 'DBUS_STARTER_ADDRESS', 'DBUS_STARTER_BUS_TYPE']
    env = {name: value for name, value in os.environ.items() if name not in unset}
    # A team of threads that wait for each other is slow on a machine that has others to care for.
    env.update(LC_ALL='C.UTF-8', HOME=work, ZIMAGE_MODELS=os.path.join(work, 'store'), ZIM_DEVICE='cpu',
               ZIM_THREADS='1', TERM='xterm-256color', XDG_CACHE_HOME=os.path.join(work, 'cache'),
               XDG_STATE_HOME=os.path.join(work, 'state'),
               # The system's schemas and types of files are needed, too.
               XDG_DATA_DIRS=':'.join([os.path.join(work, 'share'), '/usr/local/share', '/usr/share']))
    env.update(changes)
    return env


class Bus:
    """A bus that starts the generator with these arguments."""

    def __init__(self, *arguments):
        self.folder = tempfile.mkdtemp(prefix='zimage-bus-')
        os.mkdir(os.path.join(self.folder, 'services'))
        with open(os.path.join(self.folder, 'bus.conf'), 'w', encoding='utf-8') as file:
            file.write(CONFIG.format(folder=self.folder))
        self.write_service(arguments)
        # What the generator says comes there as well.
        self.log = open(os.path.join(self.folder, 'log'), 'w+', encoding='utf-8')
        self.daemon = subprocess.Popen(
            ['dbus-daemon', '--nofork', '--nopidfile', '--print-address',
             '--config-file=' + os.path.join(self.folder, 'bus.conf')],
            stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL, env=environment(), text=True)
        self.address = self.daemon.stdout.readline().strip()
        self.environment = environment(DBUS_SESSION_BUS_ADDRESS=self.address)

    def write_service(self, arguments):
        """The file that is installed, for the program that was built."""
        with open(os.path.join(SOURCE, 'data', 'dbus', NAME + '.service.in'), encoding='utf-8') as file:
            text = file.read()
        command = ' '.join(shlex.quote(word) for word in [SERVICE, *arguments])
        with open(os.path.join(self.folder, 'services', NAME + '.service'), 'w', encoding='utf-8') as file:
            file.write(text.replace('@bindir@/zimage-service', command))

    def connect(self):
        return Client(self.address)

    def generators(self):
        """Processes of the program that write to this log."""
        pids = []
        for pid in filter(str.isdigit, os.listdir('/proc')):
            with contextlib.suppress(OSError):
                if os.path.samefile(f'/proc/{pid}/fd/2', self.log.name) and \
                        os.path.samefile(f'/proc/{pid}/exe', SERVICE):
                    pids.append(pid)
        return pids

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait(TIMEOUT)
        self.daemon.stdout.close()
        # What it says last, of leaks for one, belongs to it.
        end = time.monotonic() + TIMEOUT
        while self.generators() and time.monotonic() < end:
            time.sleep(0.02)
        self.log.seek(0)
        faults = [line for line in self.log if 'WARNING' in line or 'CRITICAL' in line or 'ERROR' in line]
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if faults:
            raise AssertionError('the generator warns:\n' + ''.join(faults))


class BusCase(unittest.TestCase):
    """Tests with a bus of the class's own, whose generator is started with ARGUMENTS."""

    maxDiff = None
    ARGUMENTS = []

    @classmethod
    def setUpClass(cls):
        set_up()
        cls.bus = Bus(*cls.ARGUMENTS, model)

    @classmethod
    def tearDownClass(cls):
        cls.bus.stop()

    def setUp(self):
        self.client = self.connect()

    def connect(self):
        client = self.bus.connect()
        self.addCleanup(lambda: client.connection.is_closed() or client.close())
        return client

    def assert_error(self, name, call, *arguments, **fields):
        with self.assertRaises(GLib.Error) as caught:
            call(*arguments, **fields)
        self.assertEqual(error_name(caught.exception), name, caught.exception.message)
        return caught.exception.message.removeprefix(f'GDBus.Error:{name}: ')

    def wait_until_idle(self):
        self.client.wait_for(lambda: self.client.get('Running') == 0)
