"""The guard: tiny experiments over every domain, rule, decoder and option of a fit, and digests of what they store.

It knows the program by its command line alone, so the same guard runs on trees whose modules have other names:

    python -m tests.support.guard --arrays --out before.txt --source OLD_TREE
    python -m tests.support.guard --arrays --out after.txt
    diff before.txt after.txt

A tree is a folder with `biasloop/`, `plugins/` and `tests/toy_plugin/`; without `--source` it is the one that the guard
lies in. On one machine, two outputs are equal line for line if, and only if, both trees store the same numbers under
the same names.
"""
