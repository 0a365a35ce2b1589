"""What every stage shares: the run folder, checkpoints that a stage resumes from, running averages, learning rates, drawn batches."""

import argparse
import copy
import os
import sys
import time

import numpy as np
import torch

import config
import identity
import portraits
import setting


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--work", dest="run", default="run", help="folder of checkpoints and logs")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--half", action="store_true", help="bfloat16 products, for processors that have them")
    parser.add_argument("--steps", type=int, help="instead of the number in config.py")
    parser.add_argument("--minutes", type=float, help="end after this time instead, whatever the pace; learning rates follow the clock")
    return parser


def start(parser):
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    os.makedirs(args.run, exist_ok=True)
    return args


def generator(*seed):
    return np.random.default_rng([int(s) for s in seed])


class Muon(torch.optim.Optimizer):
    """Momentum whose every update of a matrix is replaced by the nearest orthogonal one (Jordan et al. 2024); convolutions as matrices out x rest."""

    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = orthogonal(torch.lerp(p.grad, state["momentum"], group["momentum"]).flatten(1)).float()
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update.view_as(p), alpha=-group["lr"] * max(1.0, update.shape[0] / update.shape[1]) ** 0.5)


def orthogonal(g):
    """Five steps of a quintic Newton-Schulz iteration; singular values end between about .7 and 1.2. Rounding to bfloat16 does no harm to that."""
    x = (g / (g.norm() + 1e-7)).bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x


class Stage:
    """A training: its networks, optimizer and running averages under one name; saves itself now and then and goes on where it stopped."""

    def __init__(self, name, args, settings, modules, averaged=None, decay=None, betas=(0.9, 0.99), weight_decay=0.01, warmup=60, power=0.5, parameters=None):
        self.name, self.path, self.modules = name, os.path.join(args.run, name + ".pt"), modules
        self.steps, self.rate, self.warmup, self.power, self.decay = args.steps or settings["steps"], settings["rate"], warmup, power, decay
        self.averages = {k: copy.deepcopy(modules[k]).requires_grad_(False) for k in (averaged or [])}
        self.parameters = parameters or [p for m in modules.values() for p in m.parameters() if p.requires_grad]
        self.optimizers = self.make_optimizers(settings.get("muon"), betas, weight_decay)
        self.step, self.began, self.saved, self.values = 0, time.time(), time.time(), {}
        self.minutes, self.progress, spent = args.minutes, 0.0, 0.0
        if os.path.exists(self.path):
            state = torch.load(self.path, map_location=args.device)
            for k, m in modules.items():
                m.load_state_dict(state["modules"][k])
            for k, m in self.averages.items():
                m.load_state_dict(state["averages"][k])
            for optimizer, kept in zip(self.optimizers, state["optimizers"]):
                optimizer.load_state_dict(kept)
            self.step, self.progress, spent = state["step"], state["progress"], state["spent"]
        self.first, self.counted_from = self.step, self.began - spent
        if not self.minutes:
            self.progress = min(1.0, self.step / self.steps)

    def make_optimizers(self, muon, betas, weight_decay):
        """AdamW, or Muon for the hidden matrices and AdamW for the rest: edges of the networks, biases, norms, tables."""
        self.rates = [self.rate]
        if not muon:
            return [torch.optim.AdamW(self.parameters, lr=self.rate, betas=betas, weight_decay=weight_decay)]
        wanted = {id(p) for p in self.parameters}
        hidden = [p for m in self.modules.values() for name, p in m.named_parameters() if id(p) in wanted and p.ndim >= 2
                  and not any(part in name for part in ("conv_in", "conv_out", "quant_conv", "embedding", "topics"))]
        known = {id(p) for p in hidden}
        self.rates.append(muon)
        return [torch.optim.AdamW([p for p in self.parameters if id(p) not in known], lr=self.rate, betas=betas, weight_decay=weight_decay),
                Muon(hidden, lr=muon, weight_decay=weight_decay)]

    def update(self, loss, clip=1.0, synchronize=None):
        """One optimizer step from a loss."""
        share = min(1.0, (self.step + 1) / self.warmup) * max(0.02, (1 - self.progress) ** self.power)
        for optimizer, rate in zip(self.optimizers, self.rates):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if synchronize:
            synchronize(self.parameters)
        torch.nn.utils.clip_grad_norm_(self.parameters, clip)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        self.progress = self.advance()
        with torch.no_grad():
            decay = min(self.decay or 0, (1 + self.step) / (10 + self.step))
            for k, average in self.averages.items():
                for a, p in zip(average.parameters(), self.modules[k].parameters()):
                    a.lerp_(p, 1 - decay)
                for a, p in zip(average.buffers(), self.modules[k].buffers()):
                    a.copy_(p)

    @property
    def finished(self):
        return self.progress >= 1

    def advance(self):
        """How much of the stage is done, by steps or by the clock; processes that share it agree on that."""
        if not self.minutes:
            return min(1.0, self.step / self.steps)
        share = torch.tensor([(time.time() - self.counted_from) / 60 / self.minutes])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            share = share.to(self.parameters[0].device)
            torch.distributed.all_reduce(share)
            share /= torch.distributed.get_world_size()
        return min(1.0, float(share))

    def note(self, every=50, **values):
        """Collects figures; prints their means now and then."""
        for k, v in values.items():
            self.values.setdefault(k, []).append(float(v.detach() if torch.is_tensor(v) else v))
        if self.step % every == 0:
            pace = (time.time() - self.began) / max(1, self.step - self.first)
            text = "  ".join(f"{k} {np.mean(v):.4f}" for k, v in self.values.items())
            print(f"{time.strftime('%H:%M:%S')} {self.name} {self.step}, {self.progress:.0%}  {text}  {pace:.3f} s a step", flush=True)
            self.values = {}

    def save(self, every_seconds=0):
        if time.time() - self.saved < every_seconds:
            return
        state = dict(modules={k: m.state_dict() for k, m in self.modules.items()}, averages={k: m.state_dict() for k, m in self.averages.items()},
                     optimizers=[o.state_dict() for o in self.optimizers], step=self.step, progress=self.progress,
                     spent=time.time() - self.counted_from)
        torch.save(state, self.path + ".part")
        os.replace(self.path + ".part", self.path)
        self.saved = time.time()


def group(args):
    """Joins the processes of torchrun, if it was used: rank, number of processes, a function that averages gradients."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world == 1:
        return 0, 1, None
    torch.distributed.init_process_group("nccl" if args.device == "cuda" else "gloo")

    def synchronize(parameters):
        flat = torch.cat([p.grad.flatten() for p in parameters])
        torch.distributed.all_reduce(flat)
        flat /= world
        for p, g in zip(parameters, flat.split([p.numel() for p in parameters])):
            p.grad.copy_(g.view_as(p))
    return torch.distributed.get_rank(), world, synchronize


def half(args):
    """bfloat16 where it pays; statistics, losses and weights stay in float32."""
    return torch.autocast(args.device, torch.bfloat16, enabled=args.half)


def tensor(pictures, device="cpu"):
    """Pictures as bytes (N, H, W, 3) -> (N, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).to(device).float().div_(127.5).sub_(1).contiguous()


def to_bytes(pictures):
    """The other way."""
    return ((pictures.detach().float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def drawn(rng, people, count, size):
    """Pictures of random people: pictures, identities, settings."""
    who = [identity.identity(people[0] + int(rng.integers(people[1]))) for _ in range(count)]
    settings = [setting.setting(rng) for _ in range(count)]
    return [portraits.draw(p, s, size) for p, s in zip(who, settings)], who, settings


def psnr(a, b):
    """Of pictures in [-1, 1]."""
    return float(10 * torch.log10(4 / (a - b).detach().square().mean()))
