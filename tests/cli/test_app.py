import os

import pytest

from unpaired.cli.app import COMMANDS, main


def test_all_unknown_options_of_a_call_are_reported(capsys):
    assert main(["train", "a", "b", "--sett", "x", "--stesp", "3", "--seed", "1", "--dyr-run"]) == 2
    errors = capsys.readouterr().err
    for option, meant in (("--sett", "--set"), ("--stesp", "--steps"), ("--dyr-run", "--dry-run")):
        assert f"Unknown option: {option}. Did you mean {meant}?" in errors
    assert errors.count("error:") == 3


def test_an_unknown_command_is_named_with_the_nearest(capsys):
    assert main(["tranlsate", "x"]) == 2
    assert 'Did you mean "translate"?' in capsys.readouterr().err


def test_a_user_error_comes_without_a_traceback_unless_debug_is_given(capsys):
    assert main(["train"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    from unpaired.errors import UsageError

    with pytest.raises(UsageError):
        main(["train", "--debug"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    assert main([command, "--help"]) == 0
    assert "Usage: unpaired" in capsys.readouterr().out


@pytest.mark.parametrize(("chosen", "expected"), [(None, "1000"), ("5", "5")])
def test_waiting_threads_soon_sleep_unless_the_user_chose_otherwise(chosen, expected, monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    if chosen:
        monkeypatch.setenv("GOMP_SPINCOUNT", chosen)
    main(["--help"])
    assert os.environ["GOMP_SPINCOUNT"] == expected
