"""Stage 3: the face detector, in the layout of SCRFD: per stride (8, 16, 32) two anchors a cell, scores, boxes and five points."""

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

STRIDES = (8, 16, 32)
SIZES = ((14, 50), (30, 100), (60, 220))    # longer side of the faces each stride answers for, in pixels


class Detector(nn.Module):
    """(1, 3, H, W), values (x - 127.5) / 128 -> scores x3, boxes x3, points x3, as rows of two anchors a cell, cells row by row."""

    def __init__(self):
        super().__init__()
        w = config.DETECTOR["width"]

        def conv(inputs, outputs, stride):
            return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
        self.c2 = nn.Sequential(conv(3, 16, 2), conv(16, w, 2))
        self.c3 = nn.Sequential(conv(w, 2 * w, 2), conv(2 * w, 2 * w, 1))
        self.c4 = nn.Sequential(conv(2 * w, 2 * w, 2), conv(2 * w, 2 * w, 1))
        self.c5 = nn.Sequential(conv(2 * w, 2 * w, 2), conv(2 * w, 2 * w, 1))
        self.lateral = nn.ModuleList(nn.Conv2d(2 * w, w, 1) for _ in STRIDES)
        self.smooth = nn.ModuleList(conv(w, w, 1) for _ in STRIDES)
        self.score = nn.ModuleList(nn.Conv2d(w, 2, 3, 1, 1) for _ in STRIDES)
        self.box = nn.ModuleList(nn.Conv2d(w, 8, 3, 1, 1) for _ in STRIDES)
        self.points = nn.ModuleList(nn.Conv2d(w, 20, 3, 1, 1) for _ in STRIDES)
        for head in self.score:
            nn.init.constant_(head.bias, -3.0)
        for head in self.box:
            nn.init.constant_(head.bias, 2.0)

    def maps(self, x):
        """Per stride: score logits (N, 2, h, w), boxes (N, 8, h, w), points (N, 20, h, w)."""
        c3 = self.c3(self.c2(x))
        c4 = self.c4(c3)
        p5 = self.lateral[2](self.c5(c4))
        p4 = self.lateral[1](c4) + F.interpolate(p5, scale_factor=2.0, mode="nearest")
        p3 = self.lateral[0](c3) + F.interpolate(p4, scale_factor=2.0, mode="nearest")
        features = [smooth(p) for smooth, p in zip(self.smooth, (p3, p4, p5))]
        return [(self.score[k](f), self.box[k](f), self.points[k](f)) for k, f in enumerate(features)]

    def forward(self, x):
        maps = self.maps(x)
        rows = lambda m, width: m.permute(2, 3, 0, 1).reshape(-1, width)
        return tuple(torch.sigmoid(rows(m[0], 1)) for m in maps) + tuple(rows(m[1], 4) for m in maps) + tuple(rows(m[2], 10) for m in maps)


def targets(boxes, points, height, width):
    """For faces (boxes (F, 4), points (F, 5, 2), in pixels): per stride the labels (1 face, 0 none, -1 either), distances and offsets in strides."""
    result = []
    for stride, (low, high) in zip(STRIDES, SIZES):
        h, w = height // stride, width // stride
        x, y = np.meshgrid(np.arange(w) * stride, np.arange(h) * stride)
        label, box, point = np.zeros((h, w), np.float32), np.zeros((4, h, w), np.float32), np.zeros((10, h, w), np.float32)
        for b, p in zip(boxes, points):
            side, cx, cy = max(b[2] - b[0], b[3] - b[1]), (b[0] + b[2]) / 2, (b[1] + b[3]) / 2
            distance = np.maximum(abs(x - cx), abs(y - cy)) / stride
            near = distance <= 0.75
            if not low <= side <= high:
                label[near & (label == 0)] = -1
                continue
            label[(distance <= 1.6) & ~near & (label == 0)] = -1
            label[near] = 1
            box[:, near] = np.stack([x - b[0], y - b[1], b[2] - x, b[3] - y])[:, near] / stride
            point[:, near] = np.stack([v for q in p for v in (q[0] - x, q[1] - y)])[:, near] / stride
        result.append((label, box, point))
    return result


def portrait(rng, size, person=True):
    """One picture with its face: the full portrait, seen from near or far, or pasted small."""
    who, s = identity.identity(config.PEOPLE_DETECTOR[0] + int(rng.integers(config.PEOPLE_DETECTOR[1]))), setting.setting(rng)
    kind = rng.random()
    if kind < 0.5:
        zoom, offset = size / portraits.CANVAS, np.zeros(2)
    else:
        zoom = size / portraits.CANVAS * float(np.exp(rng.uniform(np.log(0.4), np.log(1.5))))
        center = size * rng.uniform(0.3, 0.7, 2) if kind < 0.8 else zoom * portraits.CANVAS / 2 + np.zeros(2)
        offset = center - zoom * portraits.CANVAS / 2
    source = int(rng.choice([size, size, size // 2]))    # half the pixels, scaled up, as a small generation is
    view = np.array([[zoom, 0, offset[0]], [0, zoom, offset[1]]]) * (source / size)
    if person:
        picture = portraits.draw(who, s, source, view)
    else:
        picture = portraits.draw_scene(s, source, view)
    x = common.tensor([picture])
    if source != size:
        x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
    box, points = portraits.geometry(who, s)
    return x[0], box * zoom + np.tile(offset, 2), points * zoom + offset


def example(rng, size):
    """A picture in [-1, 1] with the boxes and points of its faces: none, one or several."""
    kind = rng.random()
    if kind < 0.08:
        return portrait(rng, size, person=False)[0], [], []
    if kind < 0.86:
        x, box, points = portrait(rng, size)
        return x, [box], [points]
    x, boxes, points, half = -torch.ones(3, size, size), [], [], size // 2
    for row in range(2):
        for column in range(2):
            if rng.random() < 0.6:
                small, box, point = portrait(rng, half)
                x[:, row * half:(row + 1) * half, column * half:(column + 1) * half] = small
                corner = np.array([column * half, row * half])
                boxes.append(box + np.tile(corner, 2))
                points.append(point + corner)
    return x, boxes, points


def batch(rng, count, size, device, round_trip=None):
    examples = [example(rng, size) for _ in range(count)]
    x = torch.stack([e[0] for e in examples]).to(device)
    if rng.random() < 0.5:
        small = int(rng.integers(size * 3 // 8, size))
        x = F.interpolate(F.interpolate(x, size=(small, small), mode="bilinear", antialias=True), size=(size, size), mode="bilinear")
    if round_trip is not None and rng.random() < 0.3:
        small = F.interpolate(x, size=(config.SIZE, config.SIZE), mode="bilinear", antialias=True)
        x = F.interpolate(round_trip(small), size=(size, size), mode="bilinear")
    gain = torch.from_numpy(rng.uniform(0.8, 1.1, (count, 1, 1, 1)).astype(np.float32)).to(device)
    x = (x * gain + 0.08 * rng.random() * torch.randn_like(x)).clamp(-1, 1)
    wanted = [targets(e[1], e[2], size, size) for e in examples]
    levels = [tuple(torch.from_numpy(np.stack([w[k][part] for w in wanted])).to(device) for part in range(3)) for k in range(3)]
    return x * (127.5 / 128), levels


def loss_of(maps, levels):
    score_loss = box_loss = point_loss = 0.0
    positives = sum((label == 1).sum() for label, _, _ in levels).clamp_min(1)
    for (score, box, point), (label, wanted_box, wanted_point), stride in zip(maps, levels, STRIDES):
        known, positive = (label >= 0)[:, None], (label == 1)[:, None]
        probability = torch.sigmoid(score)
        target = (label == 1).float()[:, None].expand_as(score)
        focus = torch.where(target > 0, 1 - probability, probability).detach().square()
        weight = torch.where(target > 0, 1.0, 0.5) * focus * known
        score_loss = score_loss + (weight * F.binary_cross_entropy_with_logits(score, target, reduction="none")).sum() / positives
        n, _, h, w = box.shape
        unit = stride / 16.0
        box_loss = box_loss + unit * ((box.view(n, 2, 4, h, w) - wanted_box[:, None]).abs() * positive[:, None]).sum() / positives / 8
        point_loss = point_loss + unit * ((point.view(n, 2, 10, h, w) - wanted_point[:, None]).abs() * positive[:, None]).sum() / positives / 20
    return score_loss, box_loss, point_loss


def decode(outputs, height, width, threshold, overlap=0.4):
    """Faces of one picture from the nine outputs: (F, 15) rows of box, score, points, best first; in pixels of the network's input."""
    rows = []
    for k, stride in enumerate(STRIDES):
        score, box, point = (np.asarray(outputs[k + 3 * part]) for part in range(3))
        y, x = np.meshgrid(np.arange(height // stride) * stride, np.arange(width // stride) * stride, indexing="ij")
        center = np.repeat(np.stack([x, y], -1).reshape(-1, 2), 2, 0)
        keep = score[:, 0] >= threshold
        c, b, p = center[keep], box[keep] * stride, point[keep].reshape(-1, 5, 2) * stride
        rows.append(np.concatenate([c - b[:, :2], c + b[:, 2:], score[keep], (c[:, None] + p).reshape(-1, 10)], 1))
    rows = np.concatenate(rows)
    rows, kept = rows[np.argsort(-rows[:, 4], kind="stable")], []
    area = lambda r: (r[2] - r[0] + 1) * (r[3] - r[1] + 1)
    for r in rows:
        clash = False
        for q in kept:
            w, h = min(r[2], q[2]) - max(r[0], q[0]) + 1, min(r[3], q[3]) - max(r[1], q[1]) + 1
            common_area = max(0.0, w) * max(0.0, h)
            clash = clash or common_area / (area(r) + area(q) - common_area) > overlap
        if not clash:
            kept.append(r)
    return np.stack(kept) if kept else np.zeros((0, 15))


def detect(net, pictures, size=None, lowest=0.05):
    """The best face of each picture (N, 3, H, W in [-1, 1]): rows of 15 in the picture's pixels; the threshold falls from .5 until there is one."""
    size, found = size or config.DETECTOR["size"], []
    n, _, height, width = pictures.shape
    new_h, new_w = (size, int(size * width / height)) if height > width else (int(size * height / width), size)
    scale = new_h / height
    x = torch.full((n, 3, size, size), -127.5 / 128, device=pictures.device)
    x[:, :, :new_h, :new_w] = F.interpolate(pictures, size=(new_h, new_w), mode="bilinear", align_corners=False) * (127.5 / 128)
    for k in range(n):
        with torch.no_grad():
            outputs = [o.cpu().numpy() for o in net(x[k:k + 1])]
        threshold, rows = 0.5, np.zeros((0, 15))
        while len(rows) == 0 and threshold >= lowest:
            rows = decode(outputs, size, size, threshold)
            threshold -= 0.1
        if len(rows):
            best = rows[0].copy()
            best[[0, 1, 2, 3, *range(5, 15)]] /= scale
            found.append(best)
        else:
            found.append(None)
    return found


def check(net, device, round_trip=None):
    """Held-out portraits at the generated size and at 256 px: how many are found at .5, false finds, and the points' error in hundredths of the eye distance."""
    report = {}
    for size in (config.SIZE, 256):
        rng = common.generator(31)
        who = [identity.identity(920_000 + k) for k in range(40)]
        settings = [setting.setting(rng) for _ in who]
        x = common.tensor([portraits.draw(p, s, size) for p, s in zip(who, settings)], device)
        if round_trip is not None and size == config.SIZE:
            x = round_trip(x)
        rows, errors = detect(net, x), []
        for row, p, s in zip(rows, who, settings):
            if row is not None and row[4] >= 0.5:
                points = portraits.geometry(p, s)[1] * size / portraits.CANVAS
                errors.append(np.linalg.norm(row[5:].reshape(5, 2) - points, axis=1).mean() / np.linalg.norm(points[1] - points[0]) * 100)
        report[size] = dict(found=len(errors) / len(who), error=float(np.mean(errors)) if errors else None)
    return report


def load(args):
    net = Detector().to(args.device)
    net.load_state_dict(torch.load(os.path.join(args.run, "detector.pt"), map_location=args.device)["averages"]["net"])
    return net.eval().requires_grad_(False)


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--round-trips", action="store_true", help="some pictures go through the autoencoder first")
    args = common.start(parser)
    c, round_trip = config.DETECTOR, None
    if args.round_trips:
        import autoencoder
        vae = autoencoder.load(args)
        round_trip = torch.no_grad()(lambda x: autoencoder.decode(vae, autoencoder.means(vae, x)))
    torch.manual_seed(c["seed"])
    net = Detector().to(args.device)
    stage = common.Stage("detector", args, c, {"net": net}, averaged=["net"], decay=0.99, warmup=50)
    while not stage.finished:
        torch.manual_seed(stage.step)
        x, levels = batch(common.generator(c["seed"], stage.step), c["batch"], c["size"], args.device, round_trip)
        with common.half(args):
            maps = net.maps(x)
        score, box, point = loss_of([tuple(m.float() for m in level) for level in maps], levels)
        stage.update(score + box + 2 * point, clip=5.0)
        stage.note(50, score=score, box=box, point=point)
        if stage.step % 300 == 0:
            print(check(stage.averages["net"].eval(), args.device), flush=True)
        stage.save(60)
    stage.save()
    print(check(stage.averages["net"].eval(), args.device), flush=True)


if __name__ == "__main__":
    main()
