"""Stage 4: the scene classifier, which only measures: 64x64 RGB in [-1, 1] -> scene, hat and expression logits."""

import os

import torch
import torch.nn as nn
import torch.nn.functional as F

import common
import config
import faces
import portraits


class SceneNet(nn.Module):
    def __init__(self):
        super().__init__()
        layers, inputs = [], 3
        for outputs in (24, 32, 48, 64):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs = outputs
        self.body = nn.Sequential(*layers)
        self.scene, self.hat, self.expression = (nn.Linear(64 * 16, len(names)) for names in (portraits.SCENES, portraits.HATS, portraits.EXPRESSIONS))

    def forward(self, x):
        x = torch.flatten(self.body(x), 1)
        return self.scene(x), self.hat(x), self.expression(x)


def batch(rng, count, device, round_trip=None):
    pictures, _, settings = common.drawn(rng, config.PEOPLE_SCENE, count, config.SIZE)
    x = common.tensor(pictures, device)
    if round_trip is not None and rng.random() < 0.4:
        x = round_trip(x)
    wanted = [torch.tensor([names.index(getattr(s, key)) for s in settings], device=device)
              for key, names in (("scene", portraits.SCENES), ("hat", portraits.HATS), ("expression", portraits.EXPRESSIONS))]
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
    while stage.step < stage.steps:
        torch.manual_seed(stage.step)
        x, wanted = batch(common.generator(c["seed"], stage.step), c["batch"], args.device, round_trip)
        stage.update(sum(F.cross_entropy(o, w) for o, w in zip(net(x), wanted)))
        if stage.step % 50 == 0:
            x, wanted = batch(common.generator(77, stage.step), 200, args.device)
            with torch.no_grad():
                right = [(o.argmax(1) == w).float().mean() for o, w in zip(stage.averages["net"].eval()(x), wanted)]
            stage.note(50, scene=right[0], hat=right[1], expression=right[2])
        stage.save(60)
    stage.save()


if __name__ == "__main__":
    main()
