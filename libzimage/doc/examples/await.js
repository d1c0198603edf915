/* await.js: a picture as a promise, with progress; it is cancelled after a while
 *
 * Usage: await.js [SECONDS]
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import ZImage from 'gi://ZImage?version=1.0';
import System from 'system';

Gio._promisify(ZImage.Model, 'open_async', 'open_finish');
Gio._promisify(ZImage.Pipeline.prototype, 'generate_async', 'generate_finish');
Gio._promisify(ZImage.Image.prototype, 'save_async', 'save_finish');

async function main(seconds) {
    const cancellable = new Gio.Cancellable();
    GLib.timeout_add(GLib.PRIORITY_DEFAULT, 1000 * seconds, () => cancellable.cancel());

    const model = await ZImage.Model.open_async('./Z-Image-Turbo', cancellable);
    const pipeline = ZImage.Pipeline.new(model, null);
    pipeline.connect('progress', (_pipeline, job, stage, step, total) => {
        if (stage === ZImage.Stage.DENOISE)
            print(`step ${step} of ${total}, ${Math.round(100 * job.fraction)} %`);
    });

    const params = new ZImage.Params({ prompt: 'a sunset over mountains' });
    const [image] = await pipeline.generate_async(params, cancellable);
    await image.save_async('sunset.png', cancellable);
    print(`done with seed ${image.seed}`);
}

const loop = new GLib.MainLoop(null, false);
let status = 0;
main(Number(ARGV[0] ?? 600)).catch(error => {
    printerr(error.message);
    status = 1;
}).finally(() => loop.quit());
loop.run();
System.exit(status);
