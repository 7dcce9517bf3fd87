"""The architecture of the discriminator where no search has to find it."""

from pathlib import Path

from darts_adv_tf.config import RunConfig
from darts_adv_tf.search_space.genotype import (
    GENOTYPE_FILE,
    Genotype,
    load_genotype,
    random_genotype,
)


def given_genotype(config: RunConfig) -> Genotype | None:
    """Of `train`: that of its file, or the random one of its number; None where D has no cells.

    A run that has begun goes by the copy in its work directory, since the file that it came from
    may be gone.

    Raises:
        ConfigurationError: The file is missing or no genotype.
        StorageError: It cannot be read.
    """
    if config.model.discriminator == "random":
        return random_genotype(config.model.random_draw)
    if config.genotype is None:
        return None
    own = Path(config.workdir or ".") / GENOTYPE_FILE
    return load_genotype(own if config.workdir and own.exists() else config.genotype)
