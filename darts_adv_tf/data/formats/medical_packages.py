"""Imports the optional packages for DICOM and NIfTI."""

import importlib
import logging
import warnings
from types import ModuleType

from darts_adv_tf.system.errors import ConfigurationError


def import_medical(name: str) -> ModuleType:
    """Imports a module of `requirements-medical.txt`, and keeps it from writing to the terminal.

    These packages log and warn about every unusual file, besides raising exceptions. What matters
    is in the `DataError`, so their messages are switched off.

    Raises:
        ConfigurationError: It is not installed.
    """
    package = name.partition(".")[0]
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            "pydicom, imagecodecs and nibabel must be installed to read DICOM and NIfTI files.",
            received=f"{package} cannot be imported ({error})",
            remedy="Run pip install -r requirements-medical.txt",
        ) from error
    for logger_name in (package, f"{package}.global"):
        logging.getLogger(logger_name).setLevel(logging.CRITICAL + 1)
    # Appended, so that whoever turns warnings into errors still gets them.
    warnings.filterwarnings("ignore", module=rf"{package}(\.|$)", append=True)
    return module
