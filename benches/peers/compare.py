"""Seamline beside PyTorch and POT, in turns on one machine, so that a drift of its speed hits both alike.

Each round times every work once with each program; a cell is the median over the rounds.
usage: compare.py SEAMLINE_BINARY ROUNDS
"""

import json
import statistics
import subprocess
import sys
import time

import numpy as np
import ot
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


def torch_forward(arch, size, batch, channels_last=False):
    net = getattr(torchvision.models, arch)(weights=None).eval()
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


WORKS = [
    ("ResNet-50 forward, 224 px, batch 8", "ms an image", "PyTorch eager",
     ["forward", "--arch", "resnet50", "--size", "224", "--batch", "8"], lambda: torch_forward("resnet50", 224, 8)),
    ("ResNet-50 forward, 224 px, batch 8", "ms an image", "PyTorch channels_last",
     ["forward", "--arch", "resnet50", "--size", "224", "--batch", "8"], lambda: torch_forward("resnet50", 224, 8, True)),
    ("ResNet-50 forward, 224 px, batch 1", "ms an image", "PyTorch eager",
     ["forward", "--arch", "resnet50", "--size", "224", "--batch", "1"], lambda: torch_forward("resnet50", 224, 1)),
    ("ResNet-18 forward, 224 px, batch 8", "ms an image", "PyTorch eager",
     ["forward", "--arch", "resnet18", "--size", "224", "--batch", "8"], lambda: torch_forward("resnet18", 224, 8)),
    ("ResNet-18 training step, 128 px, batch 16", "ms an image", "PyTorch eager",
     ["train", "--arch", "resnet18", "--size", "128", "--batch", "16"], lambda: torch_train("resnet18", 128, 16)),
    ("ResNet-50 training step, 224 px, batch 8", "ms an image", "PyTorch eager",
     ["train", "--arch", "resnet50", "--size", "224", "--batch", "8"], lambda: torch_train("resnet50", 224, 8)),
    ("Re-ranking, 7x7 cells in 128-D, 100 pairs", "ms a pair", "POT Sinkhorn, 1e-3",
     ["rerank", "--pairs", "100"], pot_sinkhorn),
    ("Exact transport, 7x7 cells, 100 pairs", "ms a pair", "POT emd",
     ["rerank", "--pairs", "100", "--exact"], pot_exact),
]

ours = [[] for _ in WORKS]
theirs = [[] for _ in WORKS]
for turn in range(ROUNDS):
    for row, (name, _, against, words, peer) in enumerate(WORKS):
        ours[row].append(seamline(*words))
        theirs[row].append(peer())
        print(f"round {turn + 1}: {name}: {ours[row][-1]:.3g}, {against} {theirs[row][-1]:.3g}", file=sys.stderr, flush=True)

print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, POT {ot.__version__}, {ROUNDS} rounds in turns\n")
print("| work | unit | Seamline | peer | its time | ratio |\n| --- | --- | --- | --- | --- | --- |")
for row, (name, unit, peer, _, _) in enumerate(WORKS):
    a, b = statistics.median(ours[row]), statistics.median(theirs[row])
    print(f"| {name} | {unit} | {a:.3g} | {peer} | {b:.3g} | {a / b:.2f} |")
