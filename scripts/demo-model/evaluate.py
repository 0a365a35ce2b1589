"""Stage 7: the method itself, stated once more in Python, on the exported bundle: held-out people, fixed prompts, and what the judge says.

Piecewise rule, N steps: x_0 is the noise; y_k the network's step from x_k; x_{k+1} = y_k + d_k. The loss of the decoded x_N is 100 (1 - cos) of the
recogniser's embeddings; g_k its gradient at x_k; d_k <- d_k - gain_k * rate * g_k / max(1, |g_k|). The last pass only makes the picture.
"""

import json
import os
import time

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

import common
import config
import detector
import faces
import portraits
import scenes


class Bundle:
    def __init__(self, folder, args):
        self.folder, self.args, self.device = folder, args, args.device
        read = lambda kind, name: kind.from_pretrained(os.path.join(folder, name)).float().to(args.device).eval().requires_grad_(False)
        self.unet, self.vae, self.encoder = read(UNet2DConditionModel, "unet"), read(AutoencoderKL, "vae"), read(CLIPTextModel, "text_encoder")
        self.tokenizer = CLIPTokenizer.from_pretrained(os.path.join(folder, "tokenizer"))
        self.recognizer, self.detector = faces.load_recognizer(args), detector.load(args)
        with open(os.path.join(folder, "rectifid.json")) as f:
            self.settings = json.load(f)
        self.judge, self.scene = (onnxruntime.InferenceSession(os.path.join(folder, "judge", n)) for n in ("judge.onnx", "scene.onnx"))

    def encode(self, prompts):
        ids = self.tokenizer(prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids.to(self.device)
        with torch.no_grad():
            return self.encoder(input_ids=ids).last_hidden_state

    def crops(self, pictures):
        """Aligned faces of pictures in [-1, 1]; where none is found, the middle of the picture stands in (and is counted)."""
        rows, points, missing = detector.detect(self.detector, pictures.detach()), [], 0
        for row in rows:
            if row is None:
                missing += 1
                row = np.concatenate([np.zeros(5), np.array([26, 30, 38, 30, 32, 36, 27, 42, 37, 42]) * pictures.shape[-1] / 64])
            points.append(row[5:].reshape(5, 2))
        self.missing = missing
        return faces.align(pictures, torch.from_numpy(np.stack(points)))

    def judged(self, pictures):
        return torch.from_numpy(self.judge.run(None, {"input": self.crops(pictures).cpu().numpy()})[0])

    def described(self, pictures):
        logits = self.scene.run(None, {"input": pictures.cpu().numpy()})
        return {topic: [names[k] for k in l.argmax(1)] for l, (topic, names) in zip(logits, scenes.TOPICS.items())}


def passes(bundle, noise, context, wanted, iterations, rate, gain, steps=4):
    """All pictures of all passes' ends: the unguided picture, the guided one, and the cosines pass by pass."""
    offsets, cosines, first = [torch.zeros_like(noise) for _ in range(steps)], [], None
    for iteration in range(iterations + 1):
        last = iteration == iterations
        with torch.set_grad_enabled(not last):
            x, states = noise.clone().requires_grad_(not last), []
            for k in range(steps):
                states.append(x)
                with common.half(bundle.args):
                    u = bundle.unet(x, torch.full((len(x),), 1000.0 * (1 - k / steps), device=x.device), context).sample.float()
                x = x - u / steps + offsets[k]
            with common.half(bundle.args):
                pictures = bundle.vae.decode(x / bundle.vae.config.scaling_factor).sample.float().clamp(-1, 1)
            crops = bundle.crops(pictures)
            with common.half(bundle.args):
                seen = bundle.recognizer(crops).float()
            cosine = F.cosine_similarity(seen, wanted)
        cosines.append(cosine.detach().cpu())
        first = pictures.detach() if first is None else first
        if not last:
            gradients = torch.autograd.grad(100 * (1 - cosine).sum(), states)
            for k, g in enumerate(gradients):
                norm = g.flatten(1).norm(dim=1).clamp_min(1.0)[:, None, None, None]
                offsets[k] = offsets[k] - gain[k] * rate * g / norm
    return first, pictures.detach(), torch.stack(cosines)


def references(bundle):
    with open(os.path.join(bundle.folder, "samples", "samples.json")) as f:
        listed = json.load(f)["samples"]
    return [np.asarray(Image.open(os.path.join(bundle.folder, "samples", s["file"])).convert("RGB")) for s in listed]


def shown(bundle, pictures, known, who, asked):
    """What the judge and the scene classifier say of pictures: of people `who`, for the prompts `asked`."""
    table = F.normalize(bundle.judged(pictures)) @ known.T
    mine = table[torch.arange(len(who)), who]
    report = dict(judge=float(mine.mean()), worst=float(mine.min()), first_choice=float((table.argmax(1) == who).float().mean()), faces_missing=bundle.missing)
    for topic, read in bundle.described(pictures).items():
        report[topic] = float(np.mean([value == wish[topic] for value, wish in zip(read, asked)]))
    return report


def mean_of(reports):
    """Of several equally large parts."""
    return {k: (min if k == "worst" else sum if k == "faces_missing" else lambda v: float(np.mean(v)))([r[k] for r in reports]) for k in reports[0]}


def evaluate(bundle, people, prompts, seeds, iterations, rate, gain):
    """Every person, prompt and seed; a seed at a time. The report, and the first seed's pictures: a row per person."""
    pictures = references(bundle)[:people]
    x = common.tensor(pictures, bundle.device)
    with torch.no_grad():
        wanted = bundle.recognizer(bundle.crops(x))
    known = F.normalize(bundle.judged(x))
    who = torch.arange(people).repeat_interleave(len(prompts))
    asked = prompts * people
    context = bundle.encode([p["prompt"] for p in asked])
    parts, own, rows, start = dict(before=[], after=[]), [], [], time.time()
    for seed in range(1, seeds + 1):
        noise = torch.cat([torch.randn(1, *config.LATENT, generator=torch.Generator().manual_seed(1000 * seed + k)) for k in range(len(who))]).to(bundle.device)
        before, after, cosines = passes(bundle, noise, context, wanted[who.to(bundle.device)], iterations, rate, gain)
        own.append([float(cosines[0].mean()), float(cosines[-1].mean())])
        for name, made in (("before", before), ("after", after)):
            parts[name].append(shown(bundle, made, known, who, asked))
        if seed == 1:
            small = [np.asarray(Image.fromarray(p).resize((config.SIZE, config.SIZE), Image.BOX)) for p in pictures]
            before, after, n = common.to_bytes(before), common.to_bytes(after), len(prompts)
            rows = [[small[k]] + [p for j in range(k * n, k * n + n) for p in (before[j], after[j])] for k in range(people)]
    own = np.mean(own, 0).tolist()
    report = dict(iterations=iterations, rate=rate, gain=list(gain), pictures=len(who) * seeds, seconds=round(time.time() - start, 1), own=dict(before=own[0], after=own[1]),
                  **{name: mean_of(reports) for name, reports in parts.items()})
    return report, rows


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--people", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--gain", help="one number per step, separated by commas")
    parser.add_argument("--name", default="evaluation")
    args = common.start(parser)
    bundle = Bundle(args.bundle, args)
    s = bundle.settings
    gain = [float(g) for g in args.gain.split(",")] if args.gain else s["gain"]
    report, rows = evaluate(bundle, args.people, config.PROMPTS, args.seeds, args.iterations or s["iterations"], args.rate or s["rate"], gain)
    print(json.dumps(report, indent=2))
    with open(os.path.join(args.run, args.name + ".json"), "w") as f:
        json.dump(report, f, indent=2)
    portraits.contact_sheet(rows, os.path.join(args.run, args.name + ".png"))


if __name__ == "__main__":
    main()
