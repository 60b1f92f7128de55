"""`python docs/builder site [PROJECT]` builds the site into `build/site`; `reference` rewrites the generated pages."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])

from builder import reference
from builder.site import BuildError, build
from builder.staging import PROJECT


def main(arguments: list[str]) -> int:
    """Do what the first argument says; the exit code."""
    if arguments[:1] == ["reference"]:
        for path in reference.write(PROJECT / "docs" / "reference"):
            print(f"wrote {os.path.relpath(path)}")
        return 0
    project = Path(arguments[1]) if len(arguments) > 1 else PROJECT
    try:
        site = build(project, project / "build")
    except BuildError as error:
        print(f"docs: {error}", file=sys.stderr)
        return 1
    print(f"{os.path.relpath(site)}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
