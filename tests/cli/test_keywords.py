import pytest

from darts_adv_tf.cli.keywords import flags_of, run_with_keywords
from darts_adv_tf.config import RunConfig
from darts_adv_tf.system.errors import ConfigurationError


def test_settings_become_flags():
    settings = {"seed": 3, "resume": True, "inputs": ["a", "b"], "workdir": None}
    assert flags_of(settings) == ["--seed=3", "--resume=True", "--inputs=a,b"]


def test_a_command_runs_with_the_configuration_of_its_flags(tmp_path):
    given = []
    settings = {"workdir": tmp_path / "run", "learning_rate": 0.5}
    config = run_with_keywords(given.append, "search", settings)
    assert given == [config] and isinstance(config, RunConfig)
    assert (config.command, config.workdir) == ("search", str(tmp_path / "run"))
    assert config.training.learning_rate == 0.5


@pytest.mark.parametrize("settings", [{"learning_rat": 1}, {"learning_rate": "fast"}])
def test_what_is_no_setting_is_refused(settings, tmp_path):
    with pytest.raises(ConfigurationError, match="--learning_rat"):
        run_with_keywords(pytest.fail, "search", {"workdir": tmp_path / "run", **settings})
