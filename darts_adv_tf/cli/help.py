"""What --help prints."""

from collections.abc import Sequence

from darts_adv_tf.cli.commands import DESCRIPTIONS, flags_of

_HELP_FLAGS = {"--help", "-help", "-h", "--helpfull", "--help=1", "--help=true"}


def is_help_requested(argv: Sequence[str]) -> bool:
    """Whether --help is among the arguments."""
    return not _HELP_FLAGS.isdisjoint(argv)


def help_text(command: str) -> str:
    """Every flag of `command`, with its default and what it means."""
    lines = [
        f"python -m darts_adv_tf.{command} [--flag=value ...]",
        "",
        DESCRIPTIONS[command],
    ]
    for title, group in flags_of(command).items():
        lines += ["", f"{title}:", *(flag.describe() for flag in group)]
    lines += [
        "",
        "General:",
        "  --flagfile=<path>",
        "      File with a flag on each line, and more such files; later flags win over earlier.",
        "  --undefok=<name,name,...>",
        "      Flags to pass over where the command has none of that name; for files that several",
        "      commands share.",
        "  --help",
        "      This text.",
    ]
    return "\n".join(lines)
