"""The page on trouble: its messages are those of the program, and so are its pieces of advice."""

import ast
import re

import pytest
from support.toy import PROJECT

PAGE = (PROJECT / "docs" / "troubleshooting.md").read_text()
MESSAGES = re.findall(r"^    (\S.*)$", PAGE, re.MULTILINE)
GAP = "…"


def strings() -> str:
    """All texts of the program, each on a line, with `GAP` where one has a value."""
    lines = []
    for room in ("biasloop", "plugins"):
        for path in sorted((PROJECT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    lines.append(node.value)
                elif isinstance(node, ast.JoinedStr):
                    parts = (part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
                    lines.append("".join(map(str, parts)))
    return "\n".join(line.replace("\n", " ") for line in lines)


@pytest.fixture(scope="module")
def texts() -> str:
    return strings()


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_is_the_programs(message, texts):
    parts = [part.strip(" '\"();?") for part in message.removeprefix("biasloop: ").split(GAP)]
    parts = [part for part in parts if len(part) >= 5]
    assert parts
    assert [part for part in parts if part not in texts] == []


def test_there_are_messages_and_advice_after_each():
    assert len(MESSAGES) >= 18
    after = re.findall(r"^    \S.*\n\n(.)", PAGE, re.MULTILINE)
    assert len(after) == len(MESSAGES)
    assert all(first not in "#\n " for first in after)
