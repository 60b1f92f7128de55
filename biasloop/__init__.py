"""biasloop: what happens to bias when models are trained on what earlier models labelled or generated.

In Python (`docs/python.md`):

    import biasloop

    study = biasloop.run("quickstart", seeds=range(3), grid={"loop.human": [20, 50]})
    study.compare()
    biasloop.open_run("runs/quickstart/loop.human=20/seed-0").metrics()
    biasloop.evaluate.fairness(frame, task="y", predicted="p", attribute="sex", positive="yes")

Nothing is loaded before it is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biasloop import bound
    from biasloop.api import evaluate
    from biasloop.api.plotting import plot
    from biasloop.api.running import run
    from biasloop.api.runs import Run, open_run
    from biasloop.api.studies import Study, open_study
    from biasloop.errors import BiasloopError

__version__ = "0.1.0"

__all__ = [
    "BiasloopError", "Run", "Study", "__version__", "bound", "evaluate", "open_run", "open_study", "plot", "run",
]  # fmt: skip

_FROM = {
    "BiasloopError": "biasloop.errors",
    "Run": "biasloop.api.runs",
    "Study": "biasloop.api.studies",
    "bound": "biasloop.bound",
    "evaluate": "biasloop.api.evaluate",
    "open_run": "biasloop.api.runs",
    "open_study": "biasloop.api.studies",
    "plot": "biasloop.api.plotting",
    "run": "biasloop.api.running",
}
_MODULES = ("bound", "evaluate")


def __getattr__(name: str) -> Any:
    """What is offered, imported when it is first asked for."""
    if name not in _FROM:
        raise AttributeError(f"module 'biasloop' has no attribute {name!r}; it has {', '.join(__all__)}")
    from importlib import import_module

    module = import_module(_FROM[name])
    value = module if name in _MODULES else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
