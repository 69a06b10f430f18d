#!/usr/bin/env python3
"""Trains every row of docs/experiments.md and prints its tables: benches/study/run.py SEAMLINE WARDROBE WIDE [--tables].

WARDROBE is the sample, WIDE the one of 3,000 products on which outfits are learnt. Each row is `models/recipes/study.toml` with some settings changed, trained from three seeds. What was trained before is
not trained again, so the script may be stopped and called again; `--tables` trains nothing. Needs Python 3.11 alone.
"""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPE = ROOT / "models" / "recipes" / "study.toml"
SEEDS = (1, 2, 3)
STUDENT = 4.303  # 97.5 % of Student's t with two degrees of freedom

TRIPLET = {"loss.triplet": 1.0, "loss.info_nce": 0.0}
INFO_NCE = {"loss.triplet": 0.0, "loss.info_nce": 1.0}
STRUCTURAL = {"triplet": {"loss.structural": 0.5}, "infonce": {"loss.structural_info_nce": 0.5}}
PRETEXT = {
    "pretext.method": "moco",
    "pretext.views": "keeps-colour",
    "pretext.queue": 1024,
    "run.validate_epochs": 0,
}
ONLY_KINDS = {
    "loss.cross_entropy": 1.0,
    "loss.label_smoothing": 0.0,
    "loss.info_nce": 0.0,
    "loss.triplet": 0.0,
    "model.relaxation": 128,
}
HINGE = {"loss.triplet": 0.1, "loss.distance": "squared", "loss.soft_margin": False, "loss.margin": 0.3}
# An embedding for each kind, which knows products before it learns outfits.
KNOWN = {"model.projections": True, "schedule.epochs": 10}
# Outfits, and products across domains so that they are not forgotten; as many steps whatever the share of labels.
LABELS = {
    "model.projections": True,
    "outfits.weight": 1.0,
    "outfits.triplets": 128,
    "data.products": 8,
    "loss.info_nce": 0.1,
    "loss.cross_entropy": 0.1,
}
PSEUDO = {"semi.unlabelled": 16, "semi.consistency": 0.1, "semi.pseudo": 1.0}
SHARES = {
    5: {"data.label_fraction": 0.05, "schedule.epochs": 18},
    20: {"data.label_fraction": 0.2, "schedule.epochs": 5},
    100: {"schedule.epochs": 1},
}

ON_WIDE = ("known", "R")

RANKING = (
    ("recall@1, global", "global_recall_at_1"),
    ("re-ranked", "recall_at_1"),
    ("recall@10, global", "global_recall_at_10"),
    ("re-ranked", "recall_at_10"),
    ("mAP, re-ranked", "mean_average_precision"),
)
COMPATIBILITY = (
    ("recall@1", "recall_at_1"),
    ("recall@10", "recall_at_10"),
    ("fill in the blank", "fill_in_blank"),
    ("compatibility AUC", "compatibility_auc"),
)
TABLES = {
    "T": ("| begins with | loss | structural |", RANKING),
    "N": ("| losses |", RANKING),
    "R": ("| labels | pseudo-labels |", COMPATIBILITY),
}


def rows():
    """Table, name, words, settings, and the row whose weights it begins with; tables R and known are of the wide wardrobe."""
    yield "pretext", "pre", "", PRETEXT, None
    for start, words in (("none", "random weights"), ("moco", "pretext task")):
        for loss, changes in (("triplet", TRIPLET), ("infonce", INFO_NCE)):
            for structural in (False, True):
                more = STRUCTURAL[loss] if structural else {}
                name = f"t-{start}-{loss}" + ("-structural" if structural else "")
                label = f"{words} | {'triplet' if loss == 'triplet' else 'InfoNCE'} | {'yes' if structural else 'no'}"
                yield "T", name, label, {**changes, **more}, "pre" if start == "moco" else None
    yield "N", "n-oc", "OC", ONLY_KINDS, None
    yield "N", "n-oc-os", "OC + OS", {**ONLY_KINDS, **HINGE, "loss.alike": "kinds"}, None
    yield "N", "n-oc-is", "OC + IS", {**ONLY_KINDS, **HINGE}, None
    yield "known", "known", "", KNOWN, None
    for share, changes in SHARES.items():
        for pseudo in (False, True):
            name = f"r-{share}" + ("-pseudo" if pseudo else "")
            more = PSEUDO if pseudo else {}
            yield "R", name, f"{share} % | {'yes' if pseudo else 'no'}", {**LABELS, **changes, **more}, "known"


def word(value):
    return value if isinstance(value, str) else json.dumps(value)


def command(binary, project, name, seed, changes, begins_with):
    words = [binary, "train", "--project", project, "--config", str(RECIPE.relative_to(ROOT))]
    if begins_with:
        words += ["--from", f"{project}/models/{begins_with}-{seed}"]
    for key, value in {"name": f"{name}-{seed}", "seed": seed, **changes}.items():
        words += ["--set", f"{key}={word(value)}"]
    return words


def metrics(project, name, seed):
    card = pathlib.Path(project) / "models" / f"{name}-{seed}" / "model.json"
    return json.loads(card.read_text())["metrics"] if card.exists() else None


def train(binary, projects):
    for seed in SEEDS:
        for table, name, _, changes, begins_with in rows():
            project = projects[table in ON_WIDE]
            if metrics(project, name, seed) is None:
                print(f"{name}-{seed}", file=sys.stderr, flush=True)
                # One thread: maps this small are faster so, and the same seed gives the same bits for any number.
                environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
                words = command(binary, project, name, seed, changes, begins_with)
                subprocess.run(words, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def interval(values):
    """The mean and half the width of its 95 % interval (Student's t over the seeds)."""
    mean = sum(values) / len(values)
    deviation = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    return mean, STUDENT * deviation / len(values) ** 0.5


def tables(projects):
    for table, (head, columns) in TABLES.items():
        print(head + "".join(f" {title} |" for title, _ in columns))
        print("| --- " * (head.count("|") - 1 + len(columns)) + "|")
        for of, name, label, _, _ in rows():
            project = projects[table in ON_WIDE]
            found = [metrics(project, name, seed) for seed in SEEDS] if of == table else []
            found = [one for one in found if one is not None]
            if not found:
                continue
            cells = []
            for _, metric in columns:
                values = [one[metric] for one in found]
                if len(values) == len(SEEDS):
                    cells.append("{:.3f} ± {:.3f}".format(*interval(values)))
                else:
                    cells.append(f"{sum(values) / len(values):.3f} ({len(values)} of {len(SEEDS)} seeds)")
            print(f"| {label} | " + " | ".join(cells) + " |")
        print()
    print("```sh")
    for table, name, _, changes, begins_with in rows():
        project = "wide" if table in ON_WIDE else "wardrobe"
        print(" ".join(command("seamline", project, name, "$SEED", changes, begins_with)))
    print("```")


def main():
    # Relative paths are those of the caller.
    binary, *projects = [str(pathlib.Path(word).resolve()) for word in sys.argv[1:4]]
    if "--tables" not in sys.argv:
        train(binary, projects)
    tables(projects)


if __name__ == "__main__":
    main()
