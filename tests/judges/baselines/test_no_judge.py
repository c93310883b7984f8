"""The scanner alone."""

from dataclasses import replace

from exray.judges.baselines.no_judge import KeepAll


def test_every_trigger_counts_as_injected_and_the_asr_ranks_them(
    trojaned, colour_samples, white_patch, green_tint
):
    triggers = [replace(white_patch, asr=0.9), replace(green_tint, asr=1.0)]
    judgements = KeepAll().judge(trojaned, colour_samples, triggers)
    assert all(judgement.is_injected and judgement.score >= 0.5 for judgement in judgements)
    assert judgements[0].score < judgements[1].score
    assert "no judge was asked (ASR 0.90)" in judgements[0].reason


def test_a_trigger_that_flips_nothing_is_none(trojaned, colour_samples, white_patch):
    (judgement,) = KeepAll().judge(trojaned, colour_samples, [replace(white_patch, asr=0.0)])
    assert (judgement.is_injected, judgement.score) == (False, 0.0)
    assert "flips none" in judgement.reason


def test_no_trigger_gives_no_judgement(trojaned, colour_samples):
    assert KeepAll().judge(trojaned, colour_samples, []) == []
