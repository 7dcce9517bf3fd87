"""What this package uses of TensorFlow and Keras without their promise to keep it.

Each entry says what is lost without it. The README of this folder says, for each, what to check
when TensorFlow or Keras is upgraded.
"""

import functools
import importlib
import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PrivateInterface:
    """Names of a module that may be gone with the next version.

    Attributes:
        module: The module's dotted name.
        names: What is used of it.
        lost: What a run goes without where one of them is missing, a sentence for the user.
    """

    module: str
    names: tuple[str, ...]
    lost: str

    @functools.cache  # noqa: B019 - the entries are constants of this module
    def load(self) -> Any:
        """The module, or None, with one warning, where a name is missing."""
        try:
            module = importlib.import_module(self.module)
            missing = [name for name in self.names if not hasattr(module, name)]
        except ImportError:
            module, missing = None, list(self.names)
        if not missing:
            return module
        print(
            f"warning: these versions of TensorFlow and Keras lack {self.module}: "
            f"{', '.join(missing)}. {self.lost}",
            file=sys.stderr,
            flush=True,
        )
        return None


TAPE_RECORDS = PrivateInterface(
    "tensorflow.python.eager.record",
    ("stop_recording", "record_operation"),
    "The graph of a step is larger: it takes longer to build, and more memory.",
)
GRADIENT_SUMS = PrivateInterface(
    "tensorflow.python.eager.backprop",
    ("_default_vspace", "_aggregate_grads"),
    "The last bits of a result may differ from run to run.",
)
VECTOR_SPACES = PrivateInterface(
    "tensorflow.python.pywrap_tfe",
    ("TFE_Py_RegisterVSpace",),
    GRADIENT_SUMS.lost,
)
TANGENTS = PrivateInterface(
    "tensorflow.python.eager.forwardprop",
    ("_SPECIAL_CASES",),
    "--architecture_gradient=exact refuses segmenters with bilinear resizing or with max pooling "
    "of stride 1.",
)
STACK_TRACES = PrivateInterface(
    "tensorflow.python.util.tf_stack",
    ("StackTraceFilter",),
    "A search takes some 160 MB more of memory.",
)
RUNTIME_CONTEXT = PrivateInterface(
    "tensorflow.python.eager.context",
    ("context",),
    "Workers wait without end for one that goes away while they join.",
)
KERAS_STATE = PrivateInterface(
    "keras.src.backend.common.global_state",
    ("get_global_attribute", "set_global_attribute"),
    "Layers of your own that have no name are numbered through the whole process; give them "
    "names, or a run may not find its checkpoint's variables again.",
)

PRIVATE_INTERFACES = (
    TAPE_RECORDS,
    GRADIENT_SUMS,
    VECTOR_SPACES,
    TANGENTS,
    STACK_TRACES,
    RUNTIME_CONTEXT,
    KERAS_STATE,
)
