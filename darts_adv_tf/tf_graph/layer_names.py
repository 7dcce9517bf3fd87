"""Names of Keras layers that do not depend on what else a process has made."""

import collections
import contextlib
from collections.abc import Iterator

from darts_adv_tf.tf_graph.private_interfaces import KERAS_STATE

_COUNTERS = "object_name_uids"


@contextlib.contextmanager
def fresh_layer_names() -> Iterator[None]:
    """Lets Keras count the names of nameless layers from the beginning, and go on after it.

    It counts over all that a process makes, and checkpoints find variables by the names of their
    layers. The counters are private; without them a warning says so, and Keras counts on.
    (`keras.utils.clear_session` is public, and would forget much more.)
    """
    state = KERAS_STATE.load()
    if state is None:
        yield
        return
    before = state.get_global_attribute(_COUNTERS)
    state.set_global_attribute(_COUNTERS, collections.defaultdict(int))
    try:
        yield
    finally:
        state.set_global_attribute(_COUNTERS, before)
