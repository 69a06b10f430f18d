"""Seamline beside PyTorch, ONNX Runtime and POT, in turns on one machine, so that a drift of its speed hits both alike.

Each round times every work once with each program; a cell is the median over the rounds.
usage: compare.py SEAMLINE_BINARY ROUNDS
"""

import copy
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime
import ot
import timm
import torch
import torchvision

BINARY, ROUNDS = sys.argv[1], int(sys.argv[2])
torch.manual_seed(1)


def seamline(*words):
    out = subprocess.run([BINARY, "bench", *words, "--json"], check=True, capture_output=True, text=True).stdout
    return json.loads(out)["median_ms"]


def median_of(work, repeats):
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


@functools.cache
def network(arch):
    """torchvision's where it has one, else timm's."""
    if hasattr(torchvision.models, arch):
        return getattr(torchvision.models, arch)(weights=None).eval()
    return timm.create_model(arch, pretrained=False).eval()


@functools.cache
def session(arch, size, batch):
    """The same network in ONNX Runtime, on as many threads as PyTorch has."""
    path = os.path.join(tempfile.mkdtemp(), "network.onnx")
    torch.onnx.export(network(arch), (torch.randn(batch, 3, size, size),), path, dynamo=True, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def onnx_forward(arch, size, batch):
    run = session(arch, size, batch)
    feed = {run.get_inputs()[0].name: np.random.default_rng(1).standard_normal((batch, 3, size, size), np.float32)}
    return median_of(lambda: run.run(None, feed), 5) / batch


def torch_forward(arch, size, batch, channels_last=False):
    net = network(arch)
    if channels_last:
        net = copy.deepcopy(net)
    x = torch.randn(batch, 3, size, size)
    if channels_last:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)

    def work():
        with torch.inference_mode():
            net(x)

    return median_of(work, 5) / batch


def torch_train(arch, size, batch):
    net = getattr(torchvision.models, arch)(weights=None, num_classes=13).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    x, y = torch.randn(batch, 3, size, size), torch.arange(batch) % 13

    def work():
        loss = torch.nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return median_of(work, 5) / batch


def pot_sinkhorn(pairs=100, cells=49, dim=128):
    rng = np.random.default_rng(1)
    unit = lambda a: (a / np.linalg.norm(a, axis=-1, keepdims=True)).astype(np.float32)
    query, gallery = unit(rng.standard_normal((cells, dim))), unit(rng.standard_normal((pairs, cells, dim)))
    weights = np.full(cells, 1 / cells, dtype=np.float32)

    def work():
        for g in gallery:
            ot.sinkhorn(weights, weights, 1 - query @ g.T, 0.05, stopThr=1e-3, warn=False)

    return median_of(work, 5) / pairs


def pot_exact(pairs=100, cells=49, dim=128):
    rng = np.random.default_rng(1)
    unit = lambda a: a / np.linalg.norm(a, axis=-1, keepdims=True)
    query, gallery = unit(rng.standard_normal((cells, dim))), unit(rng.standard_normal((pairs, cells, dim)))
    weights = np.full(cells, 1 / cells)

    def work():
        for g in gallery:
            ot.emd(weights, weights, 1 - query @ g.T)

    return median_of(work, 5) / pairs


def forward(name, arch, batch, torch_arch=None, channels_last=False):
    """The rows of one network's forward pass at 224 px."""
    torch_arch = torch_arch or arch
    words = ["forward", "--arch", arch, "--size", "224", "--batch", str(batch)]
    peers = [("PyTorch eager", lambda: torch_forward(torch_arch, 224, batch))]
    if channels_last:
        peers.append(("PyTorch channels_last", lambda: torch_forward(torch_arch, 224, batch, True)))
    peers.append(("ONNX Runtime", lambda: onnx_forward(torch_arch, 224, batch)))
    return [(f"{name} forward, 224 px, batch {batch}", "ms an image", words, peers)]


def train(name, arch, size, batch):
    words = ["train", "--arch", arch, "--size", str(size), "--batch", str(batch)]
    peers = [("PyTorch eager", lambda: torch_train(arch, size, batch))]
    return [(f"{name} training step, {size} px, batch {batch}", "ms an image", words, peers)]


WORKS = [
    *forward("ResNet-50", "resnet50", 8, channels_last=True),
    *forward("ResNet-50", "resnet50", 1),
    *forward("ResNet-18", "resnet18", 8),
    *forward("SE-ResNet-50", "seresnet50", 8),
    *forward("SE-ResNeXt-50", "seresnext50_32x4d", 8),
    *forward("DenseNet-121", "densenet121", 8),
    *train("ResNet-18", "resnet18", 128, 16),
    *train("ResNet-50", "resnet50", 224, 8),
    ("Re-ranking, 7 x 7 cells in 128-D, 100 pairs", "ms a pair", ["rerank", "--pairs", "100"],
     [("POT Sinkhorn, tolerance 1e-3", pot_sinkhorn)]),
    ("Exact transport, 7 x 7 cells, 100 pairs", "ms a pair", ["rerank", "--pairs", "100", "--exact"],
     [("POT emd", pot_exact)]),
]


def peak_mb(command):
    """The most memory that a program had, in MB, as Linux counts it. What `wait4` tells of a child would hold this
    program's own memory from before the child began."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while child.poll() is None:
        try:
            with open(f"/proc/{child.pid}/status") as status:
                fields = dict(line.split(":", 1) for line in status)
            peak = max(peak, int(fields.get("VmHWM", "0 kB").split()[0]))
        except (OSError, ValueError):
            pass
        time.sleep(0.02)
    if child.returncode != 0:
        sys.exit(f"{command} failed")
    return peak / 1024


if sys.argv[3:] == ["--train-only"]:
    torch_train("resnet50", 224, 8)
    sys.exit()

ours = [[] for _ in WORKS]
theirs = [[[] for _ in peers] for _, _, _, peers in WORKS]
for turn in range(ROUNDS):
    for row, (name, _, words, peers) in enumerate(WORKS):
        ours[row].append(seamline(*words))
        for column, (against, peer) in enumerate(peers):
            theirs[row][column].append(peer())
            print(f"round {turn + 1}: {name}: {ours[row][-1]:.3g}, {against} {theirs[row][column][-1]:.3g}",
                  file=sys.stderr, flush=True)
memory = peak_mb([BINARY, "bench", "train", "--arch", "resnet50", "--size", "224", "--batch", "8", "--runs", "5"])
torch_memory = peak_mb([sys.executable, __file__, BINARY, "1", "--train-only"])

print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, ONNX Runtime {onnxruntime.__version__}, "
      f"timm {timm.__version__}, POT {ot.__version__}, {ROUNDS} rounds in turns\n")
print("| work | unit | Seamline | peer | its figure | ratio |\n| --- | --- | --- | --- | --- | --- |")
for row, (name, unit, _, peers) in enumerate(WORKS):
    a = statistics.median(ours[row])
    for column, (peer, _) in enumerate(peers):
        b = statistics.median(theirs[row][column])
        print(f"| {name} | {unit} | {a:.3g} | {peer} | {b:.3g} | {a / b:.2f} |")
print(f"| Peak memory, ResNet-50 training step, 224 px, batch 8 | MB | {memory:.0f} | PyTorch eager | "
      f"{torch_memory:.0f} | {memory / torch_memory:.2f} |")
