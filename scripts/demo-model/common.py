"""What every stage shares: the run folder, checkpoints that a stage resumes from, running averages, learning rates, drawn batches."""

import argparse
import copy
import os
import sys
import time

import numpy as np
import torch

import config
import portraits


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--work", dest="run", default="run", help="folder of checkpoints and logs")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, help="instead of the number in config.py")
    return parser


def start(parser):
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    os.makedirs(args.run, exist_ok=True)
    return args


def generator(*seed):
    return np.random.default_rng([int(s) for s in seed])


class Stage:
    """A training: its networks, optimizer and running averages under one name; saves itself now and then and goes on where it stopped."""

    def __init__(self, name, args, settings, modules, averaged=None, decay=None, betas=(0.9, 0.99), weight_decay=0.01, warmup=60, power=0.5, parameters=None):
        self.name, self.path, self.modules = name, os.path.join(args.run, name + ".pt"), modules
        self.steps, self.rate, self.warmup, self.power, self.decay = args.steps or settings["steps"], settings["rate"], warmup, power, decay
        self.averages = {k: copy.deepcopy(modules[k]).requires_grad_(False) for k in (averaged or [])}
        self.parameters = parameters or [p for m in modules.values() for p in m.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=self.rate, betas=betas, weight_decay=weight_decay)
        self.step, self.began, self.saved, self.values = 0, time.time(), time.time(), {}
        if os.path.exists(self.path):
            state = torch.load(self.path, map_location=args.device)
            for k, m in modules.items():
                m.load_state_dict(state["modules"][k])
            for k, m in self.averages.items():
                m.load_state_dict(state["averages"][k])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
        self.first = self.step

    def update(self, loss, clip=1.0, synchronize=None):
        """One optimizer step from a loss."""
        progress = min(1.0, self.step / self.steps)
        rate = self.rate * min(1.0, (self.step + 1) / self.warmup) * max(0.02, (1 - progress) ** self.power)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if synchronize:
            synchronize(self.parameters)
        torch.nn.utils.clip_grad_norm_(self.parameters, clip)
        self.optimizer.step()
        self.step += 1
        with torch.no_grad():
            decay = min(self.decay or 0, (1 + self.step) / (10 + self.step))
            for k, average in self.averages.items():
                for a, p in zip(average.parameters(), self.modules[k].parameters()):
                    a.lerp_(p, 1 - decay)
                for a, p in zip(average.buffers(), self.modules[k].buffers()):
                    a.copy_(p)

    def note(self, every=50, **values):
        """Collects figures; prints their means now and then."""
        for k, v in values.items():
            self.values.setdefault(k, []).append(float(v.detach() if torch.is_tensor(v) else v))
        if self.step % every == 0:
            pace = (time.time() - self.began) / max(1, self.step - self.first)
            text = "  ".join(f"{k} {np.mean(v):.4f}" for k, v in self.values.items())
            print(f"{time.strftime('%H:%M:%S')} {self.name} {self.step}/{self.steps}  {text}  {pace:.3f} s a step", flush=True)
            self.values = {}

    def save(self, every_seconds=0):
        if time.time() - self.saved < every_seconds:
            return
        state = dict(modules={k: m.state_dict() for k, m in self.modules.items()}, averages={k: m.state_dict() for k, m in self.averages.items()},
                     optimizer=self.optimizer.state_dict(), step=self.step)
        torch.save(state, self.path + ".part")
        os.replace(self.path + ".part", self.path)
        self.saved = time.time()


def tensor(pictures, device="cpu"):
    """Pictures as bytes (N, H, W, 3) -> (N, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).to(device).float().div_(127.5).sub_(1).contiguous()


def to_bytes(pictures):
    """The other way."""
    return ((pictures.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def drawn(rng, people, count, size):
    """Pictures of random people: pictures, identities, settings."""
    who = [portraits.identity(people[0] + int(rng.integers(people[1]))) for _ in range(count)]
    settings = [portraits.setting(rng) for _ in range(count)]
    return [portraits.draw(p, s, size) for p, s in zip(who, settings)], who, settings


def psnr(a, b):
    """Of pictures in [-1, 1]."""
    return float(10 * torch.log10(4 / (a - b).detach().square().mean()))
