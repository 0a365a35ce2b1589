"""Stage 1: the autoencoder, 96 px to 12x12x12 and back. `--polish` trains the decoder alone later, while the latents stay what they are."""

import os

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

import common
import config
import identity
import portraits
import setting


def build():
    c = config.AUTOENCODER
    levels = len(c["channels"])
    return AutoencoderKL(in_channels=3, out_channels=3, latent_channels=config.LATENT[0], block_out_channels=c["channels"], layers_per_block=1, norm_num_groups=c["groups"],
                         down_block_types=["DownEncoderBlock2D"] * levels, up_block_types=["UpDecoderBlock2D"] * levels, sample_size=config.SIZE,
                         scaling_factor=c["scaling_factor"])


def means(vae, pictures):
    return vae.quant_conv(vae.encoder(pictures))[:, :config.LATENT[0]]


def decode(vae, latents):
    return vae.decoder(vae.post_quant_conv(latents))


def weights(settings, people, size):
    """Where a picture's errors count: 1 outside, 2.5 on the head, 5 around eyes and mouth."""
    grid = (np.arange(size, dtype=np.float32) + 0.5) * portraits.CANVAS / size
    x, y = grid[None, :], grid[:, None]
    maps = []
    for s, p in zip(settings, people):
        box, points = portraits.geometry(p, s)
        m = 1 + 1.5 * ((x > box[0] - 3) & (x < box[2] + 3) & (y > box[1] - 14) & (y < box[3] + 2)).astype(np.float32)
        for cx, cy, rx, ry in ((*points[0], 10, 12), (*points[1], 10, 12), (*((points[3] + points[4]) / 2), 15, 11)):
            m = np.maximum(m, 5 * (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1))
        maps.append(m / m.mean())
    return torch.from_numpy(np.stack(maps).astype(np.float32)[:, None])


def picture_loss(out, pictures, weight):
    difference = (out - pictures) * weight
    dx = (out[..., 1:] - out[..., :-1]) - (pictures[..., 1:] - pictures[..., :-1])
    dy = (out[..., 1:, :] - out[..., :-1, :]) - (pictures[..., 1:, :] - pictures[..., :-1, :])
    edges = (dx.abs() * weight[..., 1:]).mean() + (dy.abs() * weight[..., 1:, :]).mean()
    return difference.abs().mean() + 2.0 * (difference * (out - pictures)).mean() + 0.5 * edges


def check(vae, args, name):
    """Held-out pictures: the signal-to-noise ratio and a sheet of originals above their round trips."""
    rng = common.generator(99)
    pictures = [portraits.draw(identity.identity(k), setting.setting(rng), config.SIZE) for k in config.PEOPLE_HELD_OUT]
    with torch.no_grad():
        x = common.tensor(pictures, args.device)
        out = decode(vae, means(vae, x))
    portraits.contact_sheet([pictures, common.to_bytes(out)], os.path.join(args.run, name + ".png"), 2)
    return common.psnr(x, out.clamp(-1, 1))


def train(args):
    c = config.AUTOENCODER
    rank, _, synchronize = common.group(args)
    torch.manual_seed(c["seed"])
    vae = build().to(args.device)
    stage = common.Stage("autoencoder", args, c, {"vae": vae}, warmup=100, weight_decay=0.0)
    while not stage.finished:
        rng = common.generator(c["seed"], stage.step, rank)
        torch.manual_seed(2 * stage.step + rank)
        pictures, people, settings = common.drawn(rng, config.PEOPLE_FLOW, c["batch"], config.SIZE)
        x = common.tensor(pictures, args.device)
        with common.half(args):
            z = means(vae, x).float()
            out = decode(vae, z + c["noise"] * torch.randn_like(z)).float()
        loss = picture_loss(out, x, weights(settings, people, config.SIZE).to(args.device)) + 2e-3 * z.square().mean()
        stage.update(loss, synchronize=synchronize)
        if rank == 0:
            stage.note(100, loss=loss, psnr=common.psnr(x, out), size=z.std())
            if stage.step % 400 == 0:
                print(f"held-out PSNR {check(vae, args, 'autoencoder'):.2f} dB", flush=True)
            stage.save(60)
    if rank == 0:
        stage.save()


def polish(args):
    """Encoder and latents frozen; the decoder also learns to decode latents that are a little off, and keeps what the recogniser sees."""
    import faces
    c = config.POLISH
    torch.manual_seed(c["seed"])
    vae = build().to(args.device)
    vae.load_state_dict(torch.load(os.path.join(args.run, "autoencoder.pt"), map_location=args.device)["modules"]["vae"])
    recognizer = faces.load_recognizer(args).eval().requires_grad_(False)
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    stage = common.Stage("polish", args, c, {"vae": vae}, warmup=100, weight_decay=0.0)
    while not stage.finished:
        rng = common.generator(c["seed"], stage.step)
        torch.manual_seed(stage.step)
        pictures, people, settings = common.drawn(rng, config.PEOPLE_FLOW, c["batch"], config.SIZE)
        x = common.tensor(pictures, args.device)
        with torch.no_grad(), common.half(args):
            z = means(vae, x).float()
            z = z + 0.1 * z.std() * torch.rand(len(z), 1, 1, 1, device=z.device) * torch.randn_like(z)
        with common.half(args):
            out = decode(vae, z).float()
        points = torch.from_numpy(np.stack([portraits.geometry(p, s)[1] for p, s in zip(people, settings)])) * config.SIZE / portraits.CANVAS
        with torch.no_grad():
            wanted = recognizer(faces.align(x, points))
        with common.half(args):
            seen = recognizer(faces.align(out, points)).float()
        likeness = 1 - F.cosine_similarity(seen, wanted).mean()
        loss = picture_loss(out, x, weights(settings, people, config.SIZE).to(args.device)) + c["faces"] * likeness
        stage.update(loss)
        stage.note(100, loss=loss, psnr=common.psnr(x, out), likeness=1 - likeness)
        if stage.step % 400 == 0:
            print(f"held-out PSNR {check(vae, args, 'polish'):.2f} dB", flush=True)
        stage.save(60)
    stage.save()


def load(args):
    """The best autoencoder there is: polished, or else as first trained."""
    for name in ("polish", "autoencoder"):
        path = os.path.join(args.run, name + ".pt")
        if os.path.exists(path):
            vae = build()
            vae.load_state_dict(torch.load(path, map_location="cpu")["modules"]["vae"])
            return vae.to(args.device).eval().requires_grad_(False)
    raise SystemExit("train the autoencoder first")


if __name__ == "__main__":
    parser = common.arguments(__doc__)
    parser.add_argument("--polish", action="store_true")
    args = common.start(parser)
    polish(args) if args.polish else train(args)
