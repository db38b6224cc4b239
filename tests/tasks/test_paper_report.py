import copy
import re
from dataclasses import replace

import numpy as np
import pytest

from ddnn.errors import ArtefactError
from ddnn.evaluation.claims import judge
from tasks.paper_report import (
    BASE,
    TABLE_4,
    VERDICTS,
    cost_rows,
    demand_kind,
    headline,
    render,
    spell,
    table_4,
    variation_rows,
)
from tests.ddnn.evaluation.measured_factory import BOOTSTRAP, make_measured

SETTINGS = {
    "fig4b": {"c_u": 1.0, "N": 6, "w": 0.2},
    "fig4d": {"c_u": 20.0, "N": 25, "w": 0.7},
}
PNG = b"\x89PNG of a test"
POINTS = [("Eq. (3) is <flat> below", "a surrogate of its own")]
FACTS = {
    "generated_with": "ddnn of a test",
    "settings": {"fig4b": {"c_u": 1.0, "surrogate": {"name": "ramp", "width": 0.1}}},
    "seeds": [0, 1],
    "bootstrap": {"samples": 200, "block_days": 1, "level": 0.95},
}


@pytest.fixture(scope="module")
def measured():
    return make_measured(settings=SETTINGS, days=2, seeds=2)


@pytest.fixture(scope="module")
def small():
    return make_measured(
        settings={"fig4b": SETTINGS["fig4b"]}, days=2, seeds=1, snapshots=0, times=False
    )


@pytest.fixture(autouse=True)
def _open_points(monkeypatch):
    monkeypatch.setattr("tasks.paper_report.OPEN_POINTS", POINTS)


@pytest.fixture
def html(measured):
    return render(measured, claims_of(*VERDICTS), {"fig3a": PNG, "fig5c": PNG}, [tried()], FACTS)


def claims_of(*verdicts, demand="milano25"):
    return [
        {
            "id": place,
            "claim": f"statement {place}",
            "setting": "fig4b",
            "demand": demand,
            "paper": 14,
            "ours": 8.512,
            "interval": [7.1, 9.8],
            "tolerance": "± 3 points",
            "verdict": verdict,
            "why": "A & B <b>differ</b>.",
            "parts": [part(verdict), part("holds")],
        }
        for place, verdict in enumerate(verdicts, start=1)
    ]


def part(verdict):
    return {
        "what": f"a part that {verdict}",
        "setting": "fig4b",
        "paper": "near Oracle",
        "ours": None,
        "interval": None,
        "tolerance": None,
        "verdict": verdict,
    }


def tried(variation=BASE, remote=4.0, local=5.0, seed=0, dtype="float32", setting="fig4b"):
    return {
        "setting": setting,
        "variation": variation,
        "seed": seed,
        "dtype": dtype,
        "demand": "milano25",
        "local": local,
        "remote": remote,
        "last_value_headroom": 3.2,
        "best_epoch": 40,
        "epochs": 60,
        "seconds": 50.0,
    }


def with_vnfs(measured, demand, vnfs):
    runs = copy.deepcopy(dict(measured.runs))
    for listed in runs.values():
        for run in listed:
            run.evaluation["demand"]["vnfs"] = vnfs
            run.evaluation["demand"]["name"] = demand
    return replace(measured, demand=demand, runs=runs)


def over_cloud(measured, setting, rule, asked):
    """Give the cost of a rule over the cloud's, seed by seed."""
    return [
        next(p["C"] for p in run.evaluation["rules"][rule] if p["L0"] == asked)
        / run.slots["cost_remote"].mean()
        - 1
        for run in measured.runs[setting]
    ]


def text_of(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_report_is_one_file_that_needs_no_network(html):
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", html)
    assert "http" not in html
    assert "<script" not in html
    for place in re.findall(r'href="#([^"]+)"', html):
        assert f'id="{place}"' in html


def test_the_same_inputs_give_the_same_text(measured, html):
    again = render(measured, claims_of(*VERDICTS), {"fig3a": PNG, "fig5c": PNG}, [tried()], FACTS)
    assert again == html


@pytest.mark.parametrize(
    ("held", "partly", "failed", "unjudged", "answer", "counted"),
    [
        (3, 0, 0, 0, "Yes, as far", "of 3 claims 3 hold."),
        (3, 0, 0, 1, "Yes, as far", "of 4 claims 3 hold and 1 cannot be judged."),
        (0, 0, 2, 5, "No.", "of 7 claims 2 do not hold and 5 cannot be judged."),
        (3, 1, 1, 9, "For the most part, yes.", "3 hold, 1 holds in part, 1 does not hold and 9"),
        (1, 1, 3, 0, "For the most part, no.", "1 holds, 1 holds in part and 3 do not hold."),
        (2, 0, 2, 0, "In part.", "2 hold and 2 do not hold."),
        (0, 4, 0, 0, "In part.", "of 4 claims 4 hold in part."),
        (0, 0, 0, 2, "Nothing could be judged.", "of 2 claims 2 cannot be judged."),
    ],
)
def test_the_headline_is_counted(measured, held, partly, failed, unjudged, answer, counted):
    numbers = zip(VERDICTS, (held, partly, failed, unjudged), strict=True)
    claims = claims_of(*(verdict for verdict, count in numbers for _ in range(count)))
    said = headline(claims, demand_kind(measured))
    assert said.startswith(answer)
    assert counted in said
    assert said in text_of(render(measured, claims, {}, [], FACTS))


def test_every_verdict_has_its_word_and_its_colour(html):
    for verdict, colour in VERDICTS.items():
        own = 2 if verdict != "holds" else 2 + 4  # the claim, its part, and each claim's second
        assert html.count(f'<b class="badge {colour}">{verdict}</b>') == own
        assert f'<div class="{colour}"><b>1</b><span>{verdict}</span></div>' in html


def test_a_claim_is_told_with_its_numbers_and_parts(html):
    text = text_of(html)
    assert (
        "1 statement 1 here: a part that holds fig4b 14 8.512 [7.1, 9.8] ± 3 points holds" in text
    )
    assert "2 parts: 2 hold" in text
    assert "2 parts: 1 holds, 1 does not hold" in text
    assert "a part that cannot be judged fig4b near Oracle - - - cannot be judged" in text


def test_the_judges_own_claims_are_all_told(measured):
    claims = [claim.to_json() for claim in judge(measured, BOOTSTRAP)]
    html = render(measured, claims, {}, [], FACTS)
    assert len(claims) == 24
    for claim in claims:
        place = html.index(f'<tbody class="one" id="claim-{claim["id"]}">')
        row = text_of(html[place : html.index("</tr>", place)])
        assert row.startswith(f"{claim['id']} ")
        assert row.endswith(f"{spell(claim['tolerance'])} {claim['verdict']}")


def test_nothing_from_outside_becomes_markup(html):
    assert "A &amp; B &lt;b&gt;differ&lt;/b&gt;." in html
    assert "Eq. (3) is &lt;flat&gt; below</dt><dd>a surrogate of its own" in html


@pytest.mark.parametrize(
    ("demand", "vnfs", "short"),
    [
        ("milano25", 25, "25 real squares of Milano"),
        ("city49", 49, "a synthetic city of 49 squares"),
        ("milano49", 49, "49 real squares of Milano, drawn by lot"),
        ("milano25", 49, "the demand milano25 (49 series)"),
        ("city49", 25, "the demand city49 (25 series)"),
        ("mine", 25, "the demand mine (25 series)"),
    ],
)
def test_the_kind_of_demand_is_named_and_never_mixed_up(small, demand, vnfs, short):
    changed = with_vnfs(small, demand, vnfs)
    assert demand_kind(changed).short == short
    html = render(changed, claims_of("holds", demand=demand), {}, [], FACTS)
    assert f"<h1>Does the paper hold on {short}?</h1>" in html
    text = text_of(html)
    assert ("Real demand" in text) == ("real squares of Milano" in short)
    assert ("one block of 5 x 5" in text) == (short == "25 real squares of Milano")
    assert ("Not real demand: a synthetic city" in text) == ("synthetic" in short)


def test_parts_of_two_demands_are_refused(small):
    with pytest.raises(ArtefactError, match="judged on city49, not on milano25"):
        render(small, claims_of("holds", demand="city49"), {}, [], FACTS)
    other = copy.deepcopy(small.runs["fig4b"][0])
    other.evaluation["demand"]["sha256"] = "f" * 64
    mixed = replace(small, runs={"fig4b": (*small.runs["fig4b"], other)})
    with pytest.raises(ArtefactError, match=r"more than one demand.*ffffffff"):
        render(mixed, claims_of("holds"), {}, [], FACTS)


def test_an_unknown_verdict_and_an_empty_experiment_are_refused(small):
    with pytest.raises(ArtefactError, match="claim 1: no such verdict: perhaps"):
        render(small, claims_of("perhaps"), {}, [], FACTS)
    with pytest.raises(ArtefactError, match="no run of the experiment"):
        render(replace(small, runs={}), [], {}, [], FACTS)


def test_figures_stand_with_a_caption_and_a_text_for_those_who_cannot_see(html):
    assert html.count("<figure ") == html.count("data:image/png;base64,") == 2
    alt = re.search(r'<img src="data:image/png;base64,[^"]+" alt="(Fig\. 5\(c\), [^"]+)">', html)
    assert alt is not None
    assert "c_u = 20, N = 25, w = 0.7" in alt[1]
    assert f"<figcaption>{alt[1]}</figcaption>" in html


def test_costs_are_means_over_seeds_with_their_ends(measured):
    rows = {row["system"]: row for row in cost_rows(measured, "fig4b")}
    assert list(rows) == ["local", "remote", "deepcog", "deepcog_original", "last_value_headroom"]
    seeds = [run.slots["cost_local"].mean() for run in measured.runs["fig4b"]]
    assert rows["local"]["mean"] == pytest.approx(np.mean(seeds))
    assert (rows["local"]["low"], rows["local"]["high"]) == pytest.approx((min(seeds), max(seeds)))
    baseline = rows["last_value_headroom"]["mean"]
    assert rows["local"]["change"] == pytest.approx(rows["local"]["mean"] / baseline - 1)
    assert rows["local"]["violations"] == pytest.approx(0.04)
    assert rows["deepcog_original"]["seeds"] == 1
    assert rows["deepcog_original"]["violations"] is None
    least = min(row["mean"] for row in rows.values())
    assert [row["mean"] for row in rows.values() if row["best"]] == [least]


def test_a_network_that_was_not_trained_has_no_row(measured):
    without = replace(measured, original={})
    assert "deepcog_original" not in {row["system"] for row in cost_rows(without, "fig4b")}


def test_table_4_is_the_papers_formula(measured):
    rows = table_4(measured)["rows"]
    assert len(rows) == len(TABLE_4) == 7
    for row in rows:
        assert round(row["paper_times"][0], 1) == row["paper"]


def test_table_4_counts_a_rules_own_time(measured):
    table = table_4(measured)
    columns = ["formula", "with the gate", "with B = 2", "with B = 10"]
    assert table["columns"] == columns
    rules = measured.runs["fig4b"][0].evaluation["latency"]["rules"]
    modelled = [rules[n]["rule_ms"] for n in ("optimized_volume", "uncertainty_b2")]
    timed = [measured.times.rules[n] for n in ("optimized_volume", "uncertainty_b2")]
    for row in table["rows"]:
        for times, added in (("paper_times", modelled), ("measured", timed)):
            formula, *ruled, _ = row[times]
            assert np.array(ruled) - formula == pytest.approx(added)
    local, remote = measured.times.layers.local_ms, measured.times.layers.remote_ms
    first = table["rows"][0]
    assert first["measured"][0] == pytest.approx(0.042 * local + 0.958 * remote)


def test_times_that_were_not_measured_are_not_shown(html, small):
    without = text_of(render(small, claims_of("holds"), {}, [], FACTS))
    assert "this machine" in text_of(html)
    assert "Measured on a test: F0 0.110 ms" in text_of(html)
    assert "with this machine" not in without
    assert "No times were measured on this machine." in without


def test_table_3_stands_beside_the_papers(html):
    text = text_of(html)
    assert "DDNN, edge 15.3 7.6 6.3 15.3 7.6 6.3" in text
    assert "DDNN, cloud 222.1 111.0 12.7 221.9 111.0 12.7" in text
    assert "AlexNet 2859.5 1428.4 61.1" in text


def test_sizes_of_what_was_trained_are_told_by_window(measured, html):
    text = text_of(html)
    for setting, runs in measured.runs.items():
        size = runs[0].evaluation["size"]
        macs = (size["F0"]["macs"] + size["F1"]["macs"]) / 1e6
        past = SETTINGS[setting]["N"]
        assert f"{setting} (N = {past}) edge {2 * macs:.2f} {macs:.2f}" in text


def test_the_gates_are_told_with_the_share_that_they_reached(measured, html):
    text = text_of(html)
    shares = [
        next(p["L"] for p in run.evaluation["rules"]["optimized_volume"] if p["L0"] == 0.9)
        for run in measured.runs["fig4b"]
    ]
    low, high = 100 * min(shares), 100 * max(shares)
    over = over_cloud(measured, "fig4b", "optimized_volume", 0.9)
    reached = f"90 % {100 * np.mean(shares):.1f} % {low:.1f} to {high:.1f} %"
    cost = f"{100 * np.mean(over):+.1f} % {100 * min(over):+.1f} % to {100 * max(over):+.1f} %"
    assert f"{reached} {cost}" in text


def test_rules_are_compared_with_the_cloud_at_the_share_asked_for(measured, html):
    text = text_of(html)
    for rule, name in (("random", "Random"), ("uncertainty_b2", "Uncertainty (B = 2)")):
        over = over_cloud(measured, "fig4b", rule, 0.5)
        ends = f"{100 * min(over):.1f} to {100 * max(over):.1f} %; L"
        assert f"{name} {100 * np.mean(over):+.1f} % {ends}" in text


def test_bytes_of_a_decision_are_those_of_the_evaluation(measured, html):
    text = text_of(html)
    for name, runs in measured.runs.items():
        sent = runs[0].evaluation["size"]["bytes"]
        counted = " ".join(f"{sent[part]:,}" for part in ("latent", "window", "newest", "answer"))
        share = np.mean([run.evaluation["deployed"]["L"] for run in runs])
        away = f"{100 * share:.1f} % {(1 - share) * sent['latent']:,.0f}"
        assert f"w = {spell(SETTINGS[name]['w'])} {counted} {away}" in text


def test_variations_are_laid_against_their_base():
    rows = variation_rows(
        [
            tried("ramp 0.2", remote=3.0, local=5.5),
            tried("ramp 0.2", remote=9.0, local=9.0, seed=1),  # no base of this seed
            tried(remote=4.0, local=5.0),
            tried("rate 1e-3", dtype="bfloat16"),  # no base of this number format
            tried("w = 0", remote=4.4, local=None),
        ]
    )["fig4b"]
    assert rows[0]["variation"] == BASE
    assert rows[0]["remote_change"] == 0
    found = {row["variation"]: row for row in rows}
    assert found["ramp 0.2"]["seeds"] == [0, 1]
    assert found["ramp 0.2"]["remote"] == pytest.approx(6.0)
    assert found["ramp 0.2"]["remote_change"] == pytest.approx(-0.25)
    assert found["ramp 0.2"]["local_change"] == pytest.approx(0.1)
    assert found["rate 1e-3"]["remote_change"] is None
    assert found["w = 0"]["remote_change"] == pytest.approx(0.1)
    assert found["w = 0"]["local"] is found["w = 0"]["local_change"] is None


def test_what_was_tried_is_shown_and_its_absence_said(measured):
    tries = [tried(), tried("ramp 0.2", remote=3.0, local=5.5)]
    text = text_of(render(measured, claims_of("holds"), {}, tries, FACTS))
    assert "ramp 0.2 5.500 +10.0 % 3.000 -25.0 %" in text
    bare = text_of(render(measured, claims_of("holds"), {}, [], FACTS))
    assert "No variation is on record" in bare


def test_the_facts_of_the_run_are_told(html, small):
    text = text_of(html)
    assert "c_u 1, surrogate name ramp, width 0.1" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (12_345, "12,345"),
        (0.123456, "0.1235"),
        (20.0, "20"),
        ([7.1, 9.8], "[7.1, 9.8]"),
        (["a", 1], "a, 1"),
        ({"name": "ramp", "width": 0.1}, "name ramp, width 0.1"),
        ("± 3 points", "± 3 points"),
    ],
)
def test_values_are_spelled_for_readers(value, text):
    assert spell(value) == text
