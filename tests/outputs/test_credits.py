"""A file says what makes it again."""

from pathlib import Path

from flashtalk.outputs.credits import Credits


def test_names_are_plain_words_that_every_file_system_takes() -> None:
    made = Credits.of(
        "/tmp/Ada (2).JPG", Path("Zoë’s voice.m4a"), seed=7, steps=4, preset="flashtalk-tiny"
    )
    assert made.file_name == "flashtalk-ada-2-zoë-s-voice-7.mp4"
    assert made.metadata["title"] == "ada-2 speaks with the voice zoë-s-voice"
    for fact in ("seed: 7", "steps: 4", "preset: flashtalk-tiny", "version: "):
        assert fact in made.metadata["description"]


def test_what_is_no_file_has_a_name_all_the_same() -> None:
    made = Credits.of(None, "/tmp/???.wav", seed=0, steps=1, preset="p")
    assert made.file_name == "flashtalk-portrait-voice-0.mp4"
    long = Credits.of("x" * 300, None, seed=0, steps=1, preset="p")
    assert len(long.file_name) < 80
