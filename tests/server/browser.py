# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real browser without a window: Chromium, driven over the pipe of its DevTools."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

TIMEOUT = 60


def find():
    return next(filter(None, map(shutil.which, ['chromium', 'chromium-browser', 'google-chrome'])), None)


class Browser:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='zimage-browser-')
        to_browser, self.write_fd = os.pipe()
        self.read_fd, from_browser = os.pipe()
        # What it reads is to be 3, what it writes 4.
        script = 'exec 3<&$1 4>&$2; shift 2; exec "$@"'
        self.process = subprocess.Popen(
            ['bash', '-c', script, 'x', str(to_browser), str(from_browser), find(), '--headless=new', '--no-sandbox',
             '--disable-gpu', '--remote-debugging-pipe', '--no-first-run', '--disable-background-networking',
             f'--user-data-dir={self.folder}', 'about:blank'],
            pass_fds=[to_browser, from_browser], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, 'HOME': self.folder})
        os.close(to_browser)
        os.close(from_browser)
        self.buffer = b''
        self.number = 0
        self.session = None
        self.problems = [] # that the page reports
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        self.session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in ['Page', 'Runtime', 'Log', 'Accessibility']:
            self.call(f'{domain}.enable')

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.write_fd)
        os.close(self.read_fd)
        shutil.rmtree(self.folder, ignore_errors=True)

    def read_message(self, end):
        while b'\0' not in self.buffer:
            if not select.select([self.read_fd], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError('the browser does not answer')
            data = os.read(self.read_fd, 1 << 16)
            if not data:
                raise EOFError('the browser has ended')
            self.buffer += data
        message, self.buffer = self.buffer.split(b'\0', 1)
        return json.loads(message)

    def note(self, message):
        params = message.get('params', {})
        if message.get('method') == 'Runtime.exceptionThrown':
            self.problems.append(json.dumps(params['exceptionDetails'])[:500])
        if message.get('method') == 'Log.entryAdded' and params['entry']['level'] == 'error':
            self.problems.append(params['entry']['text'] + ' ' + params['entry'].get('url', ''))

    def call(self, method, **params):
        self.number += 1
        message = {'id': self.number, 'method': method, 'params': params}
        if self.session:
            message['sessionId'] = self.session
        os.write(self.write_fd, json.dumps(message).encode() + b'\0')
        end = time.monotonic() + TIMEOUT
        while (answer := self.read_message(end)).get('id') != self.number:
            self.note(answer)
        if 'error' in answer:
            raise RuntimeError(f'{method}: {answer["error"]}')
        return answer['result']

    def evaluate(self, expression):
        result = self.call('Runtime.evaluate', expression=expression, returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in result:
            raise RuntimeError(json.dumps(result['exceptionDetails'])[:500])
        return result['result'].get('value')

    def wait_for(self, expression):
        end = time.monotonic() + TIMEOUT
        while not (value := self.evaluate(expression)):
            if time.monotonic() > end:
                raise TimeoutError(f'never true: {expression}')
            time.sleep(0.02)
        return value

    def open(self, url):
        self.call('Page.navigate', url=url)
        self.wait_for('document.readyState === "complete"')

    def set_size(self, width, height, mobile=False):
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def set_dark(self, dark):
        self.call('Emulation.setEmulatedMedia',
                  features=[{'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])

    def type(self, text):
        self.call('Input.insertText', text=text)

    def press(self, key, code, modifiers=0, text=None):
        more = {'text': text} if text else {}
        self.call('Input.dispatchKeyEvent', type='keyDown', key=key, windowsVirtualKeyCode=code, modifiers=modifiers,
                  **more)
        self.call('Input.dispatchKeyEvent', type='keyUp', key=key, windowsVirtualKeyCode=code, modifiers=modifiers)

    def screenshot(self, path):
        data = self.call('Page.captureScreenshot', format='png', captureBeyondViewport=True)['data']
        with open(path, 'wb') as file:
            file.write(base64.b64decode(data))
