"""The tokenizer, in CLIP's format: byte pairs learnt from the captions, so that every word of a caption is one token; and the small text network."""

import functools
import json
import os
import re
from collections import Counter

import torch
from transformers import CLIPTextConfig, CLIPTextModel

import common
import config
import setting

START, END, LENGTH = "<|startoftext|>", "<|endoftext|>", 77
PATTERN = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+")
# Words that people type and no caption has; they become single tokens as well.
MORE_WORDS = "the of and with an at on in by to for is his her face old young boy girl hat near under over very nice cute photograph image painting portrait color colour hair eyes looking camera".split()


def byte_letters():
    """Every byte as a printable letter, in CLIP's order of the vocabulary."""
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    letters, extra = {b: chr(b) for b in plain}, 0
    for b in range(256):
        if b not in letters:
            letters[b] = chr(256 + extra)
            extra += 1
    return letters, [letters[b] for b in plain] + [letters[b] for b in range(256) if b not in plain]


LETTERS, ALPHABET = byte_letters()


def words(text):
    return PATTERN.findall(re.sub(r"\s+", " ", text.lower().strip()))


def split(word):
    pieces = [LETTERS[b] for b in word.encode()]
    return pieces[:-1] + [pieces[-1] + "</w>"]


def join(pieces, pair):
    result, k = [], 0
    while k < len(pieces):
        if k + 1 < len(pieces) and (pieces[k], pieces[k + 1]) == pair:
            result.append(pieces[k] + pieces[k + 1])
            k += 2
        else:
            result.append(pieces[k])
            k += 1
    return result


@functools.cache
def merges():
    """The most frequent pair again and again, until every common word is whole."""
    rng, counts = common.generator(21), Counter()
    settings = [setting.setting(rng) for _ in range(2000)]
    for s in settings:
        counts.update(words(setting.caption(s, rng)))
    counts = Counter({w: n for w, n in counts.items() if n >= 5 and w.isalpha()})
    counts.update({w: 5 for w in MORE_WORDS})
    table, learnt = {w: split(w) for w in counts}, []
    while True:
        pairs = Counter()
        for w, pieces in table.items():
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += counts[w]
        if not pairs:
            return learnt
        best = max(pairs, key=lambda p: (pairs[p], p))
        learnt.append(best)
        table = {w: join(pieces, best) for w, pieces in table.items()}


@functools.cache
def vocabulary():
    names = ALPHABET + [a + "</w>" for a in ALPHABET] + [a + b for a, b in merges()] + [START, END]
    return {name: k for k, name in enumerate(names)}


@functools.cache
def ranks():
    return {pair: k for k, pair in enumerate(merges())}


@functools.lru_cache(100_000)
def word_tokens(word):
    pieces = split(word)
    while len(pieces) > 1:
        pair = min(zip(pieces, pieces[1:]), key=lambda p: ranks().get(p, 1 << 30))
        if pair not in ranks():
            break
        pieces = join(pieces, pair)
    return tuple(vocabulary()[p] for p in pieces)


def tokens(text):
    """77 tokens: start, the words, end, padded with the end token."""
    ids = [t for w in words(text) for t in word_tokens(w)][:LENGTH - 2]
    end = vocabulary()[END]
    return [vocabulary()[START]] + ids + [end] * (LENGTH - 1 - len(ids))


def build():
    c = config.TEXT
    v = vocabulary()
    return CLIPTextModel(CLIPTextConfig(vocab_size=len(v), hidden_size=c["width"], intermediate_size=4 * c["width"], num_hidden_layers=c["layers"],
                                        num_attention_heads=c["heads"], max_position_embeddings=LENGTH, hidden_act="quick_gelu", projection_dim=c["width"],
                                        bos_token_id=v[START], eos_token_id=v[END], pad_token_id=v[END], attn_implementation="eager"))


def export(folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "vocab.json"), "w", encoding="utf-8") as f:
        json.dump(vocabulary(), f, ensure_ascii=False)
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges()))
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    for name, content in (("special_tokens_map.json", special), ("tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, **special})):
        with open(os.path.join(folder, name), "w") as f:
            json.dump(content, f)


if __name__ == "__main__":
    import tempfile

    from transformers import CLIPTokenizer
    folder = tempfile.mkdtemp()
    export(folder)
    theirs, rng = CLIPTokenizer.from_pretrained(folder), common.generator(1)
    for text in [setting.caption(setting.setting(rng), rng) for _ in range(200)] + ["Zürich, it's 42°!", "A photo of an Astronaut's horse, 4k", ""]:
        assert theirs(text, padding="max_length", max_length=LENGTH, truncation=True).input_ids == tokens(text), text
    print(len(vocabulary()), "tokens; the same ids as transformers")
    print(sum(p.numel() for p in build().parameters()) / 1e6, "M parameters")
