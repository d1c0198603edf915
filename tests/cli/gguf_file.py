# gguf_file.py: GGUF files, under the names of ComfyUI and llama.cpp, of a quantized model in the store
#
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The store keeps blocks of GGUF's types as they are, so that the same bytes come into the file. The names are made by
# rules of our own.

import glob
import json
import os
import re
import struct

TYPES = {'F32': 0, 'F16': 1, 'Q4_0': 2, 'Q8_0': 8, 'Q4_K': 12, 'Q6_K': 14, 'BF16': 30}
ALIGNMENT = 32
UINT32, INT32, STRING, ARRAY = 4, 5, 8, 9
NORMAL, CONTROL, UNUSED = 1, 3, 5

TRANSFORMER = [(r'^all_x_embedder\.2-1', 'x_embedder'), (r'^all_final_layer\.2-1', 'final_layer'),
               ('norm_q', 'q_norm'), ('norm_k', 'k_norm'), (r'to_out\.0', 'out')]
TEXT_ENCODER = [('^(model\\.)?embed_tokens', 'token_embd'), ('^(model\\.)?norm', 'output_norm'),
                ('^(model\\.)?layers', 'blk'), ('input_layernorm', 'attn_norm'),
                ('post_attention_layernorm', 'ffn_norm'), (r'self_attn\.(q|k|v)_proj', r'attn_\1'),
                (r'self_attn\.o_proj', 'attn_output'), (r'self_attn\.(q|k)_norm', r'attn_\1_norm'),
                (r'mlp\.(gate|up|down)_proj', r'ffn_\1')]


def rename(name, rules):
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def read_blob(store, digest):
    """The bytes of the one tensor in it."""
    with open(os.path.join(store, 'blobs', digest.replace(':', '-')), 'rb') as file:
        length, = struct.unpack('<Q', file.read(8))
        begin, end = json.loads(file.read(length))['data']['data_offsets']
        file.seek(8 + length + begin)
        return file.read(end - begin)


def read_tensors(store, name, component):
    """Name, type, shape and bytes of each."""
    path, = glob.glob(os.path.join(store, 'manifests-v2/*/*', name, 'latest'))
    with open(path, encoding='utf-8') as file:
        layers = json.load(file)['layers']
    for layer in layers:
        folder, _, tensor = layer.get('name', '').partition('/')
        if layer['mediaType'].endswith('.tensor') and folder == component:
            yield tensor, layer['dtype'], layer['shape'], read_blob(store, layer['digest'])


def put_string(text):
    data = text.encode()
    return struct.pack('<Q', len(data)) + data


def put_value(kind, value):
    if kind == STRING:
        return put_string(value)
    return struct.pack('<I' if kind == UINT32 else '<i', value)


def put_key(key, kind, value):
    start = put_string(key)
    if isinstance(value, list):
        return (start + struct.pack('<IIQ', ARRAY, kind, len(value)) + b''.join(put_value(kind, v) for v in value))
    return start + struct.pack('<I', kind) + put_value(kind, value)


def pad(data):
    return data + b'\0' * (-len(data) % ALIGNMENT)


def write(path, keys, tensors):
    head, body = b'', b''
    for name, dtype, shape, data in tensors:
        head += put_string(name) + struct.pack(f'<I{len(shape)}QIQ', len(shape), *reversed(shape), TYPES[dtype],
                                               len(body))
        body += pad(data)
    values = b''.join(put_key(*key) for key in keys)
    start = b'GGUF' + struct.pack('<IQQ', 3, len(tensors), len(keys)) + values + head
    with open(path, 'wb') as file:
        file.write(pad(start) + body)


def fuse(tensors):
    """The rows of q, k and v, which ComfyUI has in one tensor."""
    parts = {name: (dtype, shape, data) for name, dtype, shape, data in tensors}
    for name, (dtype, shape, data) in parts.items():
        if '.to_q.' in name:
            others = [parts[name.replace('.to_q.', f'.to_{part}.')] for part in 'kv']
            assert all(other[0] == dtype for other in others)
            yield (name.replace('.to_q.', '.qkv.'), dtype, [3 * shape[0], shape[1]],
                   data + b''.join(other[2] for other in others))
        elif '.to_k.' not in name and '.to_v.' not in name:
            yield name, dtype, shape, data


def write_transformer(path, store, name):
    tensors = [(rename(tensor, TRANSFORMER), *rest)
               for tensor, *rest in fuse(read_tensors(store, name, 'transformer'))]
    write(path, [('general.architecture', STRING, 'lumina2'), ('general.quantization_version', UINT32, 2)], tensors)


def tokenizer_keys(path, n_tokens):
    with open(path, encoding='utf-8') as file:
        tokenizer = json.load(file)
    tokens, kinds = [f'[PAD{i}]' for i in range(n_tokens)], [UNUSED] * n_tokens
    for text, i in tokenizer['model']['vocab'].items():
        tokens[i], kinds[i] = text, NORMAL
    for token in tokenizer['added_tokens']:
        tokens[token['id']], kinds[token['id']] = token['content'], CONTROL if token['special'] else 4
    return [('tokenizer.ggml.model', STRING, 'gpt2'), ('tokenizer.ggml.pre', STRING, 'qwen2'),
            ('tokenizer.ggml.tokens', STRING, tokens), ('tokenizer.ggml.token_type', INT32, kinds),
            ('tokenizer.ggml.merges', STRING, tokenizer['model']['merges'])]


def write_text_encoder(path, store, name, tokenizer):
    tensors = [(rename(tensor, TEXT_ENCODER), *rest) for tensor, *rest in read_tensors(store, name, 'text_encoder')]
    n_tokens, = (shape[0] for tensor, _, shape, _ in tensors if tensor == 'token_embd.weight')
    write(path, [('general.architecture', STRING, 'qwen3'), *tokenizer_keys(tokenizer, n_tokens)], tensors)
