#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the tokenizer fixtures of this folder with the `tokenizers` library.

tokenizer.json      a small tokenizer with Qwen2's pipeline and added tokens, trained on the licence texts
                    of this repository and on the text made below. Its vocabulary is not Qwen's, whose
                    file is not ours to ship; every rule that makes ids of text is.
corpus.jsonl        texts and what the library makes of them, one JSON object a line: "text", or "prompt"
                    for a text to be put into the chat template; "repeat", how often the text is to be
                    repeated; "ids", or where they are many "n_ids" and "md5" of them as little-endian
                    32-bit integers.
bytes.json          a tokenizer of bytes whose merges show in the ids where words begin and end; with
                    added tokens that overlap, and merges as pairs of strings.
bytes-corpus.jsonl  as corpus.jsonl, for bytes.json.
code-points.txt     for each 256 code points the start of an MD5 of the ids that bytes.json gives for
                    each of them among the others, see code_point_text ().
nfc.txt             pools of code points, then checksums of the normalization form C of texts that are drawn
                    from them at random, see nfc_text (), and of all pairs, see nfc_pairs_text ().

The library's version is pinned by the environment this runs in. A second run gives the same files.

Usage: make-tokenizer.py [folder]
"""

import hashlib
import itertools
import json
import pathlib
import random
import struct
import sys
import unicodedata

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        processors, trainers)

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
VOCAB_SIZE = 7000
ALPHABET = pre_tokenizers.ByteLevel.alphabet()

SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
    "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>",
    "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
NOT_SPECIAL = [
    "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
    "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>"]

PROMPTS = [
    "A sunset over mountains, oil on canvas, warm light, highly detailed.",
    "Young Chinese woman in red Hanfu, intricate embroidery, soft-lit outdoor night background.",
    "A photograph of a red bicycle leaning against a blue wall; 35mm, f/1.8, ISO 200.",
    "Isometric cutaway of a tiny bakery, pastel colours, studio lighting, 8k, octane render",
    "a cat's whiskers, macro shot; the dog doesn't mind, they're friends & we've all seen it",
    "Street sign that reads \"OPEN 24/7\" — neon, rain, reflections (cinematic, 2.39:1)",
    "Ein Fuchs springt über den zugefrorenen Weiher, Nebel, früher Morgen, Ölgemälde.",
    "Une forêt brumeuse à l’aube, lumière dorée, style impressionniste, très détaillé.",
    "Un gato dormido sobre un tejado en Málaga, ¿acuarela o témpera? ¡Qué más da!",
    "Uma praia deserta ao pôr do sol, coração de areia, fotografia analógica.",
    "Zażółć gęślą jaźń: drewniany dom w górach, zima, śnieg po kolana.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy na kopci nad řekou.",
    "Kış sabahı İstanbul'da bir çay bahçesi, sisli Boğaz, ışık huzmeleri.",
    "Một ngôi làng nhỏ bên sông, buổi sáng sớm, tranh lụa, ánh sáng dịu.",
    "Старый маяк на скале, шторм, чайки, масляная живопись, очень подробно.",
    "Київ уночі, дощ, віддзеркалення ліхтарів на бруківці, ґанок і їжак.",
    "Ένα μικρό λιμάνι στις Κυκλάδες, γαλάζιοι τρούλοι, μεσημεριανό φως.",
    "夕焼けの海辺を歩く女の子、アニメ風、柔らかい光、高精細。ガラスの風鈴。",
    "一只戴着草帽的橘猫坐在窗台上,窗外是雨后的城市,霓虹灯倒映在水面。",
    "山水畫:遠山如黛,近水含煙,一葉扁舟,題字「春江花月夜」。",
    "가을 단풍이 물든 한옥 마을, 아침 안개, 수채화 느낌, 섬세한 묘사.",
    "غروب الشمس فوق الصحراء، قافلة من الجمال، ألوان زيتية دافئة.",
    "خانه‌ای قدیمی در کوچه‌های یزد، بادگیرها، نور عصر، عکاسی خیابانی.",
    "סמטה ירושלמית בשעת בין ערביים, אבן חמה, חתול על גדר, שָׁלוֹם.",
    "हिमालय की तलहटी में एक छोटा गाँव, सुबह की धूप, जलरंग चित्र।",
    "গ্রামের মেঠো পথ, বর্ষার মেঘ, ধানক্ষেত, জলরঙে আঁকা ছবি।",
    "கடற்கரையில் மீன்பிடி படகுகள், அதிகாலை ஒளி, எண்ணெய் ஓவியம்.",
    "ทะเลหมอกยามเช้าบนดอย วัดไม้เก่า แสงสีทอง ภาพถ่ายมุมกว้าง",
    "ტბა მთებში, შემოდგომა, ოქროსფერი ფოთლები. Լեռնային գյուղ ձմռանը։",
    "የቡና ሥነ ሥርዓት፣ ሞቅ ያለ ብርሃን። ព្រះអាទិត្យលិចលើប្រាសាទអង្គរ។",
    "watercolor fox 🦊, aurora 🌌, family 👨‍👩‍👧‍👦, flag 🏳️‍🌈 🇯🇵, thumbs 👍🏽, heart ❤️!!!",
    "masterpiece, best quality, (soft focus:1.2), [blurry], {bokeh|sharp}, <lora:ink:0.8>, score_9_up",
    "int main (void)\n{\n  return x[0] += 3.1415e-9 * 0xFF; /* no-op */\n}\n",
    "1. First line\r\n2. Second line\r\n\r\n   - indented item\t\twith tabs\r\n\r\n\r\n",
]

# Where the words of each script are drawn from for training.
SCRIPT_RANGES = [
    (0x00C0, 0x024F), (0x0370, 0x03FF), (0x0400, 0x04FF), (0x0531, 0x0587), (0x05D0, 0x05EA),
    (0x0620, 0x064A), (0x0904, 0x0939), (0x0985, 0x09B9), (0x0A85, 0x0AB9), (0x0B85, 0x0BB9),
    (0x0C05, 0x0C39), (0x0D05, 0x0D39), (0x0E01, 0x0E30), (0x0E81, 0x0EB0), (0x0F40, 0x0F6A),
    (0x1000, 0x102A), (0x10D0, 0x10FA), (0x1200, 0x1248), (0x1780, 0x17B3), (0x1E00, 0x1EFF),
    (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x5200), (0xAC00, 0xAD00), (0x1F300, 0x1F64F),
    (0x2190, 0x21FF), (0x2500, 0x257F), (0x10400, 0x1044F), (0x20000, 0x20100)]

SUBJECTS = ["a lighthouse", "two foxes", "an old man's hands", "the queen", "a glass teapot", "her garden",
            "seven paper boats", "a brutalist library", "the captain's cat", "an astronaut", "wild horses"]
PLACES = ["on a cliff", "under the bridge", "in heavy rain", "beside a frozen lake", "in zero gravity",
          "at the end of a long corridor", "among sunflowers", "over Lake Baikal", "in Kyoto, 1962"]
STYLES = ["oil on canvas", "35mm film, grainy", "low-poly render", "ukiyo-e woodblock print", "charcoal sketch",
          "studio photo, f/2.8", "flat vector art", "cross-stitch", "double exposure", "claymation still"]


def prompt_of_parts(rng, n):
    return " ".join(f"{rng.choice(SUBJECTS).capitalize()} {rng.choice(PLACES)}, {rng.choice(STYLES)}."
                    for _ in range(n))


def training_text():
    """Lines of text, always the same."""
    rng = random.Random(1)
    for name in ("COPYING.GPL-3", "COPYING.LGPL-2.1"):
        yield from (ROOT / name).read_text(encoding="utf-8").splitlines(keepends=True)
    for _ in range(40):
        yield from PROMPTS
        yield from ("user\n", "assistant\n")
    for _ in range(400):
        yield prompt_of_parts(rng, 4)
    for c in range(0x20, 0x3000):
        if name := unicodedata.name(chr(c), None):
            yield f"{name.capitalize()}: {chr(c)}\n"
    for first, last in SCRIPT_RANGES:
        letters = [chr(c) for c in range(first, last + 1) if unicodedata.category(chr(c)) != "Cn"]
        words = ["".join(rng.choices(letters, k=rng.randrange(1, 6))) for _ in range(60)]
        for _ in range(60):
            yield " ".join(rng.choices(words, k=8)) + rng.choice([".\n", "!\r\n", "...", "  \n\n", "?"])


def set_pipeline(tokenizer):
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)


def save(tokenizer, path, merges_as_strings):
    """The library's own file, with one entry a line; merges as strings are what Qwen's file has."""
    content = json.loads(tokenizer.to_str())
    if merges_as_strings:
        content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
    text = json.dumps(content, ensure_ascii=False, indent=0, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")
    return Tokenizer.from_file(str(path))


def make_tokenizer(path):
    tokenizer = Tokenizer(models.BPE())
    set_pipeline(tokenizer)
    tokenizer.train_from_iterator(
        training_text(),
        trainers.BpeTrainer(vocab_size=VOCAB_SIZE, min_frequency=2, initial_alphabet=ALPHABET, show_progress=False))
    tokenizer.add_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in NOT_SPECIAL])
    assert tokenizer.token_to_id(SPECIAL[0]) == VOCAB_SIZE
    return save(tokenizer, path, merges_as_strings=True)


def ids_md5(ids):
    return hashlib.md5(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()


def encode(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False).ids


def render(prompt):
    return f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"


# Pieces that random texts are put together from; many change how their neighbours are split.
ATOMS = [
    " ", " ", " ", "  ", "   ", "\t", "\n", "\n\n", "\r", "\r\n", "\v", "\f", "\u0085", "\u00a0", "\u1680",
    "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u200b", "\u200c", "\u200d", "\ufeff", "\u180e",
    "\u0001", "\u001c", "\u007f", "a", "b", "Z", "the", "The", "sunset", "over", "mountains", "don", "it", "I",
    "'", "'", "’", "'s", "'S", "'t", "'re", "'RE", "'vE", "'m", "'ll", "'lL", "'d", "'\u017f", "\u017f", "'l",
    "'r", "\u212a", "0", "1", "42", "3.14", "²", "½", "Ⅷ", "٣", "९", "①", "〇", ".", ",", "...", "!", "?!", "-",
    "—", "…", "(", ")", "<", ">", "|", "<|", "|>", "_", "#", "$", "€", "©", "™", "é", "e\u0301", "E\u0301\u0323",
    "a\u0323\u0302", "\u0301", "\u0345", "o\u0308", "ñ", "n\u0303", "ǆ", "ﬁ", "Å", "\u212b", "\u2126",
    "\u0344", "\u0958", "\u2adc", ">\u0338", "=\u0338", "ß", "İ", "ı", "Ω", "ώ", "Привет", "и\u0306", "中", "文字",
    "\uf900", "\U0002f800", "かな", "か\u3099", "ハ\u309a", "한", "ᄒ", "\u1112\u1161", "\u1161", "\u11ab",
    "가\u11a8", "ع", "ﷺ", "الله", "שָ", "ש\u05c1\u05bc", "क\u093c", "कि", "্", "ก็", "ၵ", "ཀྵ", "😀", "👍🏽",
    "👨\u200d👩\u200d👧", "🇯🇵", "❤\ufe0f", "\U00010348", "\U0001d15e", "\U0001e030", "\U00016d63\U00016d67",
    "\U00011938", "\U0010ffff", "\ue000", "\u0378", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>",
    "</think>", "<tool_call>", "<|fim_pad|>", "<|im_start", "im_end|>"]

TEXTS = [
    "", " ", "  ", "   ", "\n", "\r", "\r\n", "\n\n", " \n", "\n ", " \n ", "  \n  \n  ", "\t\n\t", "\r\r\n\n\r",
    "a", " a", "  a", "   a", "a ", "a  ", "a   ", "\na", "a\n", " \na", "a \n", "a\n\n\nb", "a \n \n b", "a\r\nb",
    "a\u00a0b", "a\u3000b", "a\u3000\u3000b", "a\u0085b", "a\u0085\u0085b", "a\u200bb", "a \u200b b", "a\u2028b",
    "a\u2029\n\u2028b", "\u00a0\na", " \u00a0 a", "\u3000!", " \u3000!", "\u0085\r\n\u0085x",
    "0", "00", "2024", "1,234,567.89", "3rd 4K 8k", "v1.2.3-rc4", "٠١٢٣٤٥٦٧٨٩", "x²+y²", "½ ⅓ Ⅷ ① 〇 ㊀",
    "!", " !", "!!", "! !", "?!\n\n", "?! \n\n", "...\r\n\r\n...", " (a)", "(a) ", "#tag @user $5 50% a&b",
    "'s", "'S", "it's", "IT'S", "it'S", "it's.", "it''s", "it’s", "'sa", "'Sa", "'st", "x't", "x'T", "x're", "x'RE",
    "x'rE", "x'Re", "x've", "x'VE", "x'm", "x'M", "x'll", "x'LL", "x'lL", "x'l", "x'lx", "x'r", "x'rx", "x'd",
    "x'D", "x'dare", "x' s", "'", "''", "' '", "'re're've", "don't can't won't I'm you're they'll we'd",
    "'\u017f", "x'\u017fy", "x'\u017ft", "'\u212a", "\n's", " 's", "  's", "1's", "!'s", "中's",
    "\u00e9", "e\u0301", "cafe\u0301", "caf\u00e9", "a\u0323\u0307", "a\u0307\u0323", "\u1e69", "s\u0323\u0307",
    "s\u0307\u0323", "\u0301", "\u0301a", " \u0301", "\n\u0301", "'\u0301s", "\u212b \u2126 \u212a", "\u0340\u0341",
    "\u0343\u0344\u0345", "\u0958\u0959", "\u0915\u093c", "\ufb1d\ufb4b", "\u2adc", "\u0f73\u0f75\u0f81",
    "\u1112\u1161\u11ab", "\u1100\u1161\u11a8\u11a8", "\uac00\u11a8", "\uac01\u11a8", "\u1100\u11a8", "\uac00\u11a7",
    "\u0b92\u0bd7", "\u0bc6\u0bbe", "\u0dd9\u0dcf\u0dca", "\u1025\u102e", "\u30ab\u3099\u30cf\u309a", "か\u3099",
    "q\u0307\u0323\u0300", "a\u0301\u0301", "a\u0328\u0301\u0323\u0302", "\U0001d157\U0001d165\U0001d16e",
    "\U000110a5\U000110ba", "\U00011131\U00011127", "\U00011935\U00011930", "\U00016d63\U00016d67",
    "\U000105d2\U00000307", "\u0c3c\u0323a", "a\u1df6\u0323", "<\u0338 =\u0338 >\u0338", "\uf900 \ufa0e \U0002f9f4",
    "<|im_end|>\u0338", "<|im_end|>\u0301", "<|im_end|\u226f", "<|im_start\u0338|>", "e<|im_end|>\u0301",
    "👨\u200d👩\u200d👧\u200d👦", "👍🏽👍", "🏳\ufe0f\u200d🌈", "🇯🇵🇺🇦", "❤\ufe0f🔥", "1\ufe0f\u20e3", "a👍b 👍 c",
    "<|im_start|>", "<|im_start|><|im_end|>", "a<|im_end|>b", " <|im_end|> ", "<|im_start|>system\nHi<|im_end|>\n",
    "<|IM_END|>", "<|im_end|", "<|im_end |>", "<<|im_end|>>", "<|im_<|im_end|>end|>", "<|endoftext|>" * 3,
    "<think>\n\n</think>\n\n", "<tool_call>{\"a\": 1}</tool_call>", "a  <|im_end|>", "a \n<|im_end|>\n b",
    "<|image_pad|><|vision_start|><|vision_end|><|box_start|>1,2<|box_end|><|quad_end|>",
    "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|><|repo_name|>x<|file_sep|>y<tool_response></tool_response>",
    "ﷺ ﷽", "لَا إِلَٰهَ", "كـــتاب", "שׁלום", "עִבְרִית", "नमस्ते दुनिया", "क्षत्रिय", "தமிழ் மொழி", "ภาษาไทย",
    "ພາສາລາວ",
    "မြန်မာ", "ខ្មែរ", "བོད་ཡིག", "አማርኛ", "ქართული", "Հայերեն", "ᏣᎳᎩ", "ᚠᚢᚦ", "𐍈𐌰", "𒀀𒀁", "𓀀𓀁", "𠀀𠀁", "ꦗꦮ",
    "日本語とEnglishの混在123テスト", "한국어 ㅋㅋㅋ", "繁體字与简体字", "ＦＵＬＬ ｗｉｄｔｈ！１２", "ǅ ǆ Ǆ ﬁ ﬂ ß ẞ İ ı",
    "a\u00adb", "a\ufeffb", "\ufeffa", "a\u200e\u200fb", "a\u2060b", "\u0001\u0002\u007f", "a\u001cb\u001db", "\ufffd",
    "\ue000\uf8ff", "\U000f0000\U0010ffff", "\u0378\u0379", "\U0001fae8", "\u1c89\u1c8a", "\U00010d40\U00010d4a",
    "https://example.org/a?b=c&d=%20#e", "foo_bar fooBar foo-bar foo.bar", "C++ && D--; a->b::c <= ~0",
    "\tindented\n\t\tmore\n", "tab\tseparated\tvalues", "a\v\fb", "trailing spaces   \nnext", "trailing spaces   ",
]


def random_texts():
    rng = random.Random(2)
    for _ in range(420):
        yield "".join(rng.choices(ATOMS, k=rng.randrange(2, 16)))


def entry(tokenizer, kind, text, repeat=1):
    ids = encode(tokenizer, (render(text) if kind == "prompt" else text) * repeat)
    result = {kind: text}
    if repeat > 1:
        result |= {"repeat": repeat}
    result |= {"ids": ids} if len(ids) <= 1000 else {"n_ids": len(ids), "md5": ids_md5(ids)}
    return json.dumps(result, separators=(",", ":")) + "\n"


def make_corpus(tokenizer, path):
    long_prompt = prompt_of_parts(random.Random(3), 100)
    lines = [entry(tokenizer, "text", text) for text in TEXTS + PROMPTS]
    lines += [entry(tokenizer, "text", text) for text in random_texts()]
    lines += [entry(tokenizer, "prompt", text) for text in (
        ["", "\n", "\n\n", " ", "\r\nx", "x\n", "\u0301", ">", "<|im_end|>", "<|im_end|>\n<|im_start|>assistant\n",
         "a cat", " a cat ", "<think>", "'s"] + PROMPTS[:8] + PROMPTS[17:22])]
    # Some 600 tokens each: English, other scripts, and nothing that training saw.
    lines += [entry(tokenizer, "prompt", text) for text in (
        long_prompt[:2400], "".join(PROMPTS[6:31])[::-1][:550], "".join(random.Random(6).choices(ATOMS, k=300)))]
    # Single words too long for any algorithm that is quadratic in their length.
    lines += [entry(tokenizer, "text", text, repeat) for text, repeat in (
        ("a", 100000), ("abc", 40000), ("mountains", 12000), ("é", 50000), ("e\u0301", 30000), ("中文字", 20000),
        ("\u0301\u0323", 25000), ("!", 100000), (" ", 100000), ("\n", 100000), (" \n", 50000), ("1", 20000),
        ("\u3000", 30000), ("<|im_end|>", 5000), ("<", 50000), ("'", 50000), ("'s", 30000))]
    path.write_text("".join(lines), encoding="ascii")


def byte_chars():
    """The character that each byte is written as."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in visible]
    return {b: chr(b) for b in visible} | {b: chr(256 + i) for i, b in enumerate(rest)}


# Characters of all classes; in bytes.json any two of them that stand together in a word are merged.
PAIRED = "absrelSRE12'. \t\n\r"


def make_bytes_tokenizer(path):
    """One token per byte, and merges of two bytes only: a merge that is not made shows where a word ends."""
    chars = byte_chars()
    first = [*range(1, 0x80), *range(0xC2, 0xF5)]
    last = [*range(1, 0x80), *range(0x80, 0xC0)]
    pairs = [(ord(x), ord(y)) for x in PAIRED for y in PAIRED]
    random.Random(7).shuffle(pairs)
    # What code_point_text () has beside any character.
    pairs += [(ord(before), b) for before in "a." for b in first]
    pairs += [(b, ord(after)) for after in "b\n" for b in last]
    pairs = [(chars[x], chars[y]) for x, y in dict.fromkeys(pairs)]
    vocab = {chars[b]: b for b in range(256)}
    for left, right in pairs:
        vocab.setdefault(left + right, len(vocab))
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=pairs))
    set_pipeline(tokenizer)
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in (
        "<|x", "<|x|>", "<|x|><|y|>", "|>", "<|é|>", "éé", "中", "xyz", "<|X|>")])
    return save(tokenizer, path, merges_as_strings=False)


def make_bytes_corpus(tokenizer, path):
    rng = random.Random(4)
    texts = ["<|x|>", "<|x|><|y|>", "<|x|><|y|", "<|x<|x|>", "éé", "ééé", "e\u0301é", "<|é|>", "<|e\u0301|>",
             "xyxyzxyz", " <|x|> ", "|>\u0338", "中中文"]
    atoms = ["<|x", "|>", "<|", "y", "x", "<|x|>", "<|y|>", "é", "e\u0301", "\u0301", "中", " ", "xyz", "a", "<|X|>",
             "\u0338", "\n"]
    texts += ["".join(rng.choices(atoms, k=rng.randrange(2, 12))) for _ in range(150)]
    # Contractions in each case, with a letter after them.
    for word in ("s", "t", "re", "ve", "m", "ll", "d", "l", "r", "\u017f"):
        cases = map("".join, itertools.product(*((c.lower(), c.upper()) for c in word)))
        texts += [f"a'{case}b'{case}" for case in dict.fromkeys([*cases, word])]
    texts += ["".join(rng.choices(PAIRED, k=rng.randrange(2, 30))) for _ in range(200)]
    path.write_text("".join(entry(tokenizer, "text", text) for text in texts), encoding="ascii")


def code_point_text(c):
    """A code point after a letter, after punctuation, before a line end, and after an apostrophe and before
    a letter: where the words end follows from its class."""
    return f"a{chr(c)}~.{chr(c)}~~{chr(c)}\n'{chr(c)}b\n"


def make_code_points(tokenizer, path):
    lines = []
    for block in range(0, 0x110000, 256):
        if 0xD800 <= block <= 0xDFFF:
            continue
        text = "".join(code_point_text(c) for c in range(max(block, 1), block + 256))
        lines.append(f"{block:06x} {ids_md5(encode(tokenizer, text))[:8]}\n")
    path.write_text("".join(lines), encoding="ascii")


class Lcg:
    """Numbers that a few lines of C make too."""

    def __init__(self, seed):
        self.state = seed

    def next(self, n):
        self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self.state >> 8) % n


def nfc_pools():
    """Characters that decompose or compose; marks; the second halves of compositions; Hangul parts."""
    nfc, nfd = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str
    bases, marks, seconds = set(), set(), set()
    for c in range(1, 0x110000):
        if 0xD800 <= c <= 0xDFFF or 0xAC00 <= c <= 0xD7A3:
            continue
        char = chr(c)
        decomposed = nfd(char)
        if decomposed != char:
            bases |= {c, *map(ord, decomposed)}
            seconds |= {ord(decomposed[-1])} if nfc(char) == char else set()
        if unicodedata.combining(char) or nfd("a\u0301" + char) != "a\u0301" + decomposed:
            marks.add(c)
    # CJK compatibility ideographs become others and no more: a few of them will do.
    bases = [c for c in sorted(bases) if not 0x4E00 <= c <= 0x9FFF and not 0xF910 <= c <= 0xFAD9
             and not 0x2F820 <= c <= 0x2FA1F and not 0x20000 <= c <= 0x2F7FF]
    hangul = [*range(0x1100, 0x1114), *range(0x1160, 0x1177), *range(0x11A6, 0x11C4), 0xAC00, 0xAC01, 0xAC1B, 0xAC1C,
              0xC544, 0xD788, 0xD7A3, 0xA97C, 0xD7B0, 0xD7CB]
    return bases, sorted(marks), sorted(seconds), hangul


def nfc_text(lcg, pools):
    """500 sequences of one to nine characters: marks half of the time, and rarely any code point at all."""
    chars = []
    for _ in range(500):
        for _ in range(1 + lcg.next(9)):
            kind = lcg.next(8)
            if kind == 7:
                c = 1 + lcg.next(0x10FFFF)
                chars.append(chr(0x41 if 0xD800 <= c <= 0xDFFF else c))
            else:
                pool = pools[(0, 0, 1, 1, 2, 2, 3)[kind]]
                chars.append(chr(pool[lcg.next(len(pool))]))
        chars.append("\n")
    return "".join(chars)


def nfc_pairs_text(base, seconds):
    """A base before every second half of a composition: at once, and with a mark of class 220 on either side."""
    return "".join(f"{base}{chr(s)}\n{base}\u0323{chr(s)}\n{base}{chr(s)}\u0323\n" for s in seconds)


def make_nfc(path):
    pools = nfc_pools()
    lcg = Lcg(5)
    nfc = normalizers.NFC().normalize_str
    texts = [nfc_text(lcg, pools) for _ in range(200)]
    texts += ["".join(nfc_pairs_text(chr(base), pools[2]) for base in pools[0][i:i + 16])
              for i in range(0, len(pools[0]), 16)]
    lines = [" ".join(f"{c:x}" for c in pool) for pool in pools]
    lines += [hashlib.md5(nfc(text).encode()).hexdigest()[:8] for text in texts]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    tokenizer = make_tokenizer(folder / "tokenizer.json")
    make_corpus(tokenizer, folder / "corpus.jsonl")
    tokenizer = make_bytes_tokenizer(folder / "bytes.json")
    make_bytes_corpus(tokenizer, folder / "bytes-corpus.jsonl")
    make_code_points(tokenizer, folder / "code-points.txt")
    make_nfc(folder / "nfc.txt")
    for name in ("tokenizer.json", "corpus.jsonl", "bytes.json", "bytes-corpus.jsonl", "code-points.txt", "nfc.txt"):
        print(f"{name}: {(folder / name).stat().st_size} bytes")


if __name__ == "__main__":
    main()
