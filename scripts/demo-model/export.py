"""Stage 6: the finished bundle: a diffusers folder, the ONNX files, rectifid.json and the sample references; every file is read back and compared."""

import json
import os
import shutil
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image

import autoencoder
import common
import config
import detector
import faces
import flow
import identity
import portraits
import setting
import scenes
import text


def folded(vae, mean, std):
    """The same autoencoder for latents of mean 0 and deviation 1 (times 1 / scaling_factor, as pipelines expect); the variance half is constant."""
    scale, c = config.AUTOENCODER["scaling_factor"], config.LATENT[0]
    mean, std = mean.double(), std.double()
    with torch.no_grad():
        q, p = vae.quant_conv, vae.post_quant_conv
        q.weight[:c] = (q.weight[:c].double() / (std * scale)[:, None, None, None]).float()
        q.bias[:c] = ((q.bias[:c].double() - mean) / (std * scale)).float()
        q.weight[c:] = 0
        q.bias[c:] = 2 * float(np.log(config.AUTOENCODER["noise"] / float(std.mean()) / scale))
        weight = p.weight[..., 0, 0].double()
        p.bias.copy_(p.bias.double() + weight @ mean)
        p.weight.copy_((weight * (std * scale)[None])[..., None, None])
    return vae


def write_json(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(content, f, indent=2)
        f.write("\n")


def export_onnx(net, path, example, dynamic):
    """An ordinary graph of opset 11, checked by running it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    net = net.cpu().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, example, path, opset_version=11, input_names=["input"], dynamic_axes={"input": dynamic}, dynamo=False)
    model = onnx.load(path)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(path)
    with torch.no_grad():
        expected = net(example)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for mine, theirs in zip(expected, session.run(None, {"input": example.numpy()})):
        error = np.abs(mine.numpy() - theirs).max() / max(1e-6, np.abs(theirs).max())
        assert error < 1e-4, f"{path}: {error}"
    return sorted({n.op_type for n in model.graph.node})


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--to", required=True, help="folder of the bundle")
    parser.add_argument("--of", default="straight", choices=["straight", "flow"])
    args = common.start(parser)
    args.device, to = "cpu", args.to
    stored = torch.load(os.path.join(args.run, "latents.pt"))
    unet, encoder = flow.averages(args, args.of)

    unet.half().save_pretrained(os.path.join(to, "unet"))
    reference = autoencoder.load(args)
    vae = folded(autoencoder.load(args), stored["mean"], stored["std"])
    vae.half().save_pretrained(os.path.join(to, "vae"))
    encoder.half().save_pretrained(os.path.join(to, "text_encoder"))
    text.export(os.path.join(to, "tokenizer"))
    write_json(os.path.join(to, "scheduler", "scheduler_config.json"),
               dict(_class_name="PeRFlowScheduler", num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", set_alpha_to_one=False,
                    prediction_type="velocity", num_time_windows=config.STRAIGHTEN["windows"], t_noise=1, t_clean=0))
    write_json(os.path.join(to, "model_index.json"),
               dict(_class_name="StableDiffusionPipeline", _diffusers_version="0.30.0", scheduler=["diffusers", "PeRFlowScheduler"],
                    text_encoder=["transformers", "CLIPTextModel"], tokenizer=["transformers", "CLIPTokenizer"], unet=["diffusers", "UNet2DConditionModel"],
                    vae=["diffusers", "AutoencoderKL"]))

    operators = {}
    crops, picture = torch.randn(2, 3, 112, 112), torch.rand(2, 3, config.SIZE, config.SIZE) * 2 - 1
    operators["face/detector.onnx"] = export_onnx(detector.load(args), os.path.join(to, "face", "detector.onnx"), torch.randn(1, 3, 128, 96), {2: "H", 3: "W"})
    operators["face/recognizer.onnx"] = export_onnx(faces.load_recognizer(args), os.path.join(to, "face", "recognizer.onnx"), crops, {0: "N"})
    operators["judge/judge.onnx"] = export_onnx(faces.load_judge(args), os.path.join(to, "judge", "judge.onnx"), crops, {0: "N"})
    operators["judge/scene.onnx"] = export_onnx(scenes.load(args), os.path.join(to, "judge", "scene.onnx"), picture, {0: "N"})
    write_json(os.path.join(to, "judge", "scene.json"), dict(outputs=list(scenes.TOPICS), **scenes.TOPICS))
    write_json(os.path.join(to, "judge", "evaluation.json"), dict(prompts=config.PROMPTS, goals=config.GOALS))
    g = config.GUIDANCE
    write_json(os.path.join(to, "rectifid.json"),
               dict(name="demo", width=config.SIZE, height=config.SIZE, steps=g["steps"], iterations=g["iterations"], rate=g["rate"], gain=g["gain"], cfg=g["cfg"],
                    detector_size=config.DETECTOR["size"], face_detector="face/detector.onnx", face_recognizer="face/recognizer.onnx"))
    samples(os.path.join(to, "samples"))

    # The folded, rounded autoencoder still does what the trained one does.
    z = stored["latents"][:8]
    raw = z * stored["std"][:, None, None] + stored["mean"][:, None, None]
    with torch.no_grad():
        difference = common.psnr(autoencoder.decode(reference, raw), vae.float().decode(z / config.AUTOENCODER["scaling_factor"]).sample)
        assert difference > 40, difference
    total = 0
    for folder, _, names in sorted(os.walk(to)):
        for name in sorted(names):
            size = os.path.getsize(os.path.join(folder, name))
            total += size
            if size > 50_000:
                print(f"{size:>10,}  {os.path.relpath(os.path.join(folder, name), to)}")
    print(f"{total:>10,}  in all")
    for name, kinds in operators.items():
        print(name, " ".join(kinds))


def samples(folder):
    """The reference portraits: people that no network has seen, before a plain wall."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    rng, listed = common.generator(41), []
    for k, seed in enumerate(config.PEOPLE_HELD_OUT):
        s = setting.setting(rng, scene="studio", expression=("neutral", "smiling")[k % 2], hat="none", style="plain", still=True)
        name = f"person-{k:02d}.jpg"
        Image.fromarray(portraits.draw(identity.identity(seed), s, 256)).save(os.path.join(folder, name), quality=92)
        listed.append(dict(file=name, identity=seed, expression=s.expression))
    write_json(os.path.join(folder, "samples.json"), dict(samples=listed))


if __name__ == "__main__":
    main()
