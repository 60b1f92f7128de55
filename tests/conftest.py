"""What every test shares: the toy plugin and the helpers of `tests/support` on the path, few threads."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "toy_plugin" / "src")]
