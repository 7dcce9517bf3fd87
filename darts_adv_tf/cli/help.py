"""What --help and --helpfull print."""

from collections.abc import Sequence

from darts_adv_tf.cli.commands import DESCRIPTIONS, flags_of

_HELP_FLAGS = {"help", "h", "help=1", "help=true"}
_FULL_HELP_FLAGS = {"helpfull", "helpfull=1", "helpfull=true"}


def is_help_requested(argv: Sequence[str]) -> bool:
    """Returns whether --help or --helpfull is among the arguments."""
    return not (_HELP_FLAGS | _FULL_HELP_FLAGS).isdisjoint(_names(argv))


def is_full_help_requested(argv: Sequence[str]) -> bool:
    """Returns whether --helpfull is among the arguments."""
    return not _FULL_HELP_FLAGS.isdisjoint(_names(argv))


def help_text(command: str, is_full: bool = False) -> str:
    """Returns the flags of `command` by heading, with their defaults and what they mean.

    Args:
        command: One of `DESCRIPTIONS`.
        is_full: Whether to show every flag; otherwise the essential ones.
    """
    lines = [
        f"python -m darts_adv_tf.{command} [--flag=value ...]",
        "",
        DESCRIPTIONS[command],
    ]
    num_hidden = 0
    for title, group in flags_of(command).items():
        shown = [flag for flag in group if flag.essential or is_full]
        num_hidden += len(group) - len(shown)
        if shown:
            lines += ["", f"{title}:", *(flag.describe() for flag in shown)]
    lines += [
        "",
        "General:",
        "  --flagfile=<path or name>",
        "      Read flags from a file, one per line; later flags override earlier ones.",
    ]
    if is_full:
        lines += [
            "  --undefok=<name,name,...>",
            "      Ignore these flags if the command does not have them. For flagfiles that are",
            "      shared by several commands.",
        ]
    if num_hidden or is_full:
        lines += ["  --help", "      Show the most important flags."]
        lines += ["  --helpfull", "      Show all flags."]
    else:
        lines += ["  --help", "      Show this text."]
    if num_hidden:
        lines += ["", f"{num_hidden} more flags: python -m darts_adv_tf.{command} --helpfull"]
    return "\n".join(lines)


def overview() -> str:
    """Returns the list of the commands, with a line on each."""
    width = max(map(len, DESCRIPTIONS))
    return "\n".join(
        [
            "python -m darts_adv_tf <command> [--flag=value ...]",
            "",
            "Search the discriminator for adversarial medical image segmentation.",
            "",
            "Commands:",
            *(f"  {name:<{width}}  {text}" for name, text in DESCRIPTIONS.items()),
            "",
            "Help on a command: python -m darts_adv_tf <command> --help",
            "A first run, without data: python -m darts_adv_tf search",
        ]
    )


def _names(argv: Sequence[str]) -> set[str]:
    # As absl has it, with one dash or two.
    return {argument.lstrip("-") for argument in argv if argument.startswith("-")}
