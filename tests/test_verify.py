import io
import json
from typing import Any

import pytest

from med42_chat.__main__ import main

SOURCE = {"number": 1, "title": "Formulary", "page": 12, "text": "Metformin is stopped when the eGFR is below 30 ml/min."}


def verify(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, given: object) -> tuple[int, Any, str]:
    monkeypatch.setattr("sys.stdin", io.StringIO(given if isinstance(given, str) else json.dumps(given)))
    status = main(["verify"])
    out, err = capsys.readouterr()
    return status, json.loads(out) if out else None, err


def test_each_finding_has_its_sentence_kind_severity_and_a_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = "Metformin is stopped below 30 ml/min [1]. It is given 850 mg twice a day [1]. Rest helps."
    status, findings, _ = verify(capsys, monkeypatch, {"answer": answer, "sources": [SOURCE]})
    assert status == 0
    assert all({"sentence", "kind", "severity", "message"} <= set(one) and one["message"] for one in findings)
    by_sentence = {
        sentence: {(one["kind"], one["severity"]) for one in findings if one["sentence"] == sentence}
        for sentence in ("Metformin is stopped below 30 ml/min [1].", "It is given 850 mg twice a day [1].", "Rest helps.")
    }
    assert list(by_sentence.values()) == [
        {("drug", "ok"), ("figure", "ok"), ("mark", "ok")},
        {("figure", "warn"), ("frequency", "warn"), ("mark", "ok")},
        set(),
    ]


def test_a_figure_without_a_source_and_a_mark_without_one_are_warned_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, findings, _ = verify(capsys, monkeypatch, {"answer": "Give 5 mg [3]."})
    assert {(one["kind"], one["severity"]) for one in findings} == {("mark", "warn"), ("unsourced", "warn")}


@pytest.mark.parametrize(
    "given",
    [
        "",
        "[]",
        '"x"',
        {},
        {"answer": 5},
        {"answer": "x", "sources": [{"number": 1}]},
        {"answer": "x", "sources": [{**SOURCE, "text": None}]},
        {"answer": "x", "sources": [{**SOURCE, "number": float("inf")}]},
        "[" * 100_000,
        {"answer": "x", "sources": [SOURCE, SOURCE]},
    ],
)
def test_what_is_no_answer_with_sources_is_refused(
    given: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, findings, err = verify(capsys, monkeypatch, given)
    assert (status, findings) == (1, None) and "error:" in err and "hint:" in err
