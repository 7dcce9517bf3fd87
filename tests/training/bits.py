"""Which variables an update touched, bit for bit."""

from collections.abc import Callable, Mapping


def changed_parts(parts: Mapping[str, object], update: Callable[[], object]) -> set[str]:
    """Runs `update` and names the parts in which something changed.

    Args:
        parts: Layers or optimizers by name.

    Raises:
        AssertionError: Of a part's variables some changed and some did not. (An optimizer's
            learning rate never does.)
    """

    def bits():
        return {
            name: [v.numpy().tobytes() for v in part.variables if v.name != "learning_rate"]
            for name, part in parts.items()
        }

    before = bits()
    update()
    changed = set()
    for name, after in bits().items():
        pairs = zip(before[name], after, strict=True)
        differences = [one != other for one, other in pairs]
        assert all(differences) or not any(differences), f"{name} changed in part: {differences}"
        if any(differences):
            changed.add(name)
    return changed
