# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public classes in Python: construction, ownership, signals, cancelling and errors."""

import locale
import os
import subprocess
import sys
import tempfile
import unittest

import gi

gi.require_version("GdkPixbuf", "2.0")
gi.require_version("ZImage", "1.0")
from gi.repository import GdkPixbuf, Gio, GLib, ZImage

import tap

MODEL = "./Z-Image-Turbo"


def give_up():
    """Ends the program: a callback has thrown, and nobody ends the loop."""
    print("Bail out! The loop did not end", flush=True)
    os._exit(1)


def run_loop(start):
    """Calls start (quit) and iterates until quit was called; at most half a minute."""
    loop = GLib.MainLoop()
    late = GLib.timeout_add(30000, give_up)
    start(loop.quit)
    loop.run()
    GLib.source_remove(late)


def wait(job):
    """Iterates until the job has ended."""
    run_loop(lambda quit: job.connect("done", lambda job: quit()))
    return job


class Version(unittest.TestCase):
    def test_version(self):
        version = (ZImage.get_major_version(), ZImage.get_minor_version(), ZImage.get_micro_version())
        self.assertEqual(version, (ZImage.MAJOR_VERSION, ZImage.MINOR_VERSION, ZImage.MICRO_VERSION))
        self.assertTrue(ZImage.check_version(*version))
        self.assertTrue(ZImage.check_version(0, 0, 999))
        self.assertFalse(ZImage.check_version(version[0], version[1], version[2] + 1))
        self.assertFalse(ZImage.check_version(version[0] + 1, 0, 0))

    def test_translations(self):
        """Messages are looked for where the library is installed, though no program has said where."""
        self.assertEqual(locale.bindtextdomain("zimage", None), os.environ["ZIM_LOCALEDIR"])


class Params(unittest.TestCase):
    def test_construct(self):
        params = ZImage.Params(prompt="a cat", width=64, height=32, steps=3, seed=7, n_images=2)
        self.assertEqual(params.get_prompt(), "a cat")
        self.assertEqual((params.props.width, params.props.height, params.props.steps), (64, 32, 3))
        self.assertEqual((params.props.seed, params.props.n_images), (7, 2))

    def test_new(self):
        params = ZImage.Params.new("a cat")
        self.assertEqual((params.props.prompt, params.props.seed), ("a cat", ZImage.SEED_RANDOM))
        params.set_size(64, 64)
        params.set_negative_prompt(None)
        self.assertEqual(params.props.negative_prompt, "")
        self.assertTrue(params.validate())

    def test_invalid(self):
        with self.assertRaises(GLib.Error) as caught:
            ZImage.Params(prompt="a cat", width=17).validate()
        self.assertTrue(caught.exception.matches(ZImage.Error.quark(), ZImage.Error.INVALID_PARAMS))


class Model(unittest.TestCase):
    def test_open(self):
        model = ZImage.Model.open(MODEL)
        self.assertEqual(model.props.name, "tiny")
        self.assertEqual(model.props.variant, ZImage.Variant.TURBO)
        self.assertEqual((model.props.default_width, model.props.default_steps), (64, 4))
        self.assertGreater(model.get_n_parameters(), 0)

    def test_open_async(self):
        opened = []

        def opened_cb(source, result):
            opened.append(ZImage.Model.open_finish(result))

        def start(quit):
            ZImage.Model.open_async(MODEL, None, lambda *args: (opened_cb(*args), quit()))

        run_loop(start)
        self.assertIsInstance(opened[0], ZImage.Model)

    def test_missing(self):
        with self.assertRaises(GLib.Error) as caught:
            ZImage.Model.open("./nothing")
        self.assertEqual(caught.exception.domain, "zim-error-quark")
        self.assertTrue(caught.exception.matches(ZImage.Error.quark(), ZImage.Error.NOT_FOUND))
        self.assertIn("nothing", caught.exception.message)

    def test_installed(self):
        """In a process of its own: which folders there are is read once."""
        script = """if True:
            from gi.repository import ZImage
            names = ["b", "b:latest", "b:other", "empty", "..", ".", "", "../models", ".hidden", "nothing",
                     "a.gguf"]
            print(ZImage.Model.list_installed())
            print([name for name in names if ZImage.Model.is_installed(name)])
            print(ZImage.Model.open("b:latest").props.default_width)
        """
        with tempfile.TemporaryDirectory() as folder:
            for name in ["one/zimage/models/c", "one/zimage/models/a.gguf", "one/zimage/models/.hidden",
                         "two/zimage/models/c"]:
                os.makedirs(os.path.join(folder, name))
                with open(os.path.join(folder, name, "model_index.json"), "w", encoding="utf-8"):
                    pass
            os.mkdir(os.path.join(folder, "one/zimage/models/empty"))
            os.symlink(os.path.abspath(MODEL), os.path.join(folder, "two/zimage/models/b"))
            dirs = ":".join(os.path.join(folder, name) for name in ["one", "two", "none"])
            result = subprocess.run([sys.executable, "-c", script], env={**os.environ, "XDG_DATA_DIRS": dirs},
                                    capture_output=True, check=True, timeout=60)
        self.assertEqual(result.stdout.decode(), "['b', 'c']\n['b', 'b:latest']\n64\n")


class Device(unittest.TestCase):
    def test_list(self):
        devices = ZImage.Device.list()
        self.assertEqual(devices.get_item_type(), ZImage.Device.__gtype__)
        self.assertIn("cpu", [device.props.id for device in devices])

    def test_find(self):
        self.assertEqual(ZImage.Device.find("cpu").props.kind, ZImage.DeviceKind.CPU)
        with self.assertRaises(GLib.Error) as caught:
            ZImage.Device.find("abacus")
        self.assertTrue(caught.exception.matches(ZImage.Error.quark(), ZImage.Error.DEVICE))


class Pipeline(unittest.TestCase):
    def setUp(self):
        self.pipeline = ZImage.Pipeline.new(ZImage.Model.open(MODEL))
        self.params = ZImage.Params(prompt="a cat", seed=5)

    def test_generate(self):
        steps = []
        self.pipeline.connect("progress", lambda pipeline, job, stage, step, total: steps.append((stage, step, total)))
        images = self.pipeline.generate(self.params)
        self.assertEqual(len(images), 1)
        self.assertEqual((images[0].props.seed, images[0].props.pixbuf.get_width()), (5, 64))
        self.assertIn((ZImage.Stage.DENOISE, 4, 4), steps)
        self.assertFalse(self.params.is_sealed())
        self.assertTrue(images[0].get_params().is_sealed())

    def test_several(self):
        images = self.pipeline.generate(ZImage.Params(prompt="a cat", seed=5, n_images=3))
        self.assertEqual([image.props.seed for image in images], [5, 6, 7])

    def test_ownership(self):
        freed = []
        images = self.pipeline.generate(ZImage.Params(prompt="a cat", seed=5, n_images=2))
        for image in images:
            image.weak_ref(lambda: freed.append(True))
        kept = images[1]
        del image, images
        self.assertEqual(len(freed), 1)
        self.assertEqual(kept.props.seed, 6)

    def test_generate_async(self):
        images = []

        def start(quit):
            self.pipeline.generate_async(
                self.params, None, lambda pipeline, result: (images.extend(pipeline.generate_finish(result)), quit())
            )

        run_loop(start)
        self.assertEqual(images[0].props.seed, 5)

    def test_cancel_async(self):
        cancellable = Gio.Cancellable()
        errors = []

        def finished_cb(pipeline, result):
            try:
                pipeline.generate_finish(result)
            except GLib.Error as error:
                errors.append(error)

        def start(quit):
            params = ZImage.Params(prompt="a cat", steps=1000)
            self.pipeline.generate_async(params, cancellable, lambda *args: (finished_cb(*args), quit()))
            GLib.timeout_add(20, cancellable.cancel)

        run_loop(start)
        self.assertTrue(errors[0].matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED))
        self.assertEqual(len(self.pipeline.generate(self.params)), 1)

    def test_job(self):
        job = self.pipeline.submit(ZImage.Params(prompt="a cat", steps=6))
        previews, fractions = [], []
        job.request_preview(2, 32)
        job.connect("notify::preview", lambda job, pspec: previews.append(job.props.preview))
        job.connect("notify::fraction", lambda job, pspec: fractions.append(job.props.fraction))
        wait(job)
        self.assertEqual(job.props.state, ZImage.JobState.DONE)
        self.assertEqual(len(previews), 3)
        self.assertIsInstance(previews[0], GdkPixbuf.Pixbuf)
        self.assertEqual(fractions, sorted(fractions))
        self.assertEqual(fractions[-1], 1)
        self.assertIsNone(job.get_error())
        self.assertEqual([image.props.seed for image in job.props.images], [job.props.seed])

    def test_job_cancel(self):
        job = self.pipeline.submit(ZImage.Params(prompt="a cat", steps=1000))
        GLib.timeout_add(20, job.cancel)
        wait(job)
        self.assertEqual(job.props.state, ZImage.JobState.CANCELLED)
        self.assertTrue(job.get_error().matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED))

    def test_queue(self):
        jobs = [self.pipeline.submit(self.params) for _ in range(3)]
        jobs[1].cancel()
        wait(jobs[2])
        states = [job.props.state for job in jobs]
        self.assertEqual(states, [ZImage.JobState.DONE, ZImage.JobState.CANCELLED, ZImage.JobState.DONE])

    def test_invalid(self):
        job = wait(self.pipeline.submit(ZImage.Params(prompt="a cat", height=8)))
        self.assertEqual(job.props.state, ZImage.JobState.FAILED)
        self.assertTrue(job.get_error().matches(ZImage.Error.quark(), ZImage.Error.INVALID_PARAMS))
        self.assertIn("height", job.get_error().message)

    def test_memory(self):
        planned = []

        def planned_cb(pipeline, result):
            planned.append(pipeline.plan_memory_finish(result))

        def start(quit):
            self.pipeline.plan_memory_async(self.params, None, lambda *args: (planned_cb(*args), quit()))

        run_loop(start)
        self.assertGreater(planned[0], 0)
        self.assertEqual(planned, [self.pipeline.plan_memory(self.params)])


class Benchmark(unittest.TestCase):
    def run_async(self, cancellable):
        """The result of a benchmark that is run without blocking, or the error."""
        benchmark = ZImage.Benchmark.new(ZImage.Model.open(MODEL), None)
        benchmark.set_size(64, 64)
        results = []

        def finished_cb(benchmark, result):
            try:
                results.append(benchmark.run_finish(result))
            except GLib.Error as error:
                results.append(error)

        run_loop(lambda quit: benchmark.run_async(cancellable, lambda *args: (finished_cb(*args), quit())))
        return results[0]

    def test_run_async(self):
        result = self.run_async(None)
        self.assertEqual((result["model"], result["width"]), ("tiny", 64))
        self.assertGreater(result["stages"]["step"]["gflops"], 0)

    def test_cancel(self):
        cancellable = Gio.Cancellable()
        cancellable.cancel()
        self.assertTrue(self.run_async(cancellable).matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED))


class Image(unittest.TestCase):
    def test_save_and_load(self):
        pipeline = ZImage.Pipeline.new(ZImage.Model.open(MODEL))
        image = pipeline.generate(ZImage.Params(prompt="a “cat”", seed=9))[0]
        self.assertTrue(image.encode("png", 0).get_data().startswith(b"\x89PNG"))
        for name in ("cat.png", "cat.jpg"):
            self.assertTrue(image.save(name))
            loaded = ZImage.Image.load(name)
            self.assertEqual((loaded.get_params().get_prompt(), loaded.props.seed), ("a “cat”", 9))
            self.assertEqual(loaded.props.parameters_text, image.props.parameters_text)


tap.main()
