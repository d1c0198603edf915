/* test-bindings.js: the public classes in JavaScript: construction, signals, promises, cancelling and errors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

import GdkPixbuf from 'gi://GdkPixbuf';
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';
import ZImage from 'gi://ZImage?version=1.0';

Gio._promisify(ZImage.Model, 'open_async', 'open_finish');
Gio._promisify(ZImage.Pipeline.prototype, 'generate_async', 'generate_finish');
Gio._promisify(ZImage.Image, 'load_async', 'load_finish');
Gio._promisify(ZImage.Image.prototype, 'save_async', 'save_finish');
Gio._promisify(ZImage.Image.prototype, 'encode_async', 'encode_finish');

const MODEL = './Z-Image-Turbo';

function assertEqual(found, expected) {
    const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
    if (a !== b)
        throw new Error(`found ${a}, expected ${b}`);
}

async function assertRejects(call, domain, code) {
    try {
        await call();
    } catch (error) {
        assertEqual([error.constructor.name, error.matches?.(domain, code)], [error.constructor.name, true]);
        return error;
    }
    throw new Error('nothing was thrown');
}

function after(milliseconds, call) {
    GLib.timeout_add(GLib.PRIORITY_DEFAULT, milliseconds, () => {
        call();
        return GLib.SOURCE_REMOVE;
    });
}

function newPipeline() {
    return ZImage.Pipeline.new(ZImage.Model.open(MODEL, null), null);
}

const tests = {
    params() {
        const params = new ZImage.Params({ prompt: 'a cat', width: 64, nImages: 2 });
        assertEqual([params.prompt, params.width, params.n_images, params.seed], ['a cat', 64, 2, -1]);
        assertEqual(ZImage.Params.new('a cat').validate(), true);
    },

    async invalidParams() {
        const params = new ZImage.Params({ prompt: 'a cat', width: 17 });
        await assertRejects(() => params.validate(), ZImage.Error, ZImage.Error.INVALID_PARAMS);
    },

    async model() {
        const model = await ZImage.Model.open_async(MODEL, null);
        assertEqual([model.name, model.variant, model.default_steps], ['tiny', ZImage.Variant.TURBO, 4]);
        const error = await assertRejects(
            () => ZImage.Model.open('./nothing', null), ZImage.Error, ZImage.Error.NOT_FOUND);
        assertEqual(error.message.includes('nothing'), true);
    },

    devices() {
        const devices = ZImage.Device.list();
        assertEqual(devices.get_item(0) instanceof ZImage.Device, true);
        assertEqual(ZImage.Device.find('cpu').kind, ZImage.DeviceKind.CPU);
    },

    generate() {
        const pipeline = newPipeline();
        const steps = [];
        pipeline.connect('progress', (_pipeline, job, stage, step, total) => {
            if (stage === ZImage.Stage.DENOISE)
                steps.push([step, total, job.seed]);
        });
        const images = pipeline.generate(new ZImage.Params({ prompt: 'a cat', seed: 5 }), null);
        assertEqual(images.map(image => [image.seed, image.pixbuf.get_width()]), [[5, 64]]);
        assertEqual(steps, [[0, 4, 5], [1, 4, 5], [2, 4, 5], [3, 4, 5], [4, 4, 5]]);
    },

    async ownership() {
        const pipeline = newPipeline();
        for (let i = 0; i < 3; i++) {
            const images = await pipeline.generate_async(new ZImage.Params({ prompt: 'a cat', nImages: 2 }), null);
            System.gc();
            assertEqual(images.map(image => image.pixbuf.get_height()), [64, 64]);
        }
    },

    async cancelAsync() {
        const pipeline = newPipeline();
        const cancellable = new Gio.Cancellable();
        after(20, () => cancellable.cancel());
        await assertRejects(
            () => pipeline.generate_async(new ZImage.Params({ prompt: 'a cat', steps: 1000 }), cancellable),
            Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED);
        const images = await pipeline.generate_async(new ZImage.Params({ prompt: 'a cat' }), null);
        assertEqual(images.length, 1);
    },

    async job() {
        const job = newPipeline().submit(new ZImage.Params({ prompt: 'a cat', steps: 6 }));
        const previews = [];
        job.request_preview(2, 32);
        job.connect('notify::preview', () => previews.push(job.preview instanceof GdkPixbuf.Pixbuf));
        await new Promise(resolve => job.connect('done', resolve));
        assertEqual([job.state, job.fraction, previews], [ZImage.JobState.DONE, 1, [true, true, true]]);
        assertEqual([job.get_error(), job.images.get_n_items()], [null, 1]);
        assertEqual(job.images.get_item(0).seed, job.seed);
    },

    async jobErrors() {
        const pipeline = newPipeline();
        let job = pipeline.submit(new ZImage.Params({ prompt: 'a cat', height: 8 }));
        await new Promise(resolve => job.connect('done', resolve));
        assertEqual(job.state, ZImage.JobState.FAILED);
        assertEqual(job.get_error().matches(ZImage.Error, ZImage.Error.INVALID_PARAMS), true);

        job = pipeline.submit(new ZImage.Params({ prompt: 'a cat', steps: 1000 }));
        after(20, () => job.cancel());
        await new Promise(resolve => job.connect('done', resolve));
        assertEqual(job.state, ZImage.JobState.CANCELLED);
        assertEqual(job.get_error().matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), true);
    },

    async saveAndLoadAsync() {
        const [image] = await newPipeline().generate_async(new ZImage.Params({ prompt: 'a cat', seed: 9 }), null);
        assertEqual(await image.save_async('dog.jpg', null), true);
        const loaded = await ZImage.Image.load_async('dog.jpg', null);
        assertEqual(loaded.parameters_text, image.parameters_text);
        const bytes = await image.encode_async('png', 0, null);
        assertEqual(bytes.equal(image.encode('png', 0)), true);
        await assertRejects(() => ZImage.Image.load_async('nothing.png', null), GLib.FileError, GLib.FileError.NOENT);
    },

    saveAndLoad() {
        const params = new ZImage.Params({ prompt: 'a “cat”', seed: 9 });
        const [image] = newPipeline().generate(params, null);
        image.save('cat.png');
        const loaded = ZImage.Image.load('cat.png');
        assertEqual([loaded.params.prompt, loaded.seed], ['a “cat”', 9]);
        assertEqual(loaded.parameters_text, image.parameters_text);
    },
};

async function runTests() {
    let number = 0;
    let failed = 0;
    print(`1..${Object.keys(tests).length}`);
    for (const [name, test] of Object.entries(tests)) {
        number++;
        try {
            await test();
            print(`ok ${number} ${name}`);
        } catch (error) {
            failed++;
            print(`not ok ${number} ${name}`);
            printerr(`${error.message}\n${error.stack}`);
        }
    }
    return failed;
}

const loop = new GLib.MainLoop(null, false);
let status = 1;
after(90000, () => loop.quit());
runTests().then(failed => {
    status = failed > 0 ? 1 : 0;
}).catch(logError).finally(() => loop.quit());
loop.run();
System.exit(status);
