#!/usr/bin/env python3
# test_page.py: the web page in a real browser
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# ZIM_SCREENSHOTS is a folder for pictures of the page, to look at.

import os
import sys
import unittest

import browser
import served
from served import ServerCase

CONTROL = 2 # modifier of a key


def tearDownModule():
    served.clean_up()


class Page(ServerCase):
    def setUp(self):
        self.browser = browser.Browser()
        self.addCleanup(self.browser.close)
        self.url = f'http://127.0.0.1:{self.server.port}/'
        self.browser.open(self.url)
        self.browser.wait_for('document.querySelector("#model").options.length > 0')

    def tearDown(self):
        self.assertEqual(self.browser.problems, [])

    def screenshot(self, name):
        if os.environ.get('ZIM_SCREENSHOTS'):
            self.browser.screenshot(os.path.join(os.environ['ZIM_SCREENSHOTS'], name + '.png'))

    def set(self, **fields):
        for name, value in fields.items():
            self.browser.evaluate(f'document.querySelector("#{name}").value = {str(value)!r};'
                                  f'document.querySelector("#{name}").dispatchEvent(new Event("change"))')

    def status(self):
        return self.browser.evaluate('document.querySelector("#status").textContent')

    def make(self, prompt, **fields):
        """By keyboard alone: the prompt has the focus when the page opens."""
        self.browser.evaluate('document.querySelector("#prompt").value = ""; document.querySelector("#prompt").focus()')
        self.set(**fields)
        self.browser.type(prompt)
        self.browser.press('Enter', 13, CONTROL)

    def test_making_and_cancelling(self):
        page = self.browser
        self.assertEqual(page.evaluate('document.activeElement.id'), 'prompt')
        page.evaluate('''
            const bar = document.querySelector("#progress"), picture = document.querySelector("#picture");
            window.seen = [];
            window.previews = 0;
            new MutationObserver(() => seen.push(bar.value)).observe(bar, { attributes: true });
            new MutationObserver(() => previews += picture.src.startsWith("data:"))
              .observe(picture, { attributes: true });
        ''')
        self.make('a lighthouse on a cliff', steps=30, seed=12)
        page.wait_for('document.querySelector("#frame").getAttribute("aria-busy") === "true"')
        page.wait_for('previews > 1')
        self.screenshot('running')
        page.wait_for('document.querySelector("#status").textContent.startsWith("Done")')
        self.assertEqual(self.status(), 'Done: seed 12, 256 × 256, 30 steps')
        values = page.evaluate('seen.filter(value => value > 0)')
        self.assertGreater(len(set(values)), 5)
        self.assertEqual(values, sorted(values))
        self.assertEqual(page.evaluate('document.querySelector("#picture").naturalWidth'), 256)
        self.assertEqual(page.evaluate('document.querySelector("#picture").alt'), 'a lighthouse on a cliff')
        self.assertEqual(page.evaluate('document.querySelectorAll("#gallery li").length'), 1)

        self.make('something else', steps=1000, seed='')
        page.wait_for('document.querySelector("#status").textContent.startsWith("Step")')
        page.evaluate('document.querySelector("#cancel").click()')
        page.wait_for('document.querySelector("#status").textContent === "The job was cancelled"')
        self.assertTrue(page.evaluate('document.querySelector("#cancel").disabled'))
        self.assertEqual(page.evaluate('document.querySelectorAll("#gallery li").length'), 1)
        self.server.wait_for(lambda: self.server.metric('zimage_jobs_running') == 0)

        self.check_gallery_after_reload()

    def check_gallery_after_reload(self):
        page = self.browser
        page.open(self.url + '?again')
        page.wait_for('document.querySelectorAll("#gallery li").length === 1')
        page.evaluate('document.querySelector("#gallery button").click()')
        page.wait_for('document.querySelector("#large").naturalWidth === 256')
        details = page.evaluate('document.querySelector("#details").innerText')
        for text in ['a lighthouse on a cliff', 'tiny:latest', '256x256', '30', '12']:
            self.assertIn(text, details)
        self.screenshot('viewer')
        page.evaluate('document.querySelector("#again").click()')
        self.assertEqual(page.evaluate('document.querySelector("#seed").value'), '12')
        self.assertEqual(page.evaluate('document.querySelector("#prompt").value'), 'a lighthouse on a cliff')
        page.evaluate('document.querySelector("#gallery button").click()')
        page.evaluate('document.querySelector("#remove").click()')
        page.wait_for('document.querySelectorAll("#gallery li").length === 0')

    def test_errors(self):
        self.make('a cat', size='other', width=17, height=64)
        self.assertFalse(self.browser.evaluate('document.querySelector("#form").checkValidity()'))
        self.assertEqual(self.server.metric('zimage_jobs_running'), 0)
        # What the page lets through, the server does not, and its words are shown.
        self.browser.evaluate('document.querySelector("#n").max = ""')
        self.make('a cat', size='', steps=1, n=100000)
        self.browser.wait_for('document.querySelector("#status").classList.contains("bad")')
        self.assertIn('100000', self.status())
        # The browser notes the status 400; that is what was asked for.
        self.browser.problems.clear()

    def test_leaving_cancels(self):
        self.make('a cat', steps=1000)
        self.server.wait_for(lambda: self.server.metric('zimage_jobs_running') == 1)
        self.browser.wait_for('document.querySelector("#status").textContent.startsWith("Step")')
        self.browser.open('about:blank')
        self.server.wait_for(lambda: self.server.metric('zimage_jobs_running') == 0)

    def test_names_for_screen_readers(self):
        nodes = self.browser.call('Accessibility.getFullAXTree')['nodes']
        controls = {(node['role']['value'], node['name']['value']) for node in nodes
                    if not node['ignored'] and node['role']['value'] in
                    ('textbox', 'button', 'combobox', 'spinbutton', 'form', 'region', 'heading')}
        for role, name in [('textbox', 'Prompt'), ('combobox', 'Model'), ('combobox', 'Size'), ('spinbutton', 'Steps'),
                           ('spinbutton', 'Seed'), ('button', 'Make picture'), ('button', 'Cancel'), ('region',
                                                                                                      'Picture'),
                           ('region', 'Gallery'), ('form', 'New picture')]:
            self.assertIn((role, name), controls)
        self.assertNotIn('', {name for _, name in controls})
        self.assertEqual(self.browser.evaluate('document.querySelector("#status").getAttribute("role")'), 'status')

    def test_sizes_and_colours(self):
        """Nothing is wider than the window, and text can be read on its ground."""
        self.browser.set_size(360, 740, True)
        self.make('a lighthouse on a cliff, oil on canvas', steps=2)
        self.browser.wait_for('document.querySelector("#status").textContent.startsWith("Done")')
        top, bottom = self.browser.evaluate('(({ top, bottom }) => [top, bottom])(document.querySelector("#status")'
                                            '.getBoundingClientRect())')
        self.assertTrue(0 < top < bottom <= 740, (top, bottom))
        for name, width, height in [('phone', 360, 740), ('tablet', 820, 1180), ('desktop', 1280, 900)]:
            for dark in [False, True]:
                self.browser.set_size(width, height, name == 'phone')
                self.browser.set_dark(dark)
                self.assertLessEqual(self.browser.evaluate('document.documentElement.scrollWidth'), width)
                self.assertGreaterEqual(self.contrast('.hint', '.card'), 4.5)
                self.assertGreaterEqual(self.contrast('#form label', '.card'), 4.5)
                self.assertGreaterEqual(self.contrast('#make', '#make'), 4.5)
                self.assertGreaterEqual(self.contrast('#seed', '#seed', '::placeholder'), 4.5)
                self.screenshot(f'{name}-{"dark" if dark else "light"}')

    def contrast(self, text, ground, part=''):
        """As the WCAG have it, of the colours of two elements, or a part of the first."""
        return self.browser.evaluate('''((text, ground, part) => {
            const light = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
              .map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
              .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
            const a = light(getComputedStyle(document.querySelector(text), part).color);
            const b = light(getComputedStyle(document.querySelector(ground)).backgroundColor);
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          })''' + f'({text!r}, {ground!r}, {part!r})')

    def test_nothing_from_elsewhere(self):
        names = self.browser.evaluate('performance.getEntriesByType("resource").map(entry => entry.name)')
        for name in names:
            self.assertTrue(name.startswith(self.url), name)


if __name__ == '__main__':
    if browser.find() is None:
        print('There is no Chromium')
        sys.exit(77)
    unittest.main()
