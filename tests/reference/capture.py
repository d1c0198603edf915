# SPDX-License-Identifier: LGPL-2.1-or-later
"""Taps that copy intermediate values out of diffusers' and transformers' modules.

Each tap is a context manager with a dict called "values". It assumes a batch of
one, except PipelineTap, which takes the batch apart.
"""

from contextlib import ExitStack
from unittest import mock

import torch
from diffusers.models.transformers import transformer_z_image

GROUPS = ("noise_refiner", "context_refiner", "layers")


class Tap(ExitStack):
    """Hooks on modules that live as long as the context."""

    def __init__(self):
        super().__init__()
        self.values = {}

    def keep(self, name, tensor):
        """Store a copy."""
        self.values[name] = tensor.detach().clone()

    def on_output(self, module, receive):
        """Call receive (output) after each forward of module."""

        def hook(_module, _args, output):
            receive(output)

        self.callback(module.register_forward_hook(hook).remove)

    def on_input(self, module, receive):
        """Call receive (args) before each forward of module."""

        def hook(_module, args, _kwargs):
            receive(args)

        self.callback(module.register_forward_pre_hook(hook, with_kwargs=True).remove)

    def keep_output(self, module, name):
        """Store the output of module without its batch axis, heads joined."""
        self.on_output(module, lambda output: self.keep(name, rows(output)))

    def keep_input(self, module, name):
        """Store the first argument of module without its batch axis."""
        self.on_input(module, lambda args: self.keep(name, rows(args[0])))


def rows(tensor):
    """[1, n, heads, size] -> [n, heads * size]; [1, n, size] -> [n, size]."""
    return tensor[0].flatten(1) if tensor.ndim == 4 else tensor[0]


class TransformerTap(Tap):
    """Everything inside one forward of a ZImageTransformer2DModel.

    With full the first block of each group is opened; else blocks give their
    output only.
    """

    def __init__(self, model, full):
        super().__init__()
        self.model = model
        self.block = None
        self.image_rows = None
        self.ids = []
        self.tap_outside()
        for group in GROUPS:
            for index, block in enumerate(getattr(model, group)):
                prefix = f"{group}.{index}"
                self.keep_output(block, f"{prefix}.out")
                if full and index == 0:
                    self.tap_block(block, prefix)
        if full:
            self.tap_attention()

    def tap_outside(self):
        """Taps around the blocks."""
        model = self.model
        final = model.all_final_layer["2-1"]
        self.on_input(model.t_embedder.mlp, lambda args: self.keep("time.embed", args[0][0]))
        self.on_output(model.t_embedder.mlp, lambda output: self.keep("time.adaln", output[0]))
        self.on_input(model.all_x_embedder["2-1"], lambda args: self.keep("image.patch", args[0]))
        self.keep_input(model.noise_refiner[0], "image.embed")
        self.keep_input(model.context_refiner[0], "caption.embed")
        self.keep_output(model.context_refiner[-1], "caption.refined")
        self.on_input(model.layers[0], self.keep_tables)
        self.on_input(final.linear, lambda args: self.keep("final.norm", args[0][0]))
        self.on_output(final.linear, lambda output: self.keep("final.linear", output[0]))
        self.tap_positions()

    def tap_positions(self):
        """Record the position ids; the embedder is no module."""
        embedder = self.model.rope_embedder

        def record(ids):
            self.ids.append(ids.detach().clone())
            return embedder(ids)

        self.enter_context(mock.patch.object(self.model, "rope_embedder", record))

    def keep_tables(self, args):
        """The rotation table of the joint sequence, image rows first."""
        table = args[2][0]
        self.keep("rope.cos", table.real)
        self.keep("rope.sin", table.imag)

    def tap_block(self, block, prefix):
        """Taps inside a block."""
        attention = block.attention
        self.on_input(attention, lambda _args: setattr(self, "block", prefix))
        self.on_output(attention, lambda _output: setattr(self, "block", None))
        self.keep_input(attention, f"{prefix}.u")
        self.keep_output(attention.norm_q, f"{prefix}.q_norm")
        self.keep_output(attention.norm_k, f"{prefix}.k_norm")
        self.keep_output(attention.to_out[0], f"{prefix}.to_out")
        self.keep_input(block.ffn_norm1, f"{prefix}.mid")
        for name in ("w1", "w3", "w2"):
            self.keep_output(getattr(block.feed_forward, name), f"{prefix}.{name}")

    def tap_attention(self):
        """Taps on what goes into and comes out of the attention product."""
        original = transformer_z_image.dispatch_attention_fn

        def record(query, key, value, **kwargs):
            output = original(query, key, value, **kwargs)
            if self.block:
                self.keep(f"{self.block}.q_rope", rows(query))
                self.keep(f"{self.block}.k_rope", rows(key))
                self.keep(f"{self.block}.attn", rows(output))
            return output

        name = "dispatch_attention_fn"
        self.enter_context(mock.patch.object(transformer_z_image, name, record))

    def finish(self, latents, output):
        """Drop rows that are no picture, add velocity and positions."""
        count = latents.shape[-1] * latents.shape[-2] // 4
        for name in ("image.patch", "final.norm", "final.linear"):
            self.values[name] = self.values[name][:count]
        self.keep("velocity", -output[:, 0])
        image, caption = self.ids
        # the reference gives the caption more ids than it has rows and drops the rest
        caption = caption[: len(self.values["caption.embed"])]
        self.keep("rope.ids", torch.cat([image, caption]))
        return self.values


class TextTap(Tap):
    """Embeddings and layer outputs of a Qwen3Model, pad rows dropped."""

    def __init__(self, model):
        super().__init__()
        self.mask = None
        hook = model.register_forward_pre_hook(self.take_ids, with_kwargs=True)
        self.callback(hook.remove)
        self.keep_real(model.embed_tokens, "text.embed")
        for index, layer in enumerate(model.layers[:-1]):
            self.keep_real(layer, f"text.layer.{index}")

    def take_ids(self, _module, _args, kwargs):
        """Remember which rows are real."""
        self.mask = kwargs["attention_mask"][0].bool()
        self.keep("text.ids", kwargs["input_ids"][0][self.mask])

    def keep_real(self, module, name):
        """Store the real rows of a module's output."""
        self.on_output(module, lambda output: self.keep(name, output[0][self.mask]))


class DecoderTap(Tap):
    """Feature maps inside AutoencoderKL.decode."""

    def __init__(self, model):
        super().__init__()
        decoder = model.decoder
        self.keep_map(decoder.conv_in, "decode.conv_in")
        self.keep_map(decoder.mid_block, "decode.mid")
        for index, block in enumerate(decoder.up_blocks):
            self.keep_map(block, f"decode.up.{index}")

    def keep_map(self, module, name):
        """Store a feature map."""
        self.on_output(module, lambda output: self.keep(name, output[0]))


class EncoderTap(DecoderTap):
    """Feature maps inside AutoencoderKL.encode."""

    def __init__(self, model):
        Tap.__init__(self)
        encoder = model.encoder
        self.keep_map(encoder.conv_in, "encode.conv_in")
        self.keep_map(encoder.mid_block, "encode.mid")
        for index, block in enumerate(encoder.down_blocks):
            self.keep_map(block, f"encode.down.{index}")


class PipelineTap(Tap):
    """What a ZImagePipeline hands from stage to stage.

    Names of a second and later picture of a run begin with "sample.B.", those
    of the negative prompt with "negative.".
    """

    def __init__(self, pipeline):
        super().__init__()
        self.pipeline = pipeline
        self.step = 0
        self.prompts = 0
        self.pictures = 0
        self.patch(pipeline.text_encoder, "forward", self.after_text)
        self.patch(pipeline, "prepare_latents", self.after_noise)
        self.patch(pipeline.scheduler, "step", self.after_step)
        self.patch(pipeline.transformer, "forward", self.after_transformer)
        self.patch(pipeline.vae, "decode", self.after_decode)

    def patch(self, owner, name, receive):
        """Call receive (args, kwargs, result) after each owner.name ()."""
        original = getattr(owner, name)

        def record(*args, **kwargs):
            result = original(*args, **kwargs)
            receive(args, kwargs, result)
            return result

        self.enter_context(mock.patch.object(owner, name, record))

    def keep_batch(self, name, batch):
        """Store each sample of a batch under its own name."""
        for index, tensor in enumerate(batch):
            self.keep(f"sample.{index}.{name}" if index else name, tensor)

    def after_text(self, _args, kwargs, result):
        """Ids and features of the prompt, then of the negative prompt."""
        prefix = "negative." if self.prompts else ""
        mask = kwargs["attention_mask"][0].bool()
        self.keep(f"{prefix}text.ids", kwargs["input_ids"][0][mask])
        self.keep(f"{prefix}text.features", result.hidden_states[-2][0][mask])
        self.prompts += 1

    def after_noise(self, _args, _kwargs, result):
        """The noise."""
        self.pictures = len(result)
        self.keep_batch("latents.0", result)

    def after_transformer(self, _args, _kwargs, result):
        """Velocities of both halves of a guided step."""
        outputs = [-output[:, 0] for output in result[0]]
        if len(outputs) > self.pictures:
            step = f"step.{self.step}"
            self.keep_batch(f"{step}.positive.velocity", outputs[: self.pictures])
            self.keep_batch(f"{step}.negative.velocity", outputs[self.pictures :])

    def after_step(self, args, _kwargs, result):
        """The velocity that Euler used and the new latents."""
        self.keep_batch(f"step.{self.step}.velocity", args[0])
        self.step += 1
        self.keep_batch(f"latents.{self.step}", result[0])

    def after_decode(self, args, _kwargs, result):
        """The decoder's input and the picture before it is clamped."""
        self.keep_batch("decode.z", args[0])
        self.keep_batch("image", result[0])
