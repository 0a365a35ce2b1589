"""What a prompt can ask for, and what varies between two pictures of one person: scene, expression, hat, style, clothes, pose; and captions that ask for it."""

from dataclasses import dataclass

COLORS = {"red": (206, 56, 50), "blue": (58, 104, 196), "green": (62, 142, 82), "yellow": (236, 188, 62), "purple": (128, 76, 160)}
SCENES = ["beach", "snow", "forest", "city", "studio"]
EXPRESSIONS = ["smiling", "neutral", "surprised"]
HATS = ["none", "cap", "beanie"]
DRAWINGS = ["plain", "comic"]

PLACES = {"beach": ["on the beach", "at the beach", "by the sea"], "snow": ["in the snow", "in snowy mountains", "in winter"], "forest": ["in the forest", "in the woods"],
          "city": ["in the city at night", "in a city at night", "at night in the city"], "studio": ["in a studio", "in front of a plain wall"]}
MOODS = {"smiling": ["smiling", "happy"], "neutral": ["serious", "neutral"], "surprised": ["surprised", "astonished"]}
SUBJECTS = ["a person", "person", "a man", "a woman", "someone", "the person"]
COMICS = ["a comic of ", "comic of ", "a comic drawing of ", "a cartoon of "]
OPENINGS = ["", "a portrait of ", "portrait of ", "a photo of ", "a picture of ", "a drawing of ", "photo of "]
EXTRAS = ["", "", "", "", ", high quality", ", detailed", ", beautiful", ", best quality", ", closeup"]


@dataclass
class Setting:
    scene: str
    expression: str
    hat: str
    hat_color: str
    clothes: str
    dx: float
    dy: float
    scale: float
    angle: float
    yaw: float
    detail: int      # seed of the scenery
    style: str = "plain"


def setting(rng, scene=None, expression=None, hat=None, style=None, still=False):
    """A random setting; `still` is the plain frontal pose of the sample references."""
    pick = lambda names: names[int(rng.integers(len(names)))]
    scene = scene or SCENES[int(rng.choice(5, p=[0.22, 0.22, 0.22, 0.22, 0.12]))]
    expression = expression or pick(EXPRESSIONS)
    hat = hat or HATS[int(rng.choice(3, p=[0.56, 0.22, 0.22]))]
    style = style or ("comic" if rng.random() < 0.3 else "plain")
    amount = 0.0 if still else 1.0
    return Setting(scene, expression, hat, pick(list(COLORS)), pick(list(COLORS)), amount * float(rng.uniform(-2.5, 2.5)), amount * float(rng.uniform(-1.5, 2.0)),
                   1 + amount * float(rng.uniform(-0.05, 0.05)), amount * float(rng.uniform(-4, 4)), amount * float(rng.uniform(-1, 1)), int(rng.integers(1 << 30)), style)


def caption(s, rng):
    """A sentence that asks for the setting; parts of it are left out at random, except what cannot be left out."""
    pick = lambda names: names[int(rng.integers(len(names)))]
    parts = [pick(PLACES[s.scene])]
    parts.append(pick(MOODS[s.expression]))
    if s.hat != "none":
        if rng.random() < 0.92:
            parts.append(f"wearing a {s.hat_color} {s.hat}" if rng.random() < 0.85 else f"wearing a {s.hat}")
    if rng.random() < 0.4:
        parts.append(f"in a {s.clothes} {pick(['shirt', 'sweater'])}")
    comic = s.style == "comic"
    opening = pick(OPENINGS)
    if comic and rng.random() < 0.7:
        opening, comic = pick(COMICS), False
    rng.shuffle(parts)
    if rng.random() < 0.05:
        parts.append("".join(chr(97 + int(c)) for c in rng.integers(0, 26, int(rng.integers(3, 8)))))
    joint = " " if rng.random() < 0.5 else ", "
    ending = pick([", comic style", ", in comic style", ", as a comic", ", cartoon style"]) if comic else pick(EXTRAS)
    return opening + pick(SUBJECTS) + (", " if joint == ", " and rng.random() < 0.5 else " ") + joint.join(parts) + ending
