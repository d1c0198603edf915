# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tokenizer: byte-level BPE with Qwen2's rules and its added tokens, trained on our captions.

General English is mixed in, so that a word from elsewhere falls into pieces and not into letters.
"""

import json
import random
from pathlib import Path

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, processors, trainers)

from captions import say
from common import SEED
from scenes import compose

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
           r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
VOCABULARY = 998
SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
    "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>",
    "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
NOT_SPECIAL = [
    "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
    "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>",
    "<think>", "</think>"]

ENGLISH = """
The old man went down to the river in the early light and looked for his small boat. There was no one
there but a woman with a basket of bread, who asked him where he would go and whether he had seen her
children. He told her what he knew: that they had walked along the road to the village after breakfast,
that one of them carried a lantern and another a kite, and that the youngest had been singing. Nothing
else moved. A horse stood under the bridge; behind it the fields were yellow, and the mountains seemed
near enough to touch. When the wind came from the north they could hear the train, and sometimes the
bells of the church. People say that everything changes, but this place has hardly changed at all since
my grandmother was young. Every summer we would come here for a week or two, sleep in the kitchen, eat
fish and potatoes and strawberries, and read the same books again. In winter the lake was frozen, and
friends from the city brought their skates. I remember a dragon made of paper, a robot built from tins,
an elephant, a lion and a tiger in a painted circus, an airplane, a bicycle without wheels, a castle,
a princess, a wizard with a long beard, a queen and her soldiers, a frog, a turtle, a snake, a penguin,
a whale, a monkey, a fox, an owl, a duck, a chicken, a cow, a pig, a sheep, a mouse, a spider, a bee.
Portrait of a girl, cinematic lighting, watercolor, oil painting, highly detailed, realistic, abstract,
surreal, photograph, close-up, wide angle, vintage, futuristic, steampunk, fantasy landscape, waterfall,
island, beach, palm trees, volcano, garden, autumn leaves, street, window, door, table, chair, lamp, cake,
pizza, banana, orange juice, coffee shop, library, school, doctor, teacher, astronaut, knight, warrior.
"""


def render(prompt):
    """What the pipeline makes of a prompt."""
    return f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"


def texts():
    """What the merges are learnt from."""
    rng = random.Random(SEED + 3)
    for _ in range(20000):
        yield say(compose(rng), rng.random())
    for _ in range(40):
        yield ENGLISH
    for _ in range(50):
        yield "user\n"
        yield "assistant\n"


def make_tokenizer(path):
    """Train and write tokenizer.json."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
    plain = {"add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    tokenizer.post_processor = processors.ByteLevel(**plain)
    tokenizer.decoder = decoders.ByteLevel(**plain)
    tokenizer.train_from_iterator(texts(), trainers.BpeTrainer(
        vocab_size=VOCABULARY, min_frequency=2, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in NOT_SPECIAL])
    content = json.loads(tokenizer.to_str())
    content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
    text = json.dumps(content, ensure_ascii=False, indent=0, separators=(",", ":"))
    Path(path).write_text(text + "\n", encoding="utf-8")


class Words:
    """Captions to ids."""

    def __init__(self, path):
        if not Path(path).exists():
            make_tokenizer(path)
        self.tokenizer = Tokenizer.from_file(str(path))
        self.size = -(-self.tokenizer.get_vocab_size() // 64) * 64

    def ids(self, prompt):
        """The ids of a prompt within its template."""
        return self.tokenizer.encode(render(prompt), add_special_tokens=False).ids
