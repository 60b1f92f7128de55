"""Programs in a shell for the domain "command", and tables for them."""

import os
from pathlib import Path

from biasloop.contract.context import Context
from biasloop.contract.randomness import Streams
from biasloop_command import CommandDomain

# A model is the very file of rows that it was trained on, and the seed.
TRAIN = 'cp "$1" "$2/rows" && mkdir "$2/deeper" && printf %s "$3" > "$2/deeper/seed" && : > "$2/empty"\n'
# The label of the row with the nearest x; the first of equals.
PREDICT = """
awk -F, '
    FNR == 1 { for (i = 1; i <= NF; i++) place[FILENAME, $i] = i }
    FNR == 1 && NR != 1 { print "id,prediction,confidence,probability.a,probability.b" }
    FNR == 1 { next }
    FNR == NR { x[++n] = $place[FILENAME, "x"]; label[n] = $place[FILENAME, "label"]; next }
    {
        here = $place[FILENAME, "x"]; best = 1e9
        for (i = 1; i <= n; i++) {
            d = (x[i] - here) * (x[i] - here)
            if (d < best) { best = d; given = label[i] }
        }
        print $1 "," given ",0.75," (given == "a" ? "0.75,0.25" : "0.25,0.75")
    }
' "$1/rows" "$2" > "$3"
"""


def script(place: Path, name: str, text: str) -> str:
    """Write a shell script; its path."""
    path = place / name
    path.write_text(text)
    return str(path)


def settings(place: Path, *, train: str = TRAIN, predict: str = PREDICT, **changes: object) -> dict[str, object]:
    """A `[domain]` table, and the two programs that it names, in `place`."""
    return {
        "data": str(place / "data.csv"),
        "id": "name",
        "target": "class",
        "test": 6,
        "train": ["sh", script(place, "train.sh", train), "{train}", "{model}", "{seed}"],
        "predict": ["sh", script(place, "predict.sh", predict), "{model}", "{input}", "{output}"],
        **changes,
    }


def table(place: Path, rows: int = 40, unlabelled: int = 4) -> Path:
    """`data.csv`: class "b" where x >= 50, and for every fifth row besides; the last rows have no label."""
    lines = ["x,name,class,sex,note"]
    for row in range(rows):
        x = row * 37 % 100
        label = "" if row >= rows - unlabelled else "b" if x >= 50 or row % 5 == 0 else "a"
        lines.append(f'0{x},n{row:02},{label},{"fm"[row % 2]},"a, ""{row}"""')
    path = place / "data.csv"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def domain(table: dict[str, object]) -> CommandDomain:
    """The domain of a `[domain]` table."""
    config = CommandDomain.Config.model_validate(table)
    return CommandDomain(config, Context(Path("unused"), Streams((0, "data"))))


def alive(number: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        os.kill(number, 0)
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
