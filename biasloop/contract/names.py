"""What stored things are called: evaluations, frames and curves, tables, columns and roles, vocabularies.

Core and plugins read what the other has written, so each name is written here and nowhere else (a test). A stored
name never changes: runs made before have it. What one plugin alone knows is named in that plugin.
"""

# --- models of a record, and the calls that fit them

FIT = "fit"
"""The call that fits the model of a round."""

GENERATOR = "generator"
"""A model that makes samples, the call that fits it, and the table of how its training ended."""

MAKER = "maker"
"""A model that makes inputs of samples, and the call that fits it."""

CLASSIFIER = "classifier"
"""A model that labels samples, and the call that fits it."""

ANNOTATOR = "annotator"
"""The evaluation of the model of the label that real data taught, which is in the set-up."""

ANNOTATOR_OF = "annotator-"
"""Begins the name of an annotator, of its fit and, of one of groups, of its evaluation; what it tells follows."""

# --- evaluations

MAIN = "test"
"""The evaluation whose metrics are a round's."""

PRETRAINED = "pretrained"
"""The evaluation of the untouched model, round -1; it is in the set-up."""

SNAPSHOT = "epoch-"
"""Begins the name of an evaluation at the end of an epoch; its number follows, in four or more digits."""

# --- frames of a set-up or a round

VOCABULARY = "vocabulary."
"""Begins the name of a set-up's frame that names what columns index; the vocabulary's name follows."""

FINGERPRINT = "fingerprint"
"""The frame of a set-up that tells its data from any others."""

TRUTH = "truth"
"""The frame of a round of human labels beside those that a model gave."""

CURVE = "curve"
"""What a fit logs of every epoch."""

STAR = "star"
"""What a fit logs of every batch that STAR has filled."""


SELECTING = "selecting"
"""What a fit that selects logs of every epoch."""

CHOSEN = "chosen"
"""How often a fit has selected each sample of its training set, in its order: the column "times"."""


def logged(call: str, table: str) -> str:
    """The frame of what a call has logged in a table, such as `CURVE`."""
    return f"{call}.{table}"


# --- metrics of a round

OF_GIVEN = "given."
"""Begins the name of a metric of labels that the model of the round before gave samples of the reserve."""

OF_GIVEN_TRUTH = "given_truth."
"""Begins the name of that metric of what humans say of the same samples."""

# --- columns of curves

EPOCH = "epoch"
"""Its number, from 1."""

SHORTFALL = "shortfall"
"""Of STAR: places of a batch that quotas left."""

DRAWN = "drawn."
"""Of STAR: begins the column of how many samples of a stratum were drawn; the stratum's number follows."""

PLACED = "placed."
"""Of STAR: begins the column of how many samples of a stratum were placed; the stratum's number follows."""

OFFERED = "offered."
"""Of selection: begins the column of how many samples of a stratum were candidates; the stratum's number follows."""

TAKEN = "taken."
"""Of selection: begins the column of how many samples of a stratum were selected; the stratum's number follows."""

CATEGORY_WEIGHT = "weight."
"""Of selection: begins the column of a category's mean weight in the scores; the category's number follows."""

HELD_OUT = "holdout."
"""Of selection: begins the column of a category's mean loss on the holdout; the category's number follows."""

# --- tables of an evaluation

TEST = "test"
"""A row for each sample of the test set, or of the only split that is evaluated on."""

VALID = "valid"
"""A row for each sample of the validation set."""

POPULATION = "population"
"""A row for each fresh sample of a generator."""

FINAL_POPULATION = "final_population"
"""Of a frozen generator: a population labelled by the last classifier."""

# --- roles of columns; a column that is the only one of its role is called as its role

IDS = "ids"
"""Stable positions in the source data."""

TARGET = "target"
"""What is right, as humans say, or what was trained on."""

PREDICTION = "prediction"
"""What a model says."""

GROUP = "group"
"""What a sample belongs to besides its class."""

CONFIDENCE = "confidence"
"""How sure a model is of its prediction."""

PROBABILITY = "probability"
"""What a model gives each class."""

SCORE = "score"
"""What a scorer gives a text."""

TEXT = "text"
"""Ragged UTF-8."""

EMBEDDING = "embedding"
"""A vector a row."""

WEIGHT = "weight"
"""How much a row counts."""

GROUP_OF = "group."
"""Begins the name of the column of one group where there may be several; the group's name follows."""

# --- vocabularies

CLASSES = "classes"
"""What targets and predictions index."""

GROUPS = "groups"
"""Of biased data: what groups index."""

CATEGORIES = "categories"
"""Of runs that select: what losses are balanced over."""

SOURCES = "sources"
"""Of biased data: the classes before they were merged."""
