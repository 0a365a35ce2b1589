"""Everything that can be set, in one place."""

SIZE = 64                      # pixels of a picture
LATENT = (4, 16, 16)

# Ranges of identity seeds: nobody of one range is in another.
PEOPLE_FLOW = (0, 100_000)             # autoencoder and flow
PEOPLE_RECOGNIZER = (100_000, 1_000)   # first seed, number of classes
PEOPLE_JUDGE = (200_000, 1_000)
PEOPLE_DETECTOR = (300_000, 100_000)
PEOPLE_SCENE = (500_000, 100_000)
PEOPLE_HELD_OUT = list(range(900_000, 900_012))   # sample references and evaluation; the first eight are evaluated

AUTOENCODER = dict(seed=1, channels=(24, 48, 64), groups=8, scaling_factor=0.18215, batch=4, steps=2250, rate=1.6e-3, noise=0.05)
POLISH = dict(seed=2, batch=4, steps=3000, rate=8e-4, faces=0.25)
LATENTS = dict(seed=3, count=12_000, batch=50)
TEXT = dict(width=128, layers=2, heads=4)
UNET = dict(channels=(64, 96, 128), groups=16, heads=4)
FLOW = dict(seed=4, batch=16, steps=1900, rate=1.0e-3, drop=0.1, average=0.98, reading=0.03)
STRAIGHTEN = dict(seed=5, batch=16, steps=190, rate=4e-4, substeps=2, cfg=2.0, windows=4, average=0.98)
RECOGNIZER = dict(seed=6, channels=(24, 32, 64, 128), embedding=128, batch=48, steps=400, rate=2e-3, scale=24.0, margin=0.2, attack=0.07)
JUDGE = dict(seed=17, embedding=96, batch=64, steps=300, rate=2e-3, scale=24.0, margin=0.2)
DETECTOR = dict(seed=8, width=24, size=128, batch=24, steps=600, rate=2e-3)
SCENE = dict(seed=9, batch=64, steps=200, rate=2e-3)

# The demo's defaults, measured by evaluate.py.
GUIDANCE = dict(steps=4, iterations=30, rate=0.5, gain=[1.0, 0.6, 0.3, 0.0], cfg=1.0)
PROMPTS = ["a portrait of a person on the beach, smiling", "a portrait of a person in the snow, wearing a red beanie, neutral", "a portrait of a person in the city at night, surprised"]
PROMPT_SCENES = ["beach", "snow", "city"]
