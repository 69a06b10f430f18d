"""Seamline on a GPU beside PyTorch on the same GPU, in turns; a table in Markdown on stdout.

Without PyTorch Seamline's own column is printed. usage: gpu.py SEAMLINE_BINARY [ROUNDS]
"""

import json
import statistics
import subprocess
import sys
import time

BINARY, ROUNDS = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3

try:
    import torch
    import torchvision

    if not torch.cuda.is_available():
        torch = None
except ImportError:
    torch = None


def memory_mb():
    """What processes hold of the first GPU."""
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", "0"]
    return int(subprocess.run(query, check=True, capture_output=True, text=True).stdout)


def seamline(what, arch, size, batch, precision, order):
    """Milliseconds an image, and the most memory that was seen while it ran."""
    words = [BINARY, "bench", what, "--arch", arch, "--size", str(size), "--batch", str(batch), "--runs", "20"]
    words += ["--precision", precision, *(["--order", order] if order else [])]
    before, most = memory_mb(), 0
    process = subprocess.Popen([*words, "--device", "cuda:0", "--json"], stdout=subprocess.PIPE, text=True)
    while process.poll() is None:
        most = max(most, memory_mb() - before)
        time.sleep(0.05)
    if process.returncode != 0:
        raise SystemExit(f"seamline bench {what} failed")
    return json.loads(process.stdout.read())["median_ms"], most


def peer(what, arch, size, batch, precision, order):
    """The same by PyTorch: with its defaults for f32 (TF32 in convolutions, NCHW), or bf16 by autocast."""
    device = torch.device("cuda", 0)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    network = getattr(torchvision.models, arch)(weights=None, num_classes=13).to(device)
    x = torch.randn(batch, 3, size, size)
    if precision == "bf16" and order != "channels-first":
        network, x = (one.to(memory_format=torch.channels_last) for one in (network, x))
    cast = torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16")
    y = torch.arange(batch, device=device) % 13
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    if what == "train":
        network.train()
        x = x.to(device)

        def work():
            with cast:
                loss = torch.nn.functional.cross_entropy(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

    else:
        network.eval()

        def work():
            # As the encoder: images from the host, features back to it.
            with torch.inference_mode(), cast:
                network(x.to(device)).cpu()

    for _ in range(5):
        work()
    times = []
    for _ in range(20):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3 / batch)
    return statistics.median(times), torch.cuda.max_memory_reserved() >> 20


# Maps in bf16 have their channels last unless told otherwise: the one line beside the other says what that is worth.
WORKS = [
    ("forward", "resnet50", 224, 16, "f32", None),
    ("forward", "resnet50", 224, 16, "bf16", None),
    ("train", "resnet50", 224, 64, "f32", None),
    ("train", "resnet50", 224, 64, "bf16", None),
    ("train", "resnet50", 224, 64, "bf16", "channels-first"),
    ("train", "seresnext50_32x4d", 224, 64, "bf16", None),
    ("train", "seresnext50_32x4d", 224, 64, "bf16", "channels-first"),
    ("train", "densenet121", 224, 64, "bf16", None),
    ("train", "resnet18", 224, 128, "f32", None),
    ("train", "resnet18", 224, 128, "bf16", None),
]

print("\n| work | Seamline, images/s | PyTorch, images/s | ratio | Seamline, MB | PyTorch, MB |")
print("| --- | --- | --- | --- | --- | --- |")
for what, arch, size, batch, precision, order in WORKS:
    work, ours, theirs = (what, arch, size, batch, precision, order), [], []
    for _ in range(ROUNDS):
        ours.append(seamline(*work))
        if torch and hasattr(torchvision.models, arch):
            theirs.append(peer(*work))
    speed = [1e3 / statistics.median(ms for ms, _ in some) if some else None for some in (ours, theirs)]
    memory = [max(mb for _, mb in some) if some else None for some in (ours, theirs)]
    shown = [f"{speed[0]:.0f}", *(["-", "-"] if speed[1] is None else [f"{speed[1]:.0f}", f"{speed[0] / speed[1]:.2f}"])]
    shown += [str(memory[0]), "-" if memory[1] is None else str(memory[1])]
    how = f"{precision}, {order.replace('-', ' ')}" if order else precision
    print(f"| {arch} {what}, {size} px, batch {batch}, {how} | " + " | ".join(shown) + " |")
print("\nMedians of interleaved rounds. Memory: what the GPU's own count grew by (Seamline), what the allocator reserved")
print("(PyTorch).")
