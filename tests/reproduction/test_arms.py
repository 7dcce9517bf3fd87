from darts_adv_tf.reproduction.arms import ARMS, USER_LINES, arm_named


def test_lines_of_arms_can_be_told_apart():
    arms = [arm_named(name) for name in ARMS]
    arms += [arm_named("own:build", place) for place in range(len(USER_LINES))]
    lines = {(arm.colour, arm.dashes) for arm in arms}
    assert len(lines) == len(ARMS) + len(USER_LINES)
