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
import setting


class Bundle:
    def __init__(self, folder, args):
        self.folder, self.device = folder, args.device
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
        return [[names[k] for k in l.argmax(1)] for l, names in zip(logits, (setting.SCENES, setting.HATS, setting.EXPRESSIONS))]


def passes(bundle, noise, context, wanted, iterations, rate, gain, steps=4):
    """All pictures of all passes' ends: the unguided picture, the guided one, and the cosines pass by pass."""
    offsets, cosines, first = [torch.zeros_like(noise) for _ in range(steps)], [], None
    for iteration in range(iterations + 1):
        last = iteration == iterations
        with torch.set_grad_enabled(not last):
            x, states = noise.clone().requires_grad_(not last), []
            for k in range(steps):
                states.append(x)
                u = bundle.unet(x, torch.full((len(x),), 1000.0 * (1 - k / steps), device=x.device), context).sample
                x = x - u / steps + offsets[k]
            pictures = bundle.vae.decode(x / bundle.vae.config.scaling_factor).sample.clamp(-1, 1)
            cosine = F.cosine_similarity(bundle.recognizer(bundle.crops(pictures)), wanted)
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


def evaluate(bundle, people, prompts, iterations, rate, gain, seed=1):
    pictures = references(bundle)[:people]
    x = common.tensor(pictures, bundle.device)
    with torch.no_grad():
        wanted = bundle.recognizer(bundle.crops(x))
    known = F.normalize(bundle.judged(x))
    noise = torch.cat([torch.randn(1, *config.LATENT, generator=torch.Generator().manual_seed(seed + k)) for k in range(people * len(prompts))]).to(bundle.device)
    context = bundle.encode([p for _ in range(people) for p in prompts])
    who = torch.arange(people).repeat_interleave(len(prompts))
    start = time.time()
    before, after, cosines = passes(bundle, noise, context, wanted[who.to(bundle.device)], iterations, rate, gain)
    seconds = time.time() - start
    report = dict(iterations=iterations, rate=rate, gain=list(gain), pictures=len(who), seconds=round(seconds, 1),
                  own=dict(before=float(cosines[0].mean()), after=float(cosines[-1].mean())))
    report["faces_missing"] = bundle.missing
    for name, pictures_of in (("before", before), ("after", after)):
        table = F.normalize(bundle.judged(pictures_of)) @ known.T
        mine = table[torch.arange(len(who)), who]
        scene, hat, expression = bundle.described(pictures_of)
        asked = [config.PROMPT_SCENES[k % len(prompts)] for k in range(len(who))]
        hats = [next((h for h in ("cap", "beanie") if h in p), "none") for p in prompts]
        moods = [next(e for e, words in setting.MOODS.items() if any(w in p for w in words + [e])) for p in prompts]
        report[name] = dict(judge=float(mine.mean()), worst=float(mine.min()), first_choice=float((table.argmax(1) == who).float().mean()),
                            scene=float(np.mean([a == b for a, b in zip(scene, asked)])),
                            hat=float(np.mean([h == hats[k % len(prompts)] for k, h in enumerate(hat)])),
                            expression=float(np.mean([e == moods[k % len(prompts)] for k, e in enumerate(expression)])))
    small = [np.asarray(Image.fromarray(p).resize((64, 64), Image.BOX)) for p in pictures]
    before, after, rows = common.to_bytes(before), common.to_bytes(after), []
    for k in range(people):
        row = [small[k]]
        for j in range(len(prompts)):
            row += [before[k * len(prompts) + j], after[k * len(prompts) + j]]
        rows.append(row)
    return report, rows


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--gain", help="one number per step, separated by commas")
    parser.add_argument("--name", default="evaluation")
    args = common.start(parser)
    bundle = Bundle(args.bundle, args)
    s = bundle.settings
    gain = [float(g) for g in args.gain.split(",")] if args.gain else s["gain"]
    report, rows = evaluate(bundle, args.people, config.PROMPTS, args.iterations or s["iterations"], args.rate or s["rate"], gain)
    print(json.dumps(report, indent=2))
    with open(os.path.join(args.run, args.name + ".json"), "w") as f:
        json.dump(report, f, indent=2)
    portraits.contact_sheet(rows, os.path.join(args.run, args.name + ".png"), 2)


if __name__ == "__main__":
    main()
