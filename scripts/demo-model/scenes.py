"""Stage 4: the scene classifier, which only measures: a picture of the generated size in [-1, 1] -> logits of scene, hat, expression and style."""

import os

import torch
import torch.nn as nn
import torch.nn.functional as F

import common
import config
import faces
import setting


TOPICS = {"scene": setting.SCENES, "hat": setting.HATS, "expression": setting.EXPRESSIONS, "style": setting.DRAWINGS}


class SceneNet(nn.Module):
    def __init__(self):
        super().__init__()
        layers, inputs = [], 3
        for outputs in (24, 32, 48, 64):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs = outputs
        self.body = nn.Sequential(*layers)
        self.heads = nn.ModuleList(nn.Linear(64 * (config.SIZE // 16) ** 2, len(names)) for names in TOPICS.values())

    def forward(self, x):
        x = torch.flatten(self.body(x), 1)
        return tuple(head(x) for head in self.heads)


def batch(rng, count, device, round_trip=None):
    pictures, _, settings = common.drawn(rng, config.PEOPLE_SCENE, count, config.SIZE)
    x = common.tensor(pictures, device)
    if round_trip is not None and rng.random() < 0.4:
        x = round_trip(x)
    wanted = [torch.tensor([names.index(getattr(s, key)) for s in settings], device=device) for key, names in TOPICS.items()]
    return faces.soften(x, rng), wanted


def load(args):
    return faces.load(args, "scene", SceneNet)


def main():
    args = common.start(common.arguments(__doc__))
    c, round_trip = config.SCENE, None
    if os.path.exists(os.path.join(args.run, "autoencoder.pt")):
        import autoencoder
        vae = autoencoder.load(args)
        round_trip = torch.no_grad()(lambda x: autoencoder.decode(vae, autoencoder.means(vae, x)))
    torch.manual_seed(c["seed"])
    net = SceneNet().to(args.device)
    stage = common.Stage("scene", args, c, {"net": net}, averaged=["net"], decay=0.98)
    while not stage.finished:
        torch.manual_seed(stage.step)
        x, wanted = batch(common.generator(c["seed"], stage.step), c["batch"], args.device, round_trip)
        with common.half(args):
            logits = [o.float() for o in net(x)]
        stage.update(sum(F.cross_entropy(o, w) for o, w in zip(logits, wanted)))
        if stage.step % 50 == 0:
            x, wanted = batch(common.generator(77, stage.step), 200, args.device)
            with torch.no_grad():
                right = [(o.argmax(1) == w).float().mean() for o, w in zip(stage.averages["net"].eval()(x), wanted)]
            stage.note(50, **dict(zip(TOPICS, right)))
        stage.save(60)
    stage.save()


if __name__ == "__main__":
    main()
