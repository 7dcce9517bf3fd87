"""How well FCN-32s could segment at best, on small phantoms."""

from tests.tools.test_phantom_tools import run


def ceilings(size: int) -> list[float]:
    told = run("measure_fcn32s_ceiling.py", f"--image_size={size}", "--steps=40")
    heading, *lines = told.strip().splitlines()[-5:]
    assert heading.endswith(f"a grid of {size // 32}x{size // 32}")
    assert [line.split()[1] for line in lines] == ["10", "20", "30", "40"]
    return [float(line.split()[3]) for line in lines]


def test_a_finer_grid_can_do_better_and_descent_comes_closer():
    coarse, fine = ceilings(32), ceilings(128)
    assert coarse[-1] < 0.4 < 0.7 < fine[-1] <= 1
    assert fine == sorted(fine)


def test_a_discriminator_tells_such_masks_from_true_ones():
    flags = ("--image_size=64", "--steps=40", "--discriminator_steps=30")
    last = run("measure_fcn32s_ceiling.py", *flags).strip().splitlines()[-1]
    real, fake = (float(word) for word in last.split() if word[0].isdigit())
    # A coin would have a half each.
    assert last.startswith("discriminator") and 1 >= (real + fake) / 2 > 0.75
