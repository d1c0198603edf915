# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a model folder in diffusers' layout, bf16, and runs it through diffusers.

Usage: export.py FOLDER [STAGE]    STAGE is turbo, or base before it
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

import nets
from common import WORK, contact_sheet, load
from prompts24 import SHEET
from train_flow import GUIDANCE
from train_vae import make_vae, newest
from words import Words

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
DEFAULTS = {"name": "Demo", "width": 128, "height": 128, "steps": 8}


def make_text_encoder(weights, words):
    """Qwen3 with one more layer than is used: the pipeline takes what enters the last one."""
    ids = [words.tokenizer.token_to_id(t) for t in ("<|endoftext|>", "<|im_end|>")]
    model = Qwen3Model(Qwen3Config(
        vocab_size=words.size, hidden_size=nets.WIDTH, intermediate_size=nets.TEXT_INNER,
        num_hidden_layers=nets.TEXT_LAYERS + 1, num_attention_heads=nets.TEXT_HEADS,
        num_key_value_heads=1, head_dim=nets.HEAD, max_position_embeddings=2048,
        max_window_layers=nets.TEXT_LAYERS + 1, rms_norm_eps=1e-6, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}, use_cache=False,
        bos_token_id=ids[0], eos_token_id=ids[1], dtype="float32"))
    unused = f"layers.{nets.TEXT_LAYERS}."
    for name, value in model.named_parameters():
        if name.startswith(unused) and "norm" not in name:
            torch.nn.init.zeros_(value)
    missing = model.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys
    assert all(n.startswith(unused) or n == "norm.weight" for n in missing.missing_keys)
    return model


def make_transformer(weights):
    """Z-Image's transformer."""
    model = ZImageTransformer2DModel(
        dim=nets.WIDTH, n_heads=nets.HEADS, n_kv_heads=nets.HEADS, axes_dims=nets.AXES,
        axes_lens=[1536, 512, 512], n_layers=nets.LAYERS, n_refiner_layers=nets.REFINERS,
        cap_feat_dim=nets.WIDTH, in_channels=16)
    model.load_state_dict(weights)
    return model


def weights_of(stage):
    """The averages of a stage, or of the last there is, and the guidance they want."""
    stages = [stage] if stage else ["turbo", "base"]
    path = next(p for p in (WORK / f"{s}.pt" for s in stages) if p.exists())
    values = load(path)["average"]["values"]
    print("weights of", path.name)
    parts = tuple({k.split(".", 1)[1]: v for k, v in values.items() if k.startswith(part)}
                  for part in ("text.", "transformer."))
    return *parts, 0.0 if path.stem == "turbo" else GUIDANCE


def make_pipeline(stage=None):
    """Everything in bf16, and its guidance."""
    words = Words(WORK / "tokenizer.json")
    text, transformer, guidance = weights_of(stage)
    vae = make_vae()
    vae.load_state_dict(newest())
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(WORK / "tokenizer.json"), pad_token="<|endoftext|>",
        eos_token="<|im_end|>", padding_side="right", chat_template=CHAT_TEMPLATE)
    pipeline = ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            num_train_timesteps=1000, shift=3.0, use_dynamic_shifting=False),
        vae=vae, text_encoder=make_text_encoder(text, words), tokenizer=tokenizer,
        transformer=make_transformer(transformer))
    for part in (pipeline.vae, pipeline.text_encoder, pipeline.transformer):
        part.to(torch.bfloat16)
    return pipeline, guidance


def write_json(path, data):
    """JSON with a line end."""
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def tidy(path, **changes):
    """Take what depends on the machine out of a config."""
    data = json.loads(path.read_text(encoding="utf-8"))
    data.pop("_name_or_path", None)
    write_json(path, data | changes)


def export(folder, stage=None):
    """Write the folder."""
    folder = Path(folder)
    pipeline, guidance = make_pipeline(stage)
    for part in ("scheduler", "text_encoder", "transformer", "vae"):
        shutil.rmtree(folder / part, ignore_errors=True)
        getattr(pipeline, part).save_pretrained(folder / part)
    (folder / "tokenizer").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(WORK / "tokenizer.json", folder / "tokenizer" / "tokenizer.json")
    write_json(folder / "tokenizer" / "tokenizer_config.json", {
        "tokenizer_class": "Qwen2Tokenizer", "pad_token": "<|endoftext|>",
        "eos_token": "<|im_end|>", "chat_template": CHAT_TEMPLATE, "model_max_length": 2048,
        "add_prefix_space": False, "clean_up_tokenization_spaces": False})
    pipeline.save_config(folder)
    tidy(folder / "model_index.json", tokenizer=["transformers", "Qwen2Tokenizer"])
    for part in ("text_encoder", "transformer", "vae"):
        tidy(folder / part / "config.json")
    tidy(folder / "scheduler" / "scheduler_config.json")
    write_json(folder / "zimage.json", DEFAULTS | {"guidance": guidance})
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)
    size = sum(p.stat().st_size for p in folder.rglob("*.safetensors"))
    print(f"{size / 1e6:.2f} MB of weights")
    return pipeline, guidance


def main():
    """Export, and a sheet through diffusers at f32."""
    folder = Path(sys.argv[1])
    pipeline, guidance = export(folder, *sys.argv[2:3])
    pipeline.to(torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    images = []
    for prompt in SHEET:
        images += pipeline(prompt, width=128, height=128, num_inference_steps=8, guidance_scale=guidance,
                           generator=torch.Generator().manual_seed(1)).images
    contact_sheet(images, 6, WORK / "export-sample.png")


if __name__ == "__main__":
    main()
