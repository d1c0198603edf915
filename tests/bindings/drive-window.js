/* drive-window.js: uses the window of the book's example as a person would
 *
 * Usage: drive-window.js PATH-OF-window.js MODEL      prints what it saw; exit status 0 if all was well
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Gtk from 'gi://Gtk?version=4.0';
import System from 'system';

const [path, model] = ARGV;

function find(widget, type) {
    if (widget instanceof type)
        return widget;
    for (let child = widget.get_first_child(); child; child = child.get_next_sibling()) {
        const found = find(child, type);
        if (found)
            return found;
    }
    return null;
}

/* Steps that wait for each other; each is called until it says that it is done. */
const fractions = [];
let window, entry, button, bar, picture;
const steps = [
    () => {
        [window] = Gtk.Window.list_toplevels();
        if (!window)
            return false;
        [entry, button, bar, picture] = [Gtk.Entry, Gtk.Button, Gtk.ProgressBar, Gtk.Picture].map(
            type => find(window, type));
        bar.connect('notify::fraction', () => fractions.push(bar.fraction));
        entry.text = 'a red circle';
        entry.emit('activate');
        return true;
    },
    () => button.label === 'Generate' && picture.paintable !== null,
    () => {
        fractions.pop(); // It is zero again.
        if (fractions.length < 2 || fractions.some((f, i) => i > 0 && f < fractions[i - 1]))
            throw new Error(`the fraction did not rise: ${fractions}`);
        print(`picture of ${picture.paintable.get_width()}x${picture.paintable.get_height()} pixels`);
        button.emit('clicked');
        if (button.label !== 'Cancel')
            throw new Error('nothing began');
        button.emit('clicked');
        return true;
    },
    () => button.label === 'Generate' && window.title !== 'A picture',
    () => {
        print(`cancelled: ${window.title}`);
        System.exit(0);
        return true;
    },
];

GLib.timeout_add(GLib.PRIORITY_DEFAULT, 10, () => {
    try {
        if (steps[0]())
            steps.shift();
        return GLib.SOURCE_CONTINUE;
    } catch (error) {
        printerr(error.message);
        System.exit(1);
        return GLib.SOURCE_REMOVE;
    }
});
ARGV.splice(0, ARGV.length, model);
await import(Gio.File.new_for_path(path).get_uri());
