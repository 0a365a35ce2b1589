"""Stage 2: what looks at faces. The recogniser guides; the judge only measures: another architecture, another seed, other people.

Both learn to tell people apart (cosine margin over a thousand drawn people) and to read a person's attributes off the embedding. The recogniser is
trained against smooth perturbations of the crop, since a plain one is easily pleased by pictures that no other network recognises.
"""

import os

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import common
import config
import identity
import portraits
import setting

TEMPLATE = torch.tensor([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
CROP = 112


def similarity(points):
    """The similarity transforms that bring five points (N, 5, 2) closest to the template: (N, 2, 3), after Umeyama (1991)."""
    x, y = points.double(), TEMPLATE.double().to(points.device)
    mx, my = x.mean(1, keepdim=True), y.mean(0)
    covariance = (y - my).T @ (x - mx) / 5
    u, s, vt = torch.linalg.svd(covariance)
    sign = torch.ones_like(s)
    sign[:, 1] = torch.where(torch.linalg.det(covariance) < 0, -1.0, 1.0)
    rotation = u @ torch.diag_embed(sign) @ vt
    scale = (s * sign).sum(1) / (x - mx).square().sum(2).mean(1)
    linear = rotation * scale[:, None, None]
    return torch.cat([linear, (my - (linear @ mx.transpose(1, 2))[..., 0])[..., None]], 2)


def align(pictures, points):
    """Crops of 112 px from pictures (N, 3, H, W) and points in their pixels; bilinear, zeros outside, pixel centres on integers."""
    n, _, height, width = pictures.shape
    m = similarity(points.to(pictures.device))
    inverse = torch.linalg.inv(m[:, :, :2])
    axis = torch.arange(CROP, dtype=torch.float64, device=pictures.device)
    target = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
    source = (target[None] - m[:, None, None, :, 2]) @ inverse.transpose(1, 2)[:, None]
    grid = torch.stack([2 * source[..., 0] / (width - 1) - 1, 2 * source[..., 1] / (height - 1) - 1], -1)
    return F.grid_sample(pictures, grid.to(pictures.dtype), mode="bilinear", padding_mode="zeros", align_corners=True)


class PReLU(nn.PReLU):
    def forward(self, x):
        if torch.onnx.is_in_onnx_export():
            return super().forward(x)
        positive = F.relu(x)    # the built-in derivative is slow on a CPU
        return positive + self.weight[:, None, None] * (x - positive)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.prelu = PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.down = None
        if stride != 1 or inputs != outputs:
            self.down = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        return y + (x if self.down is None else self.down(x))


class Recognizer(nn.Module):
    """A small IResNet: 112x112 RGB in [-1, 1] -> embedding (not normalised)."""

    def __init__(self):
        super().__init__()
        c = config.RECOGNIZER
        widths = c["channels"]
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), PReLU(widths[0]))
        self.body = nn.Sequential(Block(widths[0], widths[1], 2), Block(widths[1], widths[2], 2), Block(widths[2], widths[3], 2), Block(widths[3], widths[3], 1))
        self.bn2 = nn.BatchNorm2d(widths[3])
        self.fc = nn.Linear(widths[3] * 49, c["embedding"])
        self.features = nn.BatchNorm1d(c["embedding"])

    def forward(self, x):
        return self.features(self.fc(torch.flatten(self.bn2(self.body(self.stem(x))), 1)))


class Judge(nn.Module):
    """Plain strided convolutions."""

    def __init__(self):
        super().__init__()
        layers, inputs = [], 3
        for outputs in (24, 40, 64, 96):
            layers += [nn.Conv2d(inputs, outputs, 5 if inputs == 3 else 3, 2, 2 if inputs == 3 else 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs = outputs
        self.body = nn.Sequential(*layers)
        self.fc = nn.Linear(96 * 49, config.JUDGE["embedding"])

    def forward(self, x):
        return self.fc(torch.flatten(self.body(x), 1))


class Teacher(nn.Module):
    """What is asked of an embedding in training: the person among the known ones, and the person's attributes. Where a person sits in the space is
    itself a function of the attributes, which is learnt far sooner than a place for each of a thousand people."""

    def __init__(self, embedding, people, scale, margin):
        super().__init__()
        known = np.stack([identity.identity(people[0] + k).attributes() for k in range(people[1])])
        self.register_buffer("known", torch.from_numpy(known))
        self.place = nn.Sequential(nn.Linear(identity.ATTRIBUTES, 256), nn.ReLU(), nn.Linear(256, embedding))
        self.attributes = nn.Linear(embedding, identity.ATTRIBUTES)
        self.scale, self.margin = scale, margin

    def forward(self, embedding, who, attributes, margin=1.0):
        unit = F.normalize(embedding)
        cosine = unit @ F.normalize(self.place(self.known)).T
        cosine = cosine - margin * self.margin * F.one_hot(who, len(self.known))
        guess = self.attributes(unit * embedding.shape[1] ** 0.5)
        return F.cross_entropy(self.scale * cosine, who) + 2.0 * F.smooth_l1_loss(guess, attributes), cosine


def soften(pictures, rng):
    """What a small decoder does to a picture, roughly: fewer pixels for a moment, noise, other contrast."""
    size = pictures.shape[-1]
    if rng.random() < 0.5:
        small = int(rng.integers(size // 2, size))
        pictures = F.interpolate(pictures, size=(small, small), mode="bilinear", align_corners=False, antialias=True)
        pictures = F.interpolate(pictures, size=(size, size), mode="bilinear", align_corners=False)
    n = len(pictures)
    gain = torch.from_numpy(rng.uniform(0.9, 1.1, (n, 1, 1, 1)).astype(np.float32)).to(pictures.device)
    lift = torch.from_numpy(rng.uniform(-0.08, 0.08, (n, 3, 1, 1)).astype(np.float32)).to(pictures.device)
    return pictures * gain + lift + 0.04 * rng.random() * torch.randn_like(pictures)


def faces_batch(rng, people, classes, device, size=None, round_trip=None):
    """Aligned crops of people (indices into a range of seeds) with their attributes; the alignment is off by a little, as a detector's is."""
    size = size or (config.SIZE if rng.random() < 0.65 else 128)
    who = [identity.identity(people[0] + int(k)) for k in classes]
    settings = [setting.setting(rng) for _ in who]
    x = common.tensor([portraits.draw(p, s, size) for p, s in zip(who, settings)], device)
    if round_trip is not None and size == config.SIZE and rng.random() < 0.5:
        x = round_trip(x)
    x = soften(x, rng)
    points = np.stack([portraits.geometry(p, s)[1] for p, s in zip(who, settings)]) * (size / portraits.CANVAS)
    n = len(who)
    points = points + rng.normal(size=(n, 1, 2)) * 0.008 * size + rng.normal(size=(n, 5, 2)) * 0.006 * size
    attributes = torch.from_numpy(np.stack([p.attributes() for p in who])).to(device)
    return align(x, torch.from_numpy(points.astype(np.float32))), attributes


def verify(net, device, people=None, size=config.SIZE, round_trip=None):
    """Cosines of two pictures of one person and of two persons, nobody seen in training."""
    people = people or list(range(910_000, 910_100))
    rng, sides = common.generator(12), []
    for _ in range(2):
        settings = [setting.setting(rng) for _ in people]
        who = [identity.identity(k) for k in people]
        x = common.tensor([portraits.draw(p, s, size) for p, s in zip(who, settings)], device)
        if round_trip is not None:
            x = round_trip(x)
        points = np.stack([portraits.geometry(p, s)[1] for p, s in zip(who, settings)]) * (size / portraits.CANVAS)
        with torch.no_grad():
            sides.append(F.normalize(net(align(x, torch.from_numpy(points)))))
    cosine = sides[0] @ sides[1].T
    same, other = cosine.diagonal(), cosine[~torch.eye(len(people), dtype=torch.bool, device=cosine.device)]
    threshold = other.sort().values[int(0.999 * len(other))]
    return dict(same=float(same.mean()), other=float(other.mean()), other_spread=float(other.std()), accepted=float((same > threshold).float().mean()))


def attack(args, net, teacher, crops, who, attributes, strength):
    """The smooth perturbation (a 28x28 grid, scaled up) that hurts most to first order, of random length up to `strength` (root mean square)."""
    grid = 0.25 * strength * torch.randn(len(crops), 3, 28, 28, device=crops.device)
    grid.requires_grad_(True)
    grow = lambda g: F.interpolate(g, size=(CROP, CROP), mode="bilinear", align_corners=False)
    net.eval()
    with common.half(args):
        embedding = net(crops + grow(grid)).float()
    loss, _ = teacher(embedding, who, attributes, 0.5)
    direction, = torch.autograd.grad(loss, grid)
    net.train()
    direction = direction / direction.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
    length = strength * torch.rand(len(crops), 1, 1, 1, device=crops.device)
    return crops + grow(direction * length).detach()


def train(args, name, net, people, settings, robust, round_trip=None):
    torch.manual_seed(settings["seed"])
    net = net().to(args.device)
    teacher = Teacher(settings["embedding"], people, settings["scale"], settings["margin"]).to(args.device)
    stage = common.Stage(name, args, settings, {"net": net, "teacher": teacher}, averaged=["net"], decay=0.98, weight_decay=0.05, warmup=40)
    while not stage.finished:
        rng = common.generator(settings["seed"], stage.step)
        torch.manual_seed(stage.step)
        classes = rng.integers(people[1], size=settings["batch"])
        crops, attributes = faces_batch(rng, people, classes, args.device, round_trip=round_trip)
        who, hard = torch.from_numpy(classes).to(args.device), robust and stage.step > 0.4 * stage.steps
        if hard:
            half = len(crops) // 2
            crops = torch.cat([crops[:half], attack(args, net, teacher, crops[half:], who[half:], attributes[half:], settings["attack"])])
        with common.half(args):
            embedding = net(crops).float()
        loss, cosine = teacher(embedding, who, attributes, 0.5 if hard else 1.0)
        stage.update(loss, clip=5.0)
        stage.note(25, loss=loss, right=(cosine.argmax(1) == who).float().mean())
        if stage.step % 200 == 0:
            print(verify(stage.averages["net"].eval(), args.device), flush=True)
        stage.save(60)
    stage.save()
    print(verify(stage.averages["net"].eval(), args.device), flush=True)


def load(args, name, net):
    net = net().to(args.device)
    net.load_state_dict(torch.load(os.path.join(args.run, name + ".pt"), map_location=args.device)["averages"]["net"])
    return net.eval().requires_grad_(False)


def load_recognizer(args):
    return load(args, "recognizer", Recognizer)


def load_judge(args):
    return load(args, "judge", Judge)


if __name__ == "__main__":
    parser = common.arguments(__doc__)
    parser.add_argument("which", choices=["recognizer", "judge"])
    parser.add_argument("--round-trips", action="store_true", help="half of the small pictures go through the autoencoder first")
    args = common.start(parser)
    round_trip = None
    if args.round_trips:
        import autoencoder
        vae = autoencoder.load(args)

        def round_trip(x):
            with torch.no_grad():
                return autoencoder.decode(vae, autoencoder.means(vae, x))
    if args.which == "recognizer":
        train(args, "recognizer", Recognizer, config.PEOPLE_RECOGNIZER, config.RECOGNIZER, robust=True, round_trip=round_trip)
    else:
        train(args, "judge", Judge, config.PEOPLE_JUDGE, config.JUDGE, robust=False, round_trip=round_trip)
