/* window.js: a window that draws what is typed into it, and shows how it comes about
 *
 * Usage: window.js [MODEL]
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

import Gdk from 'gi://Gdk?version=4.0';
import Gtk from 'gi://Gtk?version=4.0';
import ZImage from 'gi://ZImage?version=1.0';

class Window {
    constructor(application, pipeline) {
        this._pipeline = pipeline;
        this._job = null;

        this._entry = new Gtk.Entry({ placeholder_text: 'a sunset over mountains', hexpand: true });
        this._button = new Gtk.Button({ label: 'Generate' });
        this._bar = new Gtk.ProgressBar();
        this._picture = new Gtk.Picture({ vexpand: true, width_request: 256, height_request: 256 });
        this._entry.connect('activate', () => this._generate());
        this._button.connect('clicked', () => this._job ? this._job.cancel() : this._generate());

        const line = new Gtk.Box({ spacing: 6 });
        line.append(this._entry);
        line.append(this._button);
        const box = new Gtk.Box({ orientation: Gtk.Orientation.VERTICAL, spacing: 6 });
        for (const margin of ['margin_top', 'margin_bottom', 'margin_start', 'margin_end'])
            box[margin] = 12;
        for (const child of [line, this._bar, this._picture])
            box.append(child);
        this.widget = new Gtk.ApplicationWindow({ application, title: 'A picture', child: box });
    }

    _show(pixbuf) {
        this._picture.set_paintable(Gdk.Texture.new_for_pixbuf(pixbuf));
    }

    _generate() {
        const prompt = this._entry.text || this._entry.placeholder_text;
        const job = this._pipeline.submit(new ZImage.Params({ prompt }));

        this._job = job;
        this._button.label = 'Cancel';
        job.request_preview(1, 256);
        job.connect('notify::fraction', () => (this._bar.fraction = job.fraction));
        job.connect('notify::preview', () => this._show(job.preview));
        job.connect('done', () => this._done(job));
    }

    _done(job) {
        this._job = null;
        this._button.label = 'Generate';
        this._bar.fraction = 0;
        if (job.get_error() === null)
            this._show(job.images.get_item(0).get_pixbuf());
        else
            this.widget.title = job.get_error().message;
    }
}

const application = new Gtk.Application();
application.connect('activate', () => {
    const model = ZImage.Model.open(ARGV[0] ?? 'demo', null);
    const window = new Window(application, ZImage.Pipeline.new(model, null));
    window.widget.present();
});
application.run([]);
