"""The data of the guard's experiments, made of numbers and text alone."""

import json
from pathlib import Path

import numpy as np

WORDS = ["peace", "war", "we", "nation", "people", "and", "the", "of", "hope", "will", "he", "she", "his", "her"]
VOCABULARY = 257  # all bytes, and end-of-text

TRAIN = r"""
awk -F, -v seed="$3" '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    { n[$at["label"]]++; sum[$at["label"]] += $at["x"] }
    END { for (k in n) printf "%s %.6f\n", k, sum[k] / n[k] + seed % 7 }
' "$1" | sort > "$2/centres"
"""
PREDICT = r"""
awk '
    FNR == NR { split($0, pair, " "); centre[pair[1]] = pair[2]; next }
    FNR == 1 { n = split($0, names, ","); for (i = 1; i <= n; i++) at[names[i]] = i
               print "id,prediction,confidence,probability.a,probability.b"; next }
    { split($0, cell, ","); middle = (centre["a"] + centre["b"]) / 2
      b = 1 / (1 + exp((middle - cell[at["x"]]) / 20)); p = b >= 0.5 ? b : 1 - b
      printf "%s,%s,%.4f,%.4f,%.4f\n", cell[at["id"]], (b >= 0.5 ? "b" : "a"), p, 1 - b, b }
' "$1/centres" "$2" > "$3"
"""


def pictures(place: Path, count: int = 240, side: int = 12, classes: int = 4, unlabelled: int = 0) -> None:
    """`pictures.npz`: noisy images of classes; the last ones have no label."""
    images, labels = _images(count, side, 3, classes)
    labels[count - unlabelled :] = -1
    np.savez(place / "pictures.npz", images=images, labels=labels)


def digits(place: Path, count: int = 110, side: int = 28) -> None:
    """`digits.npz`: grey images of classes 0 to 9, dark around the edges, to be coloured."""
    images, labels = _images(count, side, 1, 10)
    images[:, : side // 4] = images[:, -side // 4 :] = 0
    np.savez(place / "digits.npz", images=images, labels=labels)


def folder(place: Path, count: int = 150) -> None:
    """`folder/`: a folder of PNG files for each of three classes."""
    from PIL import Image

    images, labels = _images(count, 10, 3, 3)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = place / "folder" / f"class-{label}" / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def faces(place: Path, count: int = 17) -> None:
    """`faces/`: as CelebA is published."""
    from PIL import Image

    images, labels = _images(count, 16, 3, 2)
    listed, parts = [str(count), "Blond_Hair Attractive Male"], []
    (place / "faces" / "img_align_celeba").mkdir(parents=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        name = f"{number + 1:06}.jpg"
        Image.fromarray(image).save(place / "faces" / "img_align_celeba" / name)
        listed.append(f"{name} -1 {2 * label - 1} {1 if number % 3 else -1}")
        parts.append(f"{name} {0 if number < 11 else 1 if number < 14 else 2}")
    (place / "faces" / "list_attr_celeba.txt").write_text("\n".join(listed) + "\n")
    (place / "faces" / "list_eval_partition.txt").write_text("\n".join(parts) + "\n")


def texts(place: Path, count: int = 160, unlabelled: int = 6) -> None:
    """`texts.jsonl` and `texts.csv`: prompts and continuations of different lengths; the last have only a prompt."""
    draws = np.random.default_rng(3)
    prompts = [" ".join(draws.choice(WORDS, draws.integers(1, 4))) for _ in range(count)]
    continuations = ["".join(f" {word}" for word in draws.choice(WORDS, draws.integers(0, 4))) for _ in range(count)]
    rows = [{"prompt": a, "continuation": b} for a, b in zip(prompts, continuations, strict=True)]
    for row in rows[count - unlabelled :]:
        del row["continuation"]
    (place / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    cells = [f"{row['prompt']},{row.get('continuation', '')}\n" for row in rows]
    (place / "texts.csv").write_text("ask,answer\n" + "".join(cells))


def network(place: Path, dropout: float = 0.1) -> None:
    """`network/`: weights of GPT-2's shape, drawn at random, so that end-of-text is likely; bytes are its tokens."""
    from safetensors.numpy import save_file

    (place / "network").mkdir()
    width, positions, draws = 16, 64, np.random.default_rng(4)

    def drawn(*shape: int) -> np.ndarray:
        return draws.normal(0, 0.25, shape).astype(np.float32)

    layer = {"attn.c_attn": 3 * width, "attn.c_proj": width, "mlp.c_fc": 4 * width, "mlp.c_proj": width}
    weights = {"wte.weight": drawn(VOCABULARY, width), "wpe.weight": drawn(positions, width)}
    for name, outputs in layer.items():
        inputs = 4 * width if name == "mlp.c_proj" else width
        weights |= {f"h.0.{name}.weight": drawn(inputs, outputs), f"h.0.{name}.bias": drawn(outputs)}
    for name in ("h.0.ln_1", "h.0.ln_2", "ln_f"):
        weights |= {f"{name}.weight": 1 + drawn(width), f"{name}.bias": drawn(width)}
    weights["wte.weight"][VOCABULARY - 1] = 1.5 * weights["ln_f.bias"]
    save_file({f"transformer.{name}": array for name, array in weights.items()}, place / "network/model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    shape = {"n_layer": 1, "n_embd": width, "n_head": 2, "n_positions": positions, "vocab_size": VOCABULARY}
    ends = {"bos_token_id": VOCABULARY - 1, "eos_token_id": VOCABULARY - 1}
    drops = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), dropout)
    config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], **shape, **ends, **drops}
    (place / "network" / "config.json").write_text(json.dumps(config))
    (place / "network" / "vocab.json").write_text(json.dumps(_vocabulary()))
    (place / "network" / "merges.txt").write_text("#version: 0.2\n")


def table(place: Path, rows: int = 60, unlabelled: int = 4) -> None:
    """`table.csv`, and the programs `train.sh` and `predict.sh`; the last rows have no label."""
    lines = ["x,name,class,sex"]
    for row in range(rows):
        x = row * 37 % 100
        label = "" if row >= rows - unlabelled else "b" if x >= 50 or row % 5 == 0 else "a"
        lines.append(f"{x},n{row:02},{label},{'fm'[row % 2]}")
    (place / "table.csv").write_text("".join(f"{line}\n" for line in lines))
    (place / "train.sh").write_text(TRAIN)
    (place / "predict.sh").write_text(PREDICT)


def _images(count: int, side: int, channels: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """`(count, side, side, channels)` uint8, hard to tell apart, and `(count,)` labels; grey without the last axis."""
    draws = np.random.default_rng(5)
    labels = draws.permutation(np.arange(count) % classes)
    patterns = draws.integers(0, 100, (classes, side, side, channels))
    images = (patterns[labels] + draws.integers(0, 156, (count, side, side, channels))).astype(np.uint8)
    return (images[..., 0] if channels == 1 else images), labels


def _vocabulary() -> dict[str, int]:
    """GPT-2's characters that stand for bytes, and end-of-text."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    characters = [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]
    return {character: number for number, character in enumerate([*characters, "<|endoftext|>"])}
