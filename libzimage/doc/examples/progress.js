/* progress.js: a picture without blocking, with progress and previews; it gives up after a while
 *
 * Usage: progress.js [SECONDS]
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import ZImage from 'gi://ZImage?version=1.0';
import System from 'system';

Gio._promisify(ZImage.Model, 'open_async', 'open_finish');

async function main(seconds) {
    const model = await ZImage.Model.open_async('./Z-Image-Turbo', null);
    const pipeline = ZImage.Pipeline.new(model, null);
    pipeline.connect('progress', (_pipeline, job, stage, step, total) => {
        if (stage === ZImage.Stage.DENOISE)
            print(`step ${step} of ${total}, ${Math.round(100 * job.fraction)} %`);
    });

    const job = pipeline.submit(new ZImage.Params({ prompt: 'a sunset over mountains' }));
    job.request_preview(2, 256);
    job.connect('notify::preview', () =>
        print(`preview of ${job.preview.get_width()}x${job.preview.get_height()} pixels`));
    GLib.timeout_add(GLib.PRIORITY_DEFAULT, 1000 * seconds, () => job.cancel());
    await new Promise(resolve => job.connect('done', resolve));

    if (job.get_error() !== null)
        throw job.get_error();
    job.images.get_item(0).save('sunset.png');
    print(`done with seed ${job.seed}`);
}

const loop = new GLib.MainLoop(null, false);
let status = 0;
main(Number(ARGV[0] ?? 600)).catch(error => {
    printerr(error.message);
    status = 1;
}).finally(() => loop.quit());
loop.run();
System.exit(status);
