"""Notes on a terminal, broken between words; what a person copies, commands and paths, is never broken."""

import re
import shutil
import textwrap
from typing import TextIO

# A command in backticks, or one that runs to the end of its clause.
_COMMAND = re.compile(
    r"`[^`\n]*`|\bbiasloop (?:fetch|generate|loop|evaluate|compare|bound|plot|page|report|export|presets|runs) [^;,\n]*"
)
_GLUE = "\0"  # for the spaces of a command, while lines are broken
_NARROWEST = 20  # columns


def wrapped(text: str, width: int) -> str:
    """The text in lines of at most so many characters, but for what cannot be broken; indented lines are commands.

    Args:
        text: one or more lines.
        width: of a line.

    Example:
        >>> print(wrapped("the table is empty; `biasloop loop --preset mine` fills it", 20))
        the table is empty;
        `biasloop loop --preset mine`
        fills it
    """
    return "\n".join(line if line.startswith(" ") else _filled(line, width) for line in text.split("\n"))


def for_stream(text: str, stream: TextIO) -> str:
    """The text as it fits a terminal; as it is where the stream is none."""
    return wrapped(text, shutil.get_terminal_size().columns) if stream.isatty() else text


def _filled(line: str, width: int) -> str:
    glued = _COMMAND.sub(lambda command: command[0].replace(" ", _GLUE), line)
    lines = textwrap.wrap(glued, max(width, _NARROWEST), break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace(_GLUE, " ")
