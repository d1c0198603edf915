# SPDX-License-Identifier: LGPL-2.1-or-later
"""The small models of the fixtures: configs, construction, config files."""

import json
import shutil
from pathlib import Path

from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline
from diffusers import ZImageTransformer2DModel
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

from weights import fill

HERE = Path(__file__).resolve().parent
TOKENIZER = HERE / "tokenizer" / "tokenizer.json"
VOCAB_MULTIPLE = 64

# What the Qwen3 template does with one user message and no tools.
CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\\n\\n</think>\\n\\n' }}"
    "{%- endif %}"
    "{%- endif %}"
)

MAIN_LENS = [1536, 512, 512]


def dit(dim, heads, axes, layers, refiners, features, **more):
    """Arguments of a ZImageTransformer2DModel."""
    config = {
        "dim": dim,
        "n_heads": heads,
        "n_kv_heads": heads,
        "axes_dims": axes,
        "axes_lens": MAIN_LENS,
        "n_layers": layers,
        "n_refiner_layers": refiners,
        "cap_feat_dim": features,
        "in_channels": 16,
    }
    config.update(more)
    return config


TRANSFORMERS = {
    # diffusers' own pipeline test: an odd feed-forward width, int (32 / 3 * 8) = 85
    "min": dit(32, 2, [8, 4, 4], 2, 1, 16, axes_lens=[256, 32, 32]),
    # diffusers' own model test: n_kv_heads is in the config and ignored
    "model": dit(16, 1, [8, 4, 4], 1, 1, 16, n_kv_heads=2, axes_lens=[256, 32, 32]),
    "96": dit(96, 2, [16, 16, 16], 3, 2, 64),
    "384": dit(384, 3, [32, 48, 48], 3, 2, 256),
    # every inner size but the patch's 64 is a multiple of 256
    "768q": dit(768, 6, [32, 48, 48], 2, 1, 256),
}


def qwen(hidden, inner, layers, heads, kv_heads, head_dim, **more):
    """Arguments of a Qwen3Config; the vocabulary comes from the tokenizer."""
    config = {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "max_position_embeddings": 40960,
        "max_window_layers": layers,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
        "use_cache": False,
        "dtype": "float32",
    }
    config.update(more)
    return config


TEXT_ENCODERS = {
    "t": qwen(256, 512, 4, 4, 2, 64),
    # heads * head_dim larger than hidden, no grouping
    "min": qwen(16, 16, 2, 2, 2, 128, max_position_embeddings=512),
    # three query heads per key head, sizes that no vector length divides
    "odd": qwen(84, 150, 3, 6, 2, 20),
}


def vae(widths, layers, groups=32, **more):
    """Arguments of an AutoencoderKL."""
    count = len(widths)
    config = {
        "block_out_channels": widths,
        "layers_per_block": layers,
        "norm_num_groups": groups,
        "latent_channels": 16,
        "down_block_types": ["DownEncoderBlock2D"] * count,
        "up_block_types": ["UpDecoderBlock2D"] * count,
        "scaling_factor": 0.3611,
        "shift_factor": 0.1159,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
        "sample_size": 1024,
    }
    config.update(more)
    return config


VAES = {
    "t": vae([32, 32, 64, 64], 1),
    "two": vae([32, 32, 64, 64], 2),
    # all widths alike: a wrong block order would load without an error
    "even": vae([64, 64, 64, 64], 1),
    "quant": vae([32, 64, 64, 64], 1, 8, use_quant_conv=True, use_post_quant_conv=True),
}

SCHEDULERS = {
    "turbo": {"num_train_timesteps": 1000, "shift": 3.0, "use_dynamic_shifting": False},
    "base": {"num_train_timesteps": 1000, "shift": 6.0, "use_dynamic_shifting": False},
}


def load_tokenizer(path=TOKENIZER):
    """The fixture tokenizer as transformers runs it."""
    return PreTrainedTokenizerFast(
        tokenizer_file=str(path),
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        padding_side="right",
        chat_template=CHAT_TEMPLATE,
    )


def vocabulary_size(tokenizer):
    """Largest id + 1, rounded up."""
    top = max(tokenizer.get_vocab().values()) + 1
    return -(-top // VOCAB_MULTIPLE) * VOCAB_MULTIPLE


def make_transformer(name, shifts=None):
    """A transformer with hashed weights."""
    return fill(ZImageTransformer2DModel(**TRANSFORMERS[name]), "transformer", shifts)


def make_text_encoder(name, tokenizer, shifts=None):
    """A text encoder with hashed weights."""
    ids = tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>"])
    config = Qwen3Config(
        **TEXT_ENCODERS[name],
        vocab_size=vocabulary_size(tokenizer),
        bos_token_id=ids[0],
        eos_token_id=ids[1],
        attn_implementation="eager",
    )
    return fill(Qwen3Model(config), "text_encoder", shifts)


def make_vae(name, shifts=None):
    """An autoencoder with hashed weights."""
    return fill(AutoencoderKL(**VAES[name]), "vae", shifts)


def make_scheduler(name):
    """A scheduler."""
    return FlowMatchEulerDiscreteScheduler(**SCHEDULERS[name])


def make_pipeline(case, tokenizer):
    """The whole pipeline of a case."""
    models = case["models"]
    shifts = case.get("weight_shift")
    pipeline = ZImagePipeline(
        scheduler=make_scheduler(models["scheduler"]),
        vae=make_vae(models["vae"], shifts),
        text_encoder=make_text_encoder(models["text_encoder"], tokenizer, shifts),
        tokenizer=tokenizer,
        transformer=make_transformer(models["transformer"], shifts),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def write_json(path, data):
    """JSON as the fixtures have it."""
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def clean(path, changes=None):
    """Take what depends on the machine out of a saved config; apply changes."""
    data = json.loads(path.read_text())
    data.pop("_name_or_path", None)
    if changes:
        changes(data)
    write_json(path, data)


def as_older_release(data):
    """Spell a text encoder's config the way the published checkpoints do."""
    rope = data.pop("rope_parameters")
    data["rope_theta"] = rope["rope_theta"]
    data["rope_scaling"] = None
    data["torch_dtype"] = data.pop("dtype")
    data.pop("layer_types", None)


def save_component(module, folder, older=False):
    """Write the config of one component; weights stay unwritten."""
    shutil.rmtree(folder, ignore_errors=True)
    if isinstance(module, Qwen3Model):
        module.config.save_pretrained(folder)
        clean(folder / "config.json", as_older_release if older else None)
    elif isinstance(module, FlowMatchEulerDiscreteScheduler):
        module.save_config(folder)
        clean(folder / "scheduler_config.json")
    else:
        module.save_config(folder)
        clean(folder / "config.json")


def save_pipeline(pipeline, folder, older=False):
    """Write model_index.json and the config of each component."""
    pipeline.save_config(folder)

    def name_tokenizer(data):
        data["tokenizer"] = ["transformers", "Qwen2Tokenizer"]

    clean(folder / "model_index.json", name_tokenizer)
    for name in ("scheduler", "text_encoder", "transformer", "vae"):
        save_component(getattr(pipeline, name), folder / name, older)
