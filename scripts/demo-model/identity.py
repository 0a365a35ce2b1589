"""Who is drawn: an `Identity` is what makes a person, whatever the picture: skin, hair, eyes, brows, nose, mouth, glasses, beard."""

from dataclasses import dataclass

import numpy as np

SKINS = [(250, 220, 196), (240, 200, 168), (224, 176, 138), (198, 144, 104), (160, 108, 74), (120, 78, 54), (88, 56, 40)]
HAIRS = [(36, 30, 34), (84, 52, 34), (142, 86, 44), (196, 84, 36), (232, 190, 100), (176, 178, 184)]
STYLES = ["bald", "short", "parted", "bob", "long", "curly", "bun", "spiky"]
IRISES = [(92, 56, 30), (56, 116, 190), (66, 138, 78), (60, 60, 70)]
GLASSES = ["no glasses", "round glasses", "square glasses"]
BEARDS = ["no beard", "moustache", "full beard"]


@dataclass
class Identity:
    skin: tuple
    hair: tuple
    style: int
    iris: tuple
    glasses: int
    beard: int
    width: float     # half width of the head
    jaw: float       # 0 pointed .. 1 square
    spacing: float   # half distance of the eyes
    eye: float       # size of the eyes
    brow: float      # thickness of the brows
    tilt: float      # slope of the brows
    nose: float      # width of the nose
    mouth: float     # half width of the mouth
    lips: tuple
    blush: float

    def attributes(self):
        """The person as a vector: what a recogniser can be asked to read off a face."""
        one_hot = np.zeros(len(STYLES) + len(GLASSES) + len(BEARDS), np.float32)
        one_hot[self.style] = 1
        one_hot[len(STYLES) + self.glasses] = 1
        one_hot[len(STYLES) + len(GLASSES) + self.beard] = 1
        colors = (np.array([*self.skin, *self.hair, *self.iris, *self.lips], np.float32) - 128) / 64
        shape = np.array([(self.width - 25.5) / 1.7, (self.jaw - 0.5) / 0.3, (self.spacing - 11.8) / 0.8, (self.eye - 1.0) / 0.1, (self.brow - 2.4) / 0.7,
                          self.tilt / 0.09, (self.nose - 4.2) / 0.9, (self.mouth - 9.5) / 1.0, (self.blush - 0.3) / 0.25], np.float32)
        return np.concatenate([one_hot, colors, shape])


ATTRIBUTES = len(STYLES) + len(GLASSES) + len(BEARDS) + 12 + 9


def vary(color, rng, amount):
    return tuple(int(np.clip(c + rng.normal() * amount, 0, 255)) for c in color)


def identity(seed):
    rng = np.random.default_rng([7, int(seed)])
    skin_index = int(rng.integers(len(SKINS)))
    skin = vary(SKINS[skin_index], rng, 3)
    style = int(rng.integers(len(STYLES)))
    beard = int(rng.choice(3, p=[0.62, 0.16, 0.22])) if STYLES[style] not in ("bob", "long", "bun") else 0
    glasses = int(rng.choice(3, p=[0.66, 0.2, 0.14]))
    lips = [(150, 70, 66), (196, 62, 70), tuple(int(c * 0.72) for c in skin)][int(rng.integers(3))]
    return Identity(skin=skin, hair=vary(HAIRS[int(rng.integers(len(HAIRS)))], rng, 4), style=style, iris=IRISES[int(rng.integers(len(IRISES)))],
                    glasses=glasses, beard=beard, width=float(rng.uniform(23, 28.5)), jaw=float(rng.uniform(0, 1)), spacing=float(rng.uniform(10.6, 13.2)),
                    eye=float(rng.uniform(0.84, 1.18)), brow=float(rng.uniform(1.4, 3.6)), tilt=float(rng.uniform(-0.16, 0.16)),
                    nose=float(rng.uniform(2.8, 5.8)), mouth=float(rng.uniform(8.0, 11.2)), lips=lips, blush=float(rng.choice([0.0, 0.0, 0.55])))
