"""The toy with pauses, so that something is under way when a test interferes; with a large `delta` it fails."""

import os
import time

from biasloop_toy import ToyDomain
from support import toy

from biasloop.errors import Diverged

PAUSE = "BIASLOOP_TOY_PAUSE"
PRESET = toy.PRESET.replace('name = "toy"', 'name = "slow-toy"')


class SlowToy(ToyDomain):
    """A toy whose every fit takes as many seconds as the environment says."""

    def fit(self, train, work):
        if self.config.delta > 1:
            raise Diverged("the loss is not finite")
        time.sleep(float(os.environ.get(PAUSE, "0")))
        return super().fit(train, work)
