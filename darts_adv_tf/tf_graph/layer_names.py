"""Names of Keras layers that do not depend on what else a process has made."""

import collections
import contextlib
from collections.abc import Iterator

from keras.src.backend.common import global_state

_COUNTERS = "object_name_uids"


@contextlib.contextmanager
def fresh_layer_names() -> Iterator[None]:
    """Lets Keras count the names of nameless layers from the beginning, and go on after it.

    It counts over all that a process makes, and checkpoints find variables by the names of their
    layers. (`keras.utils.clear_session` would forget much more; there is no public means.)
    """
    before = global_state.get_global_attribute(_COUNTERS)
    global_state.set_global_attribute(_COUNTERS, collections.defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute(_COUNTERS, before)
