"""Stage 5: the rectified flow on the latents. `latents` stores them, `train` learns the velocity, `straighten` folds guidance and many small steps
into four windows, `sample` shows what there is.

Time runs from 1 (noise) to 0 (clean); x_t = (1 - t) z + t n; the network is given 1000 t and answers u = n - z, so x_next = x + (t_next - t) u.
Several processes (torchrun) share a training: each draws its own batches, gradients are averaged.
"""

import os
import pickle

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel

import autoencoder
import common
import config
import portraits
import setting
import text


def build():
    c = config.UNET
    levels = len(c["channels"])
    return UNet2DConditionModel(sample_size=config.LATENT[1], in_channels=config.LATENT[0], out_channels=config.LATENT[0], block_out_channels=c["channels"], layers_per_block=1,
                                down_block_types=["DownBlock2D"] + ["CrossAttnDownBlock2D"] * (levels - 1),
                                up_block_types=["CrossAttnUpBlock2D"] * (levels - 1) + ["UpBlock2D"],
                                cross_attention_dim=config.TEXT["width"], attention_head_dim=c["heads"], norm_num_groups=c["groups"])


def store_latents(args):
    """Draws and encodes the training set once; scales every channel to mean 0 and deviation 1."""
    c, vae = config.LATENTS, autoencoder.load(args)
    raw, settings = [], []
    for k in range(args.steps or c["count"] // c["batch"]):
        pictures, _, these = common.drawn(common.generator(c["seed"], k), config.PEOPLE_FLOW, c["batch"], config.SIZE)
        with torch.no_grad(), common.half(args):
            raw.append(autoencoder.means(vae, common.tensor(pictures, args.device)).float().cpu())
        settings += these
        if (k + 1) % 40 == 0:
            print(f"{(k + 1) * c['batch']} latents", flush=True)
    raw = torch.cat(raw)
    mean, std = raw.mean((0, 2, 3)), raw.std((0, 2, 3))
    latents = (raw - mean[:, None, None]) / std[:, None, None]
    torch.save(dict(latents=latents, mean=mean, std=std, settings=pickle.dumps(settings)), os.path.join(args.run, "latents.pt"))
    print("mean", mean.tolist(), "deviation", std.tolist())


TOPICS = [("scene", setting.SCENES), ("expression", setting.EXPRESSIONS), ("hat", setting.HATS), ("style", setting.DRAWINGS), ("hat_color", list(setting.COLORS)), ("clothes", list(setting.COLORS))]


class Reader(torch.nn.Module):
    """Reads the setting off the text network's states at the end of a caption. A training aid: with it those states say early what a caption asks for."""

    def __init__(self):
        super().__init__()
        self.topics = torch.nn.ModuleList(torch.nn.Linear(config.TEXT["width"], len(names)) for _, names in TOPICS)

    def forward(self, states, ids, asked):
        """The loss; what a caption leaves open costs something whatever the answer, which harms nothing."""
        last = (ids == ids[:, -1:]).float()[..., None]
        summary = (states * last).sum(1) / last.sum(1)
        return sum(F.cross_entropy(topic(summary), asked[:, k], ignore_index=-100) for k, topic in enumerate(self.topics))


class Data:
    def __init__(self, args):
        stored = torch.load(os.path.join(args.run, "latents.pt"))
        self.latents, self.mean, self.std = stored["latents"], stored["mean"], stored["std"]
        self.settings, self.device = pickle.loads(stored["settings"]), args.device

    def batch(self, rng, count, drop):
        """Latents and the tokens of fresh captions; some captions are empty, some have a word nobody knows."""
        chosen = rng.integers(len(self.latents), size=count)
        ids, self.asked = [], []
        for k in chosen:
            blank = rng.random() < drop
            self.asked.append([-100] * len(TOPICS) if blank else [names.index(getattr(self.settings[k], key)) for key, names in TOPICS])
            row = text.tokens("" if blank else setting.caption(self.settings[k], rng))
            if rng.random() < 0.06:
                place = 1 + int(rng.integers(row.index(row[-1])))
                row = (row[:place] + [int(rng.integers(row[0]))] + row[place:])[:text.LENGTH]
            ids.append(row)
        return self.latents[chosen].to(self.device), torch.tensor(ids, device=self.device)


def train(args):
    c = config.FLOW
    rank, _, synchronize = common.group(args)
    torch.manual_seed(c["seed"])
    modules = {"unet": build().to(args.device), "text": text.build().to(args.device), "reader": Reader().to(args.device)}
    for p in modules["text"].parameters():
        p.requires_grad_(True)
    data, times = Data(args), config.STRAIGHTEN["windows"] * config.STRAIGHTEN["substeps"]
    stage = common.Stage("flow", args, c, modules, averaged=["unet", "text"], decay=c["average"], warmup=80)
    while not stage.finished:
        rng = common.generator(c["seed"], stage.step, rank)
        z, ids = data.batch(rng, c["batch"], c["drop"])
        n, t = rng.standard_normal(z.shape, np.float32), rng.random(len(z), np.float32)
        bell = 1 / (1 + np.exp(-rng.standard_normal(len(z), np.float32)))
        t = np.ceil(np.where(np.arange(len(z)) % 2, t, bell) * times) / times    # only the times that the teacher's walk will ask for
        n, t = torch.from_numpy(n).to(args.device), torch.from_numpy(t.astype(np.float32)).to(args.device)
        x = torch.lerp(z, n, t[:, None, None, None])
        states = modules["text"](input_ids=ids).last_hidden_state
        with common.half(args):
            velocity = modules["unet"](x, t * 1000, states).sample
        loss = F.mse_loss(velocity.float(), n - z)
        reading = modules["reader"](states, ids, torch.tensor(data.asked, device=args.device))
        stage.update(loss + c["reading"] * reading, synchronize=synchronize)
        if rank == 0:
            stage.note(50, loss=loss, reading=reading)
            stage.save(120)
            if stage.step % 400 == 0:
                sheet(args, stage.averages["unet"], stage.averages["text"], "flow.png", steps=times, cfg=2.0)
    if rank == 0:
        stage.save()


def averages(args, name):
    state = torch.load(os.path.join(args.run, name + ".pt"), map_location=args.device)["averages"]
    unet, encoder = build().to(args.device), text.build().to(args.device)
    unet.load_state_dict(state["unet"])
    encoder.load_state_dict(state["text"])
    return unet.eval().requires_grad_(False), encoder.eval().requires_grad_(False)


def straighten(args):
    """Four windows. In each, the teacher walks from a true state in small guided steps; the student learns the straight line to where that ends."""
    c = config.STRAIGHTEN
    rank, _, synchronize = common.group(args)
    teacher, teacher_text = averages(args, "flow")
    modules = dict(zip(("unet", "text"), averages(args, "flow")))
    modules["unet"].train().requires_grad_(True)
    data = Data(args)
    blank = torch.tensor([text.tokens("")], device=args.device)
    stage = common.Stage("straight", args, c, modules, averaged=["unet", "text"], decay=c["average"], warmup=30)
    with torch.no_grad():
        blank = teacher_text(input_ids=blank).last_hidden_state
    while not stage.finished:
        rng = common.generator(c["seed"], stage.step, rank)
        z, ids = data.batch(rng, c["batch"], 0.05)
        count = len(z)
        n = torch.from_numpy(rng.standard_normal(z.shape, np.float32)).to(args.device)
        window = torch.from_numpy(rng.integers(c["windows"], size=count)).to(args.device)
        begin = (1 - window / c["windows"]).float()
        length = 1 / c["windows"]
        with torch.no_grad():
            context = teacher_text(input_ids=ids).last_hidden_state
            start = torch.lerp(z, n, begin[:, None, None, None])
            x, none = start, (ids[:, 1] == ids[:, -1])[:, None, None, None]
            for k in range(c["substeps"]):
                t = (begin - length * k / c["substeps"]) * 1000
                with common.half(args):
                    both = teacher(torch.cat([x, x]), torch.cat([t, t]), torch.cat([context, blank.expand(count, -1, -1)])).sample.float()
                guided = both[count:] + c["cfg"] * (both[:count] - both[count:])
                x = x - length / c["substeps"] * torch.where(none, both[:count], guided)
            target = (start - x) / length
            inside = np.where(rng.random(count) < 0.85, 0, rng.random(count)).astype(np.float32)
            inside = torch.from_numpy(inside).to(args.device) * length
            at = start - inside[:, None, None, None] * target
        with common.half(args):
            velocity = modules["unet"](at, (begin - inside) * 1000, context).sample
        loss = F.mse_loss(velocity.float(), target)
        stage.update(loss, synchronize=synchronize)
        if rank == 0:
            stage.note(50, loss=loss)
            stage.save(120)
            if stage.step % 200 == 0:
                sheet(args, stage.averages["unet"], stage.averages["text"], "straight.png", steps=4, cfg=1.0)
    if rank == 0:
        stage.save()


def generate(unet, encoder, noise, prompts, steps, cfg):
    """Plain sampling: normalised latents."""
    device = noise.device
    with torch.no_grad():
        context = encoder(input_ids=torch.tensor([text.tokens(p) for p in prompts], device=device)).last_hidden_state
        blank = encoder(input_ids=torch.tensor([text.tokens("")] * len(prompts), device=device)).last_hidden_state
        x = noise
        for k in range(steps):
            t = torch.full((len(x),), 1000 * (1 - k / steps), device=device)
            u = unet(x, t, context).sample
            if cfg != 1:
                base = unet(x, t, blank).sample
                u = base + cfg * (u - base)
            x = x - u / steps
    return x


SHEET = ["a portrait of a person on the beach, smiling", "a portrait of a person in the snow, wearing a red beanie, neutral", "a person in the city at night, surprised",
         "a photo of a person in the forest, smiling, wearing a blue cap", "a comic of a woman in a studio, serious"]


def sheet(args, unet, encoder, name, steps, cfg, columns=8):
    vae, data = autoencoder.load(args), torch.load(os.path.join(args.run, "latents.pt"))
    noise = torch.randn(columns, *config.LATENT, generator=torch.Generator().manual_seed(5)).to(args.device)
    rows = []
    for prompt in SHEET:
        x = generate(unet, encoder, noise, [prompt] * columns, steps, cfg)
        raw = x * data["std"].to(x.device)[:, None, None] + data["mean"].to(x.device)[:, None, None]
        with torch.no_grad():
            rows.append(common.to_bytes(autoencoder.decode(vae, raw)))
    portraits.contact_sheet(rows, os.path.join(args.run, name), 2)


if __name__ == "__main__":
    parser = common.arguments(__doc__)
    parser.add_argument("what", choices=["latents", "train", "straighten", "sample"])
    parser.add_argument("--of", default="straight", choices=["flow", "straight"], help="sample: which network")
    parser.add_argument("--count", type=int, default=4, help="sample: steps")
    parser.add_argument("--cfg", type=float, default=1.0, help="sample: guidance scale")
    args = common.start(parser)
    if args.what == "latents":
        store_latents(args)
    elif args.what == "train":
        train(args)
    elif args.what == "straighten":
        straighten(args)
    else:
        sheet(args, *averages(args, args.of), f"{args.of}-{args.count}.png", args.count, args.cfg)
