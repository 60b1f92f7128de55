"""What every command does beside its own work: an option is given once, and nobody else prints or ends the program."""

import traceback
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from biasloop.cli import loudness
from biasloop.errors import BiasloopError, InvalidInput
from biasloop.report.output import json_alone

_FORMER = {"--out": "--output"}  # names of options that are still taken, and are in no help
_ENDS = ("typer", "rich", "click")  # whose own exits are part of printing


class Strictly:
    """For a command or group: mixed in before typer's class."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse an option that is given twice and takes one value: the second would silently win.

        Raises:
            InvalidInput: naming the option.
        """
        args = self._renamed(args)
        if args and not ctx.resilient_parsing:  # while a shell completes, nothing is refused
            _, _, order = self.make_parser(ctx).parse_args(args=list(args))  # type: ignore[attr-defined]
            given = Counter(id(option) for option in order)
            eager = any(option.is_eager for option in order)  # --help, whatever else there is
            for option in () if eager else order:
                single = option.param_type_name == "option" and not (option.multiple or option.count or option.is_flag)
                if single and given[id(option)] > 1:
                    raise InvalidInput(f"{_longest(option.opts)} is given {given[id(option)]} times; give it once")
        rest: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        return rest

    def _renamed(self, args: list[str]) -> list[str]:
        """The words with an option's former name as its name, where this command has it, up to "--".

        -v, --quiet and the like are the program's, whatever command they follow.
        """
        names = {name for option in self.params for name in option.opts}  # type: ignore[attr-defined]
        end = args.index("--") if "--" in args else len(args)
        renamed = []
        for word in args[:end]:
            if word in loudness.WORDS and word not in names and "--version" not in names:
                loudness.also(loudness.WORDS[word])
                continue
            name, equals, value = word.partition("=")
            renamed.append(f"{_FORMER[name]}{equals}{value}" if _FORMER.get(name) in names else word)
        return [*renamed, *args[end:]]

    def invoke(self, ctx: Any) -> Any:
        """Run it; with --json, what a plugin prints goes to stderr.

        Raises:
            BiasloopError: a plugin ended the program.
        """
        try:
            with json_alone() if ctx.params.get("json") else nullcontext():
                return super().invoke(ctx)  # type: ignore[misc]
        except SystemExit as ended:
            last = traceback.extract_tb(ended.__traceback__)[-1]
            if set(Path(last.filename).parts) & set(_ENDS):
                raise
            raise BiasloopError(
                f"{last.filename}, line {last.lineno}, ended the program (SystemExit: {ended.code}), which is not for "
                "a plugin to do; rounds that were finished are kept"
            ) from ended


def _longest(names: list[str]) -> str:
    return max(names, key=len)
